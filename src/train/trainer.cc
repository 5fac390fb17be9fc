#include "train/trainer.h"

#include <cmath>
#include <limits>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/system.h"
#include "base/terminal.h"
#include "ops/pass_observer.h"

namespace falconer {
namespace {

// Rows of held-out data that are evaluated in one pass, in tokens.
constexpr int64_t kEvalTokens = 2048;

// Rows end to end.
BatchBuffer batch_of(const RowView& rows, const std::vector<int64_t>& numbers) {
  std::vector<Row> read;
  read.reserve(numbers.size());
  std::vector<BatchBuffer::Sequence> sequences;
  for (const int64_t number : numbers) {
    const Row& row = read.emplace_back(rows[number]);
    sequences.push_back({row.ids, row.labels});
  }
  return BatchBuffer::for_training(sequences);
}

// Rows in order, as many as fit in kEvalTokens (one at least).
std::vector<std::vector<int64_t>> eval_batches(const RowView& rows) {
  std::vector<std::vector<int64_t>> batches;
  int64_t tokens = 0;
  for (int64_t i = 0; i < rows.size(); ++i) {
    if (batches.empty() || tokens + rows.length(i) > kEvalTokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(i);
    tokens += rows.length(i);
  }
  return batches;
}

// The first numbers of each trainable tensor, to tell later whether it moved.
std::vector<std::vector<float>> samples_of(const std::vector<Param*>& params) {
  std::vector<std::vector<float>> samples;
  for (const Param* param : params) {
    const View all = param->value.reshape(1, param->value.size());
    samples.push_back(host_values(all.col_range(0, std::min<int64_t>(all.cols, 65536))));
  }
  return samples;
}

}  // namespace

Trainer::Trainer(Session& session, RowView rows, RowView held_out, TrainOptions options)
    : session_(session),
      rows_(rows),
      held_out_(held_out),
      options_(std::move(options)),
      plan_(rows, options_.batches),
      optimizer_(options_.optimizer, session.method()->params(), session.optimizer_state()) {
  for (int64_t i = 0; i < held_out_.size() && !evaluates_; ++i)
    evaluates_ = held_out_.targets(i) > 0;
}

void Trainer::reserve() {
  if (reserved_) return;
  reserved_ = true;
  const StepPlan::Largest largest = plan_.largest_micro_batch();
  Decoder& decoder = session_.decoder();
  session_.reserve([&](Run& run) {
    run.training = true;
    decoder.train(run, measuring_batch(largest.tokens, largest.targets), 1);
  });
  if (held_out_.empty()) return;
  StepPlan::Largest eval;
  for (const auto& batch : eval_batches(held_out_)) {
    int64_t tokens = 0;
    for (const int64_t row : batch) tokens += held_out_.length(row);
    eval.tokens = std::max(eval.tokens, tokens);
  }
  session_.reserve([&](Run& run) { decoder.loss(run, measuring_batch(eval.tokens, eval.tokens)); });
}

EvalMetrics Trainer::evaluate(RowView rows) {
  const double start = now_seconds();
  LossSum total;
  Run& run = session_.run();
  run.training = false;
  const InPart evaluation(run, {.name = "evaluation", .number = state_.step});
  for (const auto& batch : eval_batches(rows)) {
    const BatchBuffer buffer = batch_of(rows, batch);
    const LossSum one = session_.decoder().loss(run, buffer.batch());
    total.sum += one.sum;
    total.count += one.count;
  }
  return {.step = state_.step,
          .loss = total.sum / static_cast<double>(total.count),
          .tokens = total.count,
          .seconds = now_seconds() - start};
}

// Gradients of one step. The whole step's labelled tokens are counted first, so that accumulation
// is exact by token however the batch is cut.
Trainer::StepSums Trainer::accumulate(const std::vector<std::vector<int64_t>>& micro_batches) {
  StepSums sums;
  int64_t micro_with_targets = 0;
  for (const auto& micro : micro_batches) {
    int64_t targets = 0;
    for (int64_t row : micro) targets += rows_.targets(row);
    sums.targets += targets;
    micro_with_targets += targets > 0;
  }
  Run& run = session_.run();
  run.training = true;
  run.first_row = run.first_target = 0;
  for (const auto& micro : micro_batches) {
    const BatchBuffer buffer = [&] {
      const InPart part(run, {"rows"});
      return batch_of(rows_, micro);
    }();
    const int64_t targets = buffer.batch().target_count();
    const double weight =
        options_.loss_average == LossAverage::kToken
            ? 1.0 / static_cast<double>(sums.targets)
            : 1.0 / (static_cast<double>(targets) * static_cast<double>(micro_with_targets));
    if (targets > 0)
      sums.loss +=
          weight * session_.decoder().train(run, buffer.batch(), static_cast<float>(weight)).sum;
    sums.tokens += buffer.batch().tokens();
    run.first_row += buffer.batch().tokens();
    run.first_target += targets;
  }
  run.training = false;
  return sums;
}

std::string Trainer::rows_text(int64_t number) const {
  std::vector<int64_t> lines;
  for (const auto& micro : plan_.step(number))
    for (int64_t row : micro) lines.push_back(rows_.line(row));
  if (lines.size() > 16) lines.resize(16);
  return fmt::format("{}s {}{}", rows_.counted_by(), joined(lines, ", "),
                     lines.size() == 16 ? ", ..." : "");
}

// Says what is unusual in a step, and whether it is to be left out for that.
bool Trainer::skips_spike(int64_t number, double loss, double norm) {
  if (options_.on_spike == OnSpike::kOff) return false;
  const auto unusual = guard_.judge(loss, norm);
  const bool skip = unusual && options_.on_spike == OnSpike::kSkip;
  if (!skip) guard_.add(loss, norm);
  if (!unusual) return false;
  if (progress_ != nullptr) progress_->pause();
  log_warning("step {}{}: {}; look at {}", number, skip ? " is left out" : "", *unusual,
              rows_text(number));
  return skip;
}

StepMetrics Trainer::step(int64_t number) {
  const double start = now_seconds();
  Run& run = session_.run();
  run.seed = options_.batches.seed;
  run.step = static_cast<uint32_t>(number);
  const InPart part(run, {.name = "step", .number = number});
  optimizer_.zero_gradients(run);
  const StepSums sums = accumulate(plan_.step(number));
  const double norm = [&] {
    const InPart gradients(run, {"optimizer"});
    return optimizer_.gradient_norm(run);
  }();
  const double lr =
      options_.optimizer.lr *
      schedule_factor(options_.schedule, number, options_.warmup_steps, plan_.total_steps());
  const bool finite = std::isfinite(sums.loss) && std::isfinite(norm);
  if (!finite && !options_.skip_nonfinite)
    fail(
        "step {}: the {} is not finite. Look at its rows ({}), lower --lr, try --precision f32, "
        "see with --check-finite where the first such number comes from, or leave such steps "
        "out with --skip-nonfinite",
        number, std::isfinite(sums.loss) ? "gradient" : "loss", rows_text(number));
  const bool usable = finite && sums.targets > 0;
  if (!usable) {
    if (progress_ != nullptr) progress_->pause();
    log_warning("step {} is left out: {} ({})", number,
                finite ? "its rows have no labelled tokens" : "it is not finite",
                rows_text(number));
  }
  if (usable && !skips_spike(number, sums.loss, norm)) {
    const double clip = options_.grad_clip;
    const double scale = clip > 0 && norm > clip ? clip / (norm + 1e-6) : 1;
    const InPart update(run, {"optimizer"});
    optimizer_.step(run, number - state_.skipped_steps, lr, scale);
  } else {
    ++state_.skipped_steps;
  }
  const double seconds = now_seconds() - start;
  state_.step = number;
  state_.tokens += sums.tokens;
  state_.seconds += seconds;
  return {.step = number,
          .loss = sums.loss,
          .lr = lr,
          .grad_norm = norm,
          .tokens = sums.tokens,
          .tokens_per_second = static_cast<double>(sums.tokens) / std::max(seconds, 1e-9),
          .seconds = seconds,
          .peak_rss_bytes = peak_rss_bytes()};
}

// What is saved must be fit to go on from, and to be used.
void Trainer::refuse_not_finite(const char* what) const {
  const auto found = not_finite(session_);
  if (!found) return;
  const auto saved = list_checkpoints(options_.out);
  fail(
      "step {}: its update made {} infinite or NaN, and {} is not saved. Train with a lower --lr, "
      "a "
      "smaller --grad-clip, or --precision f32{}",
      state_.step, *found, what,
      saved.empty() ? ""
                    : worded("; {} is as it was before, and --resume goes on from it",
                             saved.front().string()));
}

bool Trainer::time_to_save() const {
  return options_.save_every > 0 && now_seconds() >= next_save_;
}

void Trainer::save(bool by_time) {
  if (saved_step_ == state_.step) return;
  const double begin = now_seconds();
  const InPart part(session_.run(), {.name = "checkpoint", .number = state_.step});
  refuse_not_finite("the checkpoint");
  state_.recent = guard_.recent();
  state_.by_time = by_time;
  save_checkpoint(options_.out, session_, options_.record, state_, options_.keep);
  saved_step_ = state_.step;
  const double end = now_seconds();
  next_save_ = end + std::max(options_.save_every, (end - begin) * (1 / options_.save_share - 1));
}

// A loss that is not finite is never the best, and never one to compare with.
bool Trainer::is_better(const EvalMetrics& metrics) const {
  if (std::isfinite(metrics.loss))
    return state_.best_step < 0 || metrics.loss < state_.best_eval_loss;
  if (!options_.skip_nonfinite)
    fail(
        "step {}: the held-out loss is not finite. Look at the held-out rows, lower --lr, try "
        "--precision f32, see with --check-finite where the first such number comes from, or go on "
        "without this evaluation with --skip-nonfinite",
        metrics.step);
  log_warning("step {}: the held-out loss is not finite, and does not count", metrics.step);
  return false;
}

EvalMetrics Trainer::evaluate_and_judge(int64_t step, MetricsLog& log) {
  const EvalMetrics metrics = evaluate(held_out_);
  log.write(metrics);
  progress_->pause();
  held_out_losses_.push_back(metrics.loss);
  log_info("step {}: held-out loss {:.4f} over {} {} ({})", step, metrics.loss, metrics.tokens,
           plural(metrics.tokens, "token"), duration_text(metrics.seconds));
  if (on_evaluation_) on_evaluation_(step);
  if (!is_better(metrics)) {
    ++state_.evals_without_gain;
    return metrics;
  }
  state_.best_eval_loss = metrics.loss;
  state_.best_step = step;
  state_.evals_without_gain = 0;
  if (!options_.keep_best) return metrics;
  refuse_not_finite("best/");
  AtomicFolder best(options_.out / "best");
  save_model(best.folder(), session_, options_.record);
  best.commit();
  return metrics;
}

void Trainer::tell(const StepMetrics& step, const std::optional<EvalMetrics>& evaluation) {
  if (!on_step_) return;
  progress_->pause();
  on_step_(step, evaluation ? &*evaluation : nullptr);
}

bool Trainer::is_to_stop() const { return interrupted() || (cancel_ != nullptr && *cancel_); }

// Where each of the last evaluations gained, and the last of them no little of what the run's evaluations gained on
// average, the end of the run came before that of the gain. Held-out rows are the same ones always: they have no
// noise of their own.
void Trainer::say_still_falling() const {
  constexpr size_t kLooked = 3;
  constexpr double kShare = 0.2, kLeast = 0.002;
  const size_t n = held_out_losses_.size();
  if (n < kLooked || state_.best_step != state_.step) return;
  const double a = held_out_losses_[n - 3], b = held_out_losses_[n - 2],
               c = held_out_losses_[n - 1];
  const double usual = (held_out_losses_.front() - c) / static_cast<double>(n - 1);
  if (!(b < a && b - c >= kShare * usual && b - c >= kLeast * b)) return;
  log_info("the held-out loss was still falling ({:.4f}, {:.4f}, {:.4f}): more {} may help", a, b,
           c, spelled_name(options_.batches.max_steps > 0 ? "--max-steps" : "--epochs"));
}

// A function of the state: a run that was killed after it had stopped stops again.
bool Trainer::stops_early() const {
  return options_.early_stop > 0 && state_.evals_without_gain >= options_.early_stop;
}

// A trainable tensor that training did not change is a bug or a learning rate of 0: never silent.
void Trainer::warn_unmoved(const std::vector<std::vector<float>>& before) const {
  const auto& params = session_.method()->params();
  const auto after = samples_of(params);
  std::vector<std::string> unmoved;
  for (size_t i = 0; i < params.size(); ++i)
    if (before[i] == after[i]) unmoved.push_back(params[i]->name);
  if (!unmoved.empty())
    log_warning("{} of {} trainable {} did not change in this run, the first is {}", unmoved.size(),
                params.size(), plural(params.size(), "tensor"), unmoved.front());
}

void Trainer::train_from(int64_t first, MetricsLog& log, TrainResult& result) {
  Progress progress(plan_.total_steps(), first);
  progress_ = &progress;
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (options_.eval_interval > 0 && first == 1 && evaluates_)
    tell({.loss = kNone, .lr = kNone, .grad_norm = kNone}, evaluate_and_judge(0, log));
  for (int64_t s = first; s <= plan_.total_steps() && !stops_early(); ++s) {
    const StepMetrics metrics = step(s);
    log.write(metrics);
    progress.show(metrics);
    result.last_loss = metrics.loss;
    if (s == first && on_first_step_) on_first_step_();
    const bool last = s == plan_.total_steps();
    std::optional<EvalMetrics> evaluation;
    if (evaluates_ && (last || (options_.eval_interval > 0 && s % options_.eval_interval == 0)))
      evaluation = evaluate_and_judge(s, log);
    tell(metrics, evaluation);
    result.interrupted = is_to_stop();
    const bool asked =
        result.interrupted || (options_.save_interval > 0 && s % options_.save_interval == 0);
    if (asked || time_to_save()) {
      progress.pause();
      log.sync();
      save(!asked);
    }
    if (result.interrupted) break;
  }
  progress.pause();
  progress_ = nullptr;
}

TrainResult Trainer::run() {
  reserve();
  if (state_.step > 0) prune_checkpoints(options_.out, options_.keep);  // a kill came before it
  // A run from the beginning evaluates before its first step, which an earlier try has done too.
  MetricsLog log(options_.out, state_.step > 0 ? state_.step : -1, options_.tensorboard);
  const auto before = samples_of(session_.method()->params());
  const TrainState began = state_;
  TrainResult result;
  next_save_ = now_seconds() + options_.save_every;
  train_from(state_.step + 1, log, result);
  const bool whole = state_.step >= plan_.total_steps();
  result.stopped_early = !whole && stops_early();
  if (result.stopped_early)
    log_info("stopped early: the held-out loss was {}",
             state_.best_step < 0 ? "never finite"
                                  : fmt::format("lowest after step {}, at {:.4f}", state_.best_step,
                                                state_.best_eval_loss));
  result.steps = state_.step;
  result.tokens = state_.tokens;
  result.seconds = state_.seconds;
  result.skipped_steps = state_.skipped_steps;
  if (result.interrupted && !whole) return result;
  result.interrupted = false;
  if (state_.step - state_.skipped_steps > began.step - began.skipped_steps) warn_unmoved(before);
  refuse_not_finite("final/");
  AtomicFolder final_folder(options_.out / "final");
  save_model(final_folder.folder(), session_, options_.record);
  final_folder.commit();
  if (!result.stopped_early) say_still_falling();
  return result;
}

}  // namespace falconer
