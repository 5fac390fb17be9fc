// The only training loop.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "data/batches.h"
#include "train/metrics.h"
#include "train/optimizer.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/spike_guard.h"

namespace falconer {

enum class LossAverage {
  kToken,       // the mean over all labelled tokens of the step's batch
  kMicroBatch,  // the mean of the micro-batches' means, as Lit-Parrot
};

struct TrainOptions {
  std::filesystem::path out;
  StepPlanOptions batches;
  OptimizerOptions optimizer;
  Schedule schedule = Schedule::kConstant;
  int64_t warmup_steps = 0;
  LossAverage loss_average = LossAverage::kToken;
  double grad_clip = 1;       // 0: none
  int64_t save_interval = 0;  // steps between checkpoints; 0: none but the last state
  double save_every = 0;      // seconds between checkpoints; 0: none are saved by time
  double save_share = 1;      // of the run's time that saving by time may take
  int keep = 2;               // checkpoints that stay; 0: all
  int64_t eval_interval = 0;  // steps between evaluations; 0: one after the last step
  int64_t early_stop = 0;     // evaluations without gain that end the run; 0: never
  bool keep_best = false;     // best/ holds the model of the lowest evaluation loss
  // Leave out a step whose loss or gradient is not finite, and do not count an evaluation that is not,
  // instead of stopping.
  bool skip_nonfinite = false;
  OnSpike on_spike = OnSpike::kWarn;
  bool tensorboard = true;  // an event file beside metrics.jsonl
  ModelRecord record;
};

struct TrainResult {
  int64_t steps = 0;
  bool interrupted = false, stopped_early = false;
  double last_loss = 0, seconds = 0;
  int64_t tokens = 0, skipped_steps = 0;
};

class Trainer {
 public:
  /// The session was opened for training with optimizer_memory(options.optimizer.kind). `held_out`
  /// may be empty. What the rows are views of must outlive the trainer.
  Trainer(Session& session, RowView rows, RowView held_out, TrainOptions options);

  /// Called when the first step of this process is done: the run can be begun.
  void on_first_step(std::function<void()> call) { on_first_step_ = std::move(call); }
  /// Called after each evaluation, to show what the model says by now.
  void on_evaluation(std::function<void(int64_t step)> call) { on_evaluation_ = std::move(call); }
  /// Called after each step, with its evaluation where there was one; for one before the first step with
  /// step 0, whose numbers are NaN. What it throws ends the run, and nothing more is saved.
  using OnStep = std::function<void(const StepMetrics&, const EvalMetrics* evaluation)>;
  void on_step(OnStep call) { on_step_ = std::move(call); }
  /// Looked at after each step, as Ctrl-C is. Must outlive run().
  void stop_by(const std::atomic<bool>* cancel) { cancel_ = cancel; }
  /// Goes on behind `state`, whose optimizer was restored.
  void resume(const TrainState& state) {
    state_ = state;
    guard_.restore(state.recent);
  }

  /// Where it is, or ended.
  const TrainState& state() const { return state_; }

  /// Trains, writes metrics and checkpoints, and final/ at the end. Ctrl-C saves a checkpoint and
  /// returns. Held-out rows with labels are evaluated after the last step at least. Errors: a step
  /// (its rows named), an evaluation, or what is to be saved is not finite; files that cannot be
  /// written.
  TrainResult run();

  /// Mean loss over all labelled tokens of `rows`: the same loss function as training, all rows in
  /// order; NaN where there is none.
  EvalMetrics evaluate(RowView rows);

  /// Reserves memory for the largest micro-batch of the run and for evaluation.
  void reserve();

 private:
  struct StepSums {
    double loss = 0;
    int64_t tokens = 0, targets = 0;
  };
  StepSums accumulate(const std::vector<std::vector<MicroBatch>>& rounds);
  double weight_of(const MicroBatch& micro, int64_t targets, int64_t micro_with_targets) const;
  void train_idle();
  bool skips_spike(int64_t number, double loss, double norm);
  StepMetrics step(int64_t number);
  void say_still_falling() const;
  std::vector<std::vector<float>> first_numbers() const;
  void warn_unmoved(const std::vector<std::vector<float>>& before) const;
  EvalMetrics evaluate_and_judge(int64_t step, MetricsLog* log);
  void tell(const StepMetrics& step, const std::optional<EvalMetrics>& evaluation);
  struct Wishes {
    bool stop = false, save = false;
  };
  Wishes wishes() const;
  bool is_better(const EvalMetrics& metrics) const;
  bool stops_early() const;
  void train_from(int64_t first, MetricsLog* log, TrainResult& result);
  void refuse_not_finite(const char* what) const;
  bool time_to_save() const;
  void save(bool by_time);
  std::string rows_text(int64_t number) const;
  /// "; out/checkpoint-4 is as it was before, ..."; empty: nothing was saved.
  std::string saved_text() const;

  Session& session_;
  RowView rows_, held_out_;
  TrainOptions options_;
  StepPlan plan_;
  Optimizer optimizer_;
  Ranks* ranks_;  // null: this process is alone
  TrainState state_;
  SpikeGuard guard_;
  bool reserved_ = false;
  int64_t saved_step_ = -1;
  bool evaluates_ = false;        // the held-out rows have labels
  double next_save_ = 0;          // by time; in now_seconds()
  Progress* progress_ = nullptr;  // while run() runs
  std::function<void()> on_first_step_;
  OnStep on_step_;
  const std::atomic<bool>* cancel_ = nullptr;  // null: none
  std::vector<double> held_out_losses_;        // of this process' evaluations
  std::function<void(int64_t)> on_evaluation_;
};

}  // namespace falconer
