#include "train/trainer.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/system.h"
#include "base/terminal.h"
#include "method/finite_weights.h"
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

int64_t targets_of(const RowView& rows, const std::vector<int64_t>& numbers) {
  int64_t targets = 0;
  for (const int64_t number : numbers) targets += rows.targets(number);
  return targets;
}

int64_t most_targets(const std::vector<MicroBatch>& round) {
  int64_t most = 0;
  for (const MicroBatch& micro : round) most = std::max(most, micro.targets);
  return most;
}

// One token, of which nothing is learned.
BatchBuffer idle_batch() {
  constexpr std::array<int32_t, 2> kIds = {0, 0}, kLabels = {-100, 0};
  const std::array<BatchBuffer::Sequence, 1> one = {{{kIds, kLabels}}};
  return BatchBuffer::for_training(one);
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

}  // namespace

Trainer::Trainer(Session& session, RowView rows, RowView held_out, TrainOptions options)
    : session_(session),
      rows_(rows),
      held_out_(held_out),
      options_(std::move(options)),
      plan_(rows, options_.batches),
      optimizer_(options_.optimizer, session.learners(), session.optimizer_state()),
      ranks_(session.options().ranks) {
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
    decoder.train(run, measuring_batch(largest.tokens, largest.targets, largest.sequences), 1);
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

// The ranks take turns; sums are those of one rank, batch by batch.
EvalMetrics Trainer::evaluate(RowView rows) {
  const double start = now_seconds();
  Run& run = session_.run();
  run.training = false;
  const InPart evaluation(run, {.name = "evaluation", .number = state_.step});
  const auto batches = eval_batches(rows);
  const size_t all = ranks_ == nullptr ? 1 : static_cast<size_t>(ranks_->size());
  const size_t self = ranks_ == nullptr ? 0 : static_cast<size_t>(ranks_->rank());
  std::vector<double> mine;  // sums and counts
  for (size_t first = 0; first < batches.size(); first += all) {
    LossSum one;
    run.head_rows = 0;
    for (size_t k = first; k < std::min(first + all, batches.size()); ++k)
      run.head_rows = std::max(run.head_rows, targets_of(rows, batches[k]));
    const size_t i = first + self;
    if (i < batches.size()) one = session_.decoder().loss(run, batch_of(rows, batches[i]).batch());
    // The others need this rank's pieces, and go through the model whatever their rows have.
    if (one.count == 0 && session_.divided()) session_.decoder().loss(run, idle_batch().batch());
    mine.push_back(one.sum);
    mine.push_back(static_cast<double>(one.count));
  }
  run.head_rows = 0;
  EvalMetrics metrics{.step = state_.step};
  double total = 0;
  const std::vector<double> numbers = numbers_of_all(ranks_, mine);
  for (size_t i = 0; i < mine.size(); i += 2)  // batch by batch, of which each rank had one
    for (size_t at = i; at < numbers.size(); at += mine.size()) {
      total += numbers[at];
      metrics.tokens += static_cast<int64_t>(numbers[at + 1]);
    }
  metrics.loss = total / static_cast<double>(metrics.tokens);
  metrics.seconds = now_seconds() - start;
  return metrics;
}

// A rank without rows in a micro-batch: the others need its pieces of the weights, and its gradients, which are 0.
void Trainer::train_idle() {
  if (!session_.divided()) return;
  session_.decoder().train(session_.run(), idle_batch().batch(), 0);
}

double Trainer::weight_of(const MicroBatch& micro, int64_t targets,
                          int64_t micro_with_targets) const {
  if (options_.loss_average == LossAverage::kToken) return 1.0 / static_cast<double>(targets);
  return 1.0 / (static_cast<double>(micro.targets) * static_cast<double>(micro_with_targets));
}

// Gradients of one step. The whole step's labelled tokens are counted first, so that accumulation
// is exact by token however the batch is cut, and whoever computes which part of it.
Trainer::StepSums Trainer::accumulate(const std::vector<std::vector<MicroBatch>>& rounds) {
  StepSums sums;
  int64_t micro_with_targets = 0;
  for (const auto& round : rounds)
    for (const MicroBatch& micro : round) {
      sums.tokens += micro.tokens;
      sums.targets += micro.targets;
      micro_with_targets += micro.targets > 0;
    }
  Run& run = session_.run();
  run.training = true;
  double loss = 0;
  for (const auto& round : rounds) {
    const MicroBatch& micro = round[ranks_ == nullptr ? 0 : static_cast<size_t>(ranks_->rank())];
    run.head_rows = most_targets(round);
    run.first_row = micro.first_token;
    run.first_target = micro.first_target;
    if (micro.targets == 0) {
      train_idle();
      continue;
    }
    const BatchBuffer buffer = [&] {
      const InPart part(run, {"rows"});
      return batch_of(rows_, micro.rows);
    }();
    const double weight = weight_of(micro, sums.targets, micro_with_targets);
    loss += weight * session_.decoder().train(run, buffer.batch(), static_cast<float>(weight)).sum;
  }
  run.training = false;
  run.head_rows = 0;
  session_.finish_gradients();
  for (const double one : numbers_of_all(ranks_, {loss})) sums.loss += one;
  return sums;
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
  session_.learners().zero_gradients(run);
  const StepSums sums = accumulate(plan_.shares(number));
  const double norm = [&] {
    const InPart gradients(run, {"optimizer"});
    return session_.learners().gradient_norm(run);
  }();
  const double lr =
      options_.optimizer.lr *
      schedule_factor(options_.schedule, number, options_.warmup_steps, plan_.total_steps());
  const bool finite = std::isfinite(sums.loss) && std::isfinite(norm);
  if (!finite && !options_.skip_nonfinite) {
    if (const auto damaged = not_finite_weight(session_))
      fail("step {}: the {} is not finite: {}", number,
           std::isfinite(sums.loss) ? "gradient" : "loss", *damaged);
    fail(
        "step {}: the {} is not finite. Look at its rows ({}), lower --lr, try --precision f32, "
        "see with --check-finite where the first such number comes from, or leave such steps "
        "out with --skip-nonfinite{}",
        number, std::isfinite(sums.loss) ? "gradient" : "loss", rows_text(number), saved_text());
  }
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
    session_.values_changed();
  } else {
    ++state_.skipped_steps;
  }
  // Of the slowest rank, and of the one that has most resident.
  double seconds = 0, peak = 0;
  const std::vector<double> taken =
      numbers_of_all(ranks_, {now_seconds() - start, static_cast<double>(peak_rss_bytes())});
  for (size_t i = 0; i < taken.size(); i += 2) {
    seconds = std::max(seconds, taken[i]);
    peak = std::max(peak, taken[i + 1]);
  }
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
          .peak_rss_bytes = static_cast<int64_t>(peak)};
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
  save_checkpoint(options_.out, session_, options_.record, state_,
                  options_.keep);  // with all ranks
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

