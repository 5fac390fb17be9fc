#include "api/finetune/run_texts.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "base/log.h"
#include "base/plural.h"
#include "data/report.h"
#include "report/table.h"
#include "text/tokenizer.h"

namespace falconer {

std::string steps_text(const StepPlan& steps, const StepPlanOptions& options,
                       const LoadedData& data) {
  const int64_t rows = data.rows().size(), total = steps.total_steps();
  const int64_t at_once = std::min(options.batch_size, rows);
  const auto many = [](int64_t n, const char* what) {
    return fmt::format("{} {}", grouped_digits(n), plural(n, what));
  };
  const bool whole = total % steps.steps_per_epoch() == 0;
  const std::string epochs =
      whole ? many(total / steps.steps_per_epoch(), "epoch")
            : fmt::format("{:.2g} epochs", static_cast<double>(total) /
                                               static_cast<double>(steps.steps_per_epoch()));
  std::string text = fmt::format("{} of {} ({} of {})", many(total, "step"), many(at_once, "row"),
                                 epochs, many(rows, "row"));
  if (const int64_t out = data.held_out().size(); out > 0)
    text += fmt::format(", {} held out", many(out, "row"));
  return text;
}

namespace {

void warn_of_few_steps(const FinetuneOptions& o, int64_t steps) {
  constexpr int64_t kFewSteps = 20;
  if (steps >= kFewSteps) return;
  log_warning(
      "a run of {} {} teaches a model next to nothing; give more --epochs (now {}) or a smaller "
      "--batch-size (now {})",
      steps, plural(steps, "step"), o.epochs.value_or(0), o.batch_size.value_or(0));
}

}  // namespace

void say_rows(const FinetuneOptions& o, const LoadedData& data, const StepPlanOptions& batches,
              const Tokenizer* tokenizer, bool whole) {
  const StepPlan steps(data.rows(), batches);
  log_info("{}", steps_text(steps, batches, data));
  std::string text = report_text(data.report, o.data, whole) + rendered_text(data.rendered);
  text.pop_back();  // the line's end
  log_info("{}", text);
  if (tokenizer != nullptr)
    log_info("{}", whole ? show_first_row(data.rows(), *tokenizer)
                         : first_row_line(data.rows(), *tokenizer));
  if (o.max_steps == 0) warn_of_few_steps(o, steps.total_steps());
}

namespace {

using Json = nlohmann::ordered_json;

// What a run was asked for, as far as it says how long the run is.
Json length_json(const FinetuneOptions& o) {
  return {{"method", o.method},
          {"checkpoint", o.checkpoint},
          {"data", o.data},
          {"out", o.out},
          {"precision", o.precision},
          {"batch_size", o.batch_size.value_or(0)},
          {"epochs", o.epochs.value_or(0)},
          {"max_steps", o.max_steps},
          {"warmup_steps", o.warmup_steps.value_or(0)},
          {"lr", o.lr.value_or(0)}};
}

std::string text_of(const Json& json) { return json_text(json, 2) + "\n"; }

// JSON has no NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace

std::string plan_json(const FinetunePlan& plan, const FinetuneOptions& resolved,
                      const std::string& a_rank) {
  Json json = length_json(resolved);
  json.update(Json{{"train_rows", plan.rows},
                   {"held_out_rows", plan.held_out_rows},
                   {"steps", plan.steps},
                   {"steps_per_epoch", plan.steps_per_epoch},
                   {"rows_seen", plan.rows_seen},
                   {"tokens_seen", plan.tokens_seen},
                   {"trainable", plan.trainable},
                   {"memory_bytes", plan.memory_bytes},
                   {"memory_available", plan.memory_available},
                   {"disk_bytes", plan.disk_bytes},
                   {"disk_available", plan.disk_available},
                   {"fits", plan.fits}});
  if (!a_rank.empty()) json["a_rank"] = Json::parse(a_rank);
  return text_of(json);
}

std::string run_json(const FinetuneReport& report, const FinetuneOptions& resolved,
                     const TrainState& state) {
  Json json = length_json(resolved);
  const double seconds = report.seconds;
  const bool evaluated = state.best_step >= 0;
  json.update(
      Json{{"final", report.final_folder.empty() ? Json(nullptr) : Json(report.final_folder)},
           {"interrupted", report.interrupted},
           {"steps", report.steps},
           {"tokens", report.tokens},
           {"trainable", report.trainable},
           {"loss", number(report.last_loss)},
           {"best_eval_loss", evaluated ? number(state.best_eval_loss) : Json(nullptr)},
           {"best_eval_step", evaluated ? Json(state.best_step) : Json(nullptr)},
           {"seconds", number(seconds)},
           {"tokens_per_second",
            seconds > 0 ? number(static_cast<double>(report.tokens) / seconds) : Json(nullptr)},
           {"peak_rss_bytes", report.peak_rss_bytes}});
  return text_of(json);
}

}  // namespace falconer
