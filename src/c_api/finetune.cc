// Training.
#include "falconer/finetune.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "base/setting_words.h"
#include "c_api/settings.h"

namespace falconer::c_api {
namespace {

/// A report, and the texts that it points into.
struct OwnedReport : falconer_report {
  std::string final_folder_text, json_text;
};

OwnedReport* owned(const FinetuneReport& from) {
  auto made = std::make_unique<OwnedReport>();
  made->final_folder_text = from.final_folder;
  made->json_text = from.json;
  static_cast<falconer_report&>(*made) = {.steps = from.steps,
                                          .tokens = from.tokens,
                                          .trainable = from.trainable,
                                          .last_loss = from.last_loss,
                                          .seconds = from.seconds,
                                          .peak_rss_bytes = from.peak_rss_bytes,
                                          .interrupted = from.interrupted ? 1 : 0,
                                          .was_finished = from.was_finished ? 1 : 0,
                                          .final_folder = made->final_folder_text.c_str(),
                                          .json = made->json_text.c_str()};
  return made.release();
}

falconer_step step_of(const StepReport& from) {
  return {.step = from.step,
          .total_steps = from.total_steps,
          .loss = from.loss,
          .lr = from.lr,
          .grad_norm = from.grad_norm,
          .tokens = from.tokens,
          .tokens_per_second = from.tokens_per_second,
          .seconds = from.seconds,
          .eval_loss = from.eval_loss.value_or(std::numeric_limits<double>::quiet_NaN())};
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Error (usage): one of `settings` is another method's, and would do nothing.
void refuse_settings_of_other_methods(FinetuneOptions& options, const falconer_setting* settings,
                                      size_t count) {
  const std::vector<Setting> table = settings_of(options);
  for (size_t i = 0; i < count; ++i) {
    const std::string name = dashed(settings[i].name);
    for (const Setting& setting : table) {
      const bool is_this = setting.name == name || has(setting.aliases, name);
      if (is_this && setting.refused_elsewhere)
        refuse_of_other_method(name, setting.methods, options.method);
    }
  }
}

FinetuneOptions options_of(const falconer_setting* settings, size_t count) {
  FinetuneOptions options;
  set_all(options, settings, count);
  refuse_settings_of_other_methods(options, settings, count);
  if (options.out.empty()) fail_usage("--out is required: the run's folder");
  return options;
}

std::optional<std::string_view> rows_of(const falconer_run& run) {
  if (run.rows == nullptr) return {};
  return std::string_view(run.rows, run.rows_size);
}

FinetuneReport train(const FinetuneOptions& options, const falconer_run& run) {
  falconer_cancel own;
  falconer_cancel& cancel = run.cancel != nullptr ? *run.cancel : own;
  const SignalsHeld held;
  RunContext context{.rows = rows_of(run),
                     .on_step = {},
                     .cancel = &cancel.requested,
                     .verbosity = run.verbosity != nullptr ? run.verbosity : ""};
  if (run.on_step != nullptr)
    context.on_step = [&](const StepReport& report) {
      const falconer_step step = step_of(report);
      if (held.released([&] { return run.on_step(&step, run.context); }) != 0)
        cancel.requested = true;
    };
  return finetune(options, context);
}

}  // namespace
}  // namespace falconer::c_api

falconer_status falconer_finetune(const falconer_setting* settings, size_t count,
                                  const falconer_run* run, falconer_report** report) {
  using namespace falconer::c_api;
  return call([&] {
    need(report, "report");
    *report = nullptr;
    *report = owned(train(options_of(settings, count), run != nullptr ? *run : falconer_run{}));
  });
}

falconer_status falconer_plan(const falconer_setting* settings, size_t count,
                              const falconer_run* run, char** json) {
  using namespace falconer::c_api;
  return call([&] {
    need(json, "json");
    *json = nullptr;
    const SignalsHeld held;
    falconer::RunContext context;
    if (run != nullptr) {
      context.rows = rows_of(*run);
      if (run->verbosity != nullptr) context.verbosity = run->verbosity;
    }
    *json = text_copy(falconer::dry_run(options_of(settings, count), context).json);
  });
}

void falconer_report_free(falconer_report* report) {
  delete static_cast<falconer::c_api::OwnedReport*>(report);
}