EvalMetrics Trainer::evaluate_and_judge(int64_t step, MetricsLog* log) {
  const EvalMetrics metrics = evaluate(held_out_);
  if (log != nullptr) log->write(metrics);
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
  save_model(options_.out / "best", session_, options_.record);
  return metrics;
}

void Trainer::tell(const StepMetrics& step, const std::optional<EvalMetrics>& evaluation) {
  if (!on_step_) return;
  progress_->pause();
  on_step_(step, evaluation ? &*evaluation : nullptr);
}

// All ranks stop where one of them is to, and save when the first one's clock says so.
Trainer::Wishes Trainer::wishes() const {
  constexpr int kCancelled = 1;  // no exit code of a signal's
  const int stop = interrupted()                      ? interrupt_exit_code()
                   : (cancel_ != nullptr && *cancel_) ? kCancelled
                                                      : 0;
  const std::vector<double> all =
      numbers_of_all(ranks_, {static_cast<double>(stop), time_to_save() ? 1.0 : 0.0});
  Wishes wanted{.save = all[1] != 0};
  for (size_t i = 0; i < all.size(); i += 2) {
    wanted.stop |= all[i] != 0;
    // All end as the one that a signal came to.
    if (ranks_ != nullptr && all[i] > kCancelled) interrupt_as(static_cast<int>(all[i]));
  }
  return wanted;
}

// A function of the state: a run that was killed after it had stopped stops again.
bool Trainer::stops_early() const {
  return options_.early_stop > 0 && state_.evals_without_gain >= options_.early_stop;
}

void Trainer::train_from(int64_t first, MetricsLog* log, TrainResult& result) {
  Progress progress(plan_.total_steps(), first);
  progress_ = &progress;
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (options_.eval_interval > 0 && first == 1 && evaluates_)
    tell({.loss = kNone, .lr = kNone, .grad_norm = kNone}, evaluate_and_judge(0, log));
  for (int64_t s = first; s <= plan_.total_steps() && !stops_early(); ++s) {
    const StepMetrics metrics = step(s);
    if (log != nullptr) {
      log->write(metrics);
      progress.show(metrics);
    }
    result.last_loss = metrics.loss;
    if (s == first && on_first_step_) on_first_step_();
    const bool last = s == plan_.total_steps();
    std::optional<EvalMetrics> evaluation;
    if (evaluates_ && (last || (options_.eval_interval > 0 && s % options_.eval_interval == 0)))
      evaluation = evaluate_and_judge(s, log);
    tell(metrics, evaluation);
    const Wishes wanted = wishes();
    result.interrupted = wanted.stop;
    const bool asked =
        result.interrupted || (options_.save_interval > 0 && s % options_.save_interval == 0);
    if (asked || wanted.save) {
      progress.pause();
      if (log != nullptr) log->sync();
      save(!asked);
    }
    if (result.interrupted) break;
  }
  progress.pause();
  progress_ = nullptr;
}

TrainResult Trainer::run() {
  reserve();
  // Files are the first rank's.
  const bool writes = ranks_ == nullptr || ranks_->first();
  if (writes && state_.step > 0)
    prune_checkpoints(options_.out, options_.keep);  // a kill came before it
  // A run from the beginning evaluates before its first step, which an earlier try has done too.
  std::optional<MetricsLog> log;
  if (writes) log.emplace(options_.out, state_.step > 0 ? state_.step : -1, options_.tensorboard);
  const auto before = first_numbers();
  const TrainState began = state_;
  TrainResult result;
  next_save_ = now_seconds() + options_.save_every;
  const double began_at = now_seconds(), waited = ranks_ == nullptr ? 0 : ranks_->waited_seconds();
  train_from(state_.step + 1, log ? &*log : nullptr, result);
  if (ranks_ != nullptr && session_.device() == nullptr)  // or it is the device that waits
    log_info("of {:.1f} s, {:.1f} s passed in waiting for other ranks", now_seconds() - began_at,
             ranks_->waited_seconds() - waited);
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
  save_model(options_.out / "final", session_, options_.record);
  if (!result.stopped_early) say_still_falling();
  return result;
}

}  // namespace falconer
