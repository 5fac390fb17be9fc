// Training.
#include "falconer/finetune.h"

#include <limits>
#include <memory>

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

FinetuneReport train(const FinetuneOptions& options, const falconer_run& run) {
  falconer_cancel own;
  falconer_cancel& cancel = run.cancel != nullptr ? *run.cancel : own;
  const SignalsHeld held;
  RunContext context{.rows = {}, .on_step = {}, .cancel = &cancel.requested};
  if (run.rows != nullptr) context.rows = {run.rows, run.rows_size};
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
    falconer::FinetuneOptions options;
    set_all(options, settings, count);
    if (options.out.empty()) throw falconer::Error("--out is required: the run's folder", 2);
    *report = owned(train(options, run != nullptr ? *run : falconer_run{}));
  });
}

void falconer_report_free(falconer_report* report) {
  delete static_cast<falconer::c_api::OwnedReport*>(report);
}
