// Training: settings, plans, runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "falconer/error.h"

namespace falconer {

// The words of settings that are one of a few, so that a compiler finds a wrong one:
// options.schedule = ScheduleName::kCosine. The texts do as well; they are looked at before a run begins.
struct MethodName {
  static constexpr char kLora[] = "lora", kAdapter[] = "adapter", kAdapterV2[] = "adapter-v2",
                        kFull[] = "full";
};
struct PrecisionName {
  static constexpr char kAuto[] = "auto", kF32[] = "f32", kBF16[] = "bf16";
};
struct OptimizerName {
  static constexpr char kAdamW[] = "adamw", kAdamW8bit[] = "adamw-8bit", kSgd[] = "sgd";
};
struct ScheduleName {
  static constexpr char kConstant[] = "constant", kLinear[] = "linear", kCosine[] = "cosine";
};
struct LossAverageName {
  static constexpr char kToken[] = "token", kMicroBatch[] = "micro-batch";
};
struct TrainOnName {
  static constexpr char kAllTurns[] = "all-turns", kLastTurn[] = "last-turn",
                        kEverything[] = "everything";
};
struct AutoOnOff {
  static constexpr char kAuto[] = "auto", kOn[] = "on", kOff[] = "off";
};
struct ShardName {
  static constexpr char kAuto[] = "auto", kNone[] = "none", kOptimizer[] = "optimizer",
                        kAll[] = "all";
};
struct ComputeName {
  static constexpr char kAuto[] = "auto", kExact[] = "exact", kInt8[] = "int8";
};
struct OnSpikeName {
  static constexpr char kWarn[] = "warn", kSkip[] = "skip", kOff[] = "off";
};

struct FinetuneOptions {
  std::string method = MethodName::kLora;
  std::string checkpoint, data, out;
  std::string precision = PrecisionName::kAuto;
  std::string device;  // "cpu", "cuda", "cuda:N" or "auto"; empty: FALCONER_DEVICE, else cpu
  // On a GPU: choose no kernel by measuring it. The CPU gives the same bytes always.
  bool deterministic = false;
  // optimizer; an absent value is the method's default
  std::string optimizer = OptimizerName::kAdamW;
  std::optional<double> lr, weight_decay;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  std::string schedule = ScheduleName::kConstant;
  std::optional<int64_t> warmup_steps;
  double grad_clip = 1;
  std::string loss_average = LossAverageName::kToken;
  // length; absent: 16 rows a step, 3 passes over fewer than 4000 rows, else one; max_steps beats epochs
  int64_t max_steps = 0;
  std::optional<int64_t> epochs, batch_size;
  int64_t micro_batch_size = 4;
  // Rows that are computed together are as many as have so many tokens, whatever micro_batch_size
  // is; 0: not so. `packing` is micro_batch_tokens = max_seq_length.
  int64_t micro_batch_tokens = 0;
  bool packing = false;
  // data
  int64_t max_seq_length = 2048;
  // Rows of a single file that are held out. Absent: a tenth, 2000 at most; of fewer than 100, none.
  std::optional<int64_t> test_size;
  std::string data_format;  // as PrepareOptions
  std::string columns;      // as PrepareOptions
  bool strict_columns = false;
  std::string delimiter, encoding;  // as PrepareOptions
  std::string prompt_style;  // empty: what the data was prepared with, else as PrepareOptions
  bool mask_prompt = true, skip_bad = false, parse_special = false;
  std::string train_on = TrainOnName::kAllTurns;
  bool shuffle = true;
  uint64_t seed = 1337;
  // methods
  int64_t lora_r = 8;
  double lora_alpha = 16;
  std::optional<double> lora_dropout;
  std::vector<std::string> lora_targets = {"q", "v"};
  bool lora_rs = false, lora_dora = false;
  // Rows of the embedding and of the head for tokens that the tokenizer has and the model does not; with
  // LoRA they learn beside it and are saved with the adapter, with full they are part of the model.
  bool resize_embeddings = false;
  int64_t adapter_length = 10, adapter_start_layer = 2;
  std::string init_adapter;
  bool from_scratch = false;  // random values for config.json, no weights are read
  // saving and watching
  int64_t save_interval = 0, eval_interval = 0, early_stop = 0;
  // Time between checkpoints besides: "90s", "10m", "1h", "0" or "off" for none. Empty: "10m", or longer
  // where saving would take more than a twentieth of the time; none where the disk has no room for it.
  std::string save_every;
  int keep = 2;
  bool keep_best = false, skip_nonfinite = false, overwrite = false;
  std::string resume;         // "": no, "auto", or a checkpoint folder
  std::string recipe;         // the file that these settings were read from, which stays as it is
  std::string sample_prompt;  // answered after each evaluation
  bool tensorboard = true;    // event files beside metrics.jsonl
  // Keep a block's input alone for backward and compute the rest again, a quarter more work: "auto"
  // (where the run would not fit otherwise), "on", "off".
  std::string recompute = AutoOnOff::kAuto;
  // On a GPU: keep the optimizer's state in the host's memory: "auto" (full, where the run would not fit
  // otherwise), "on", "off".
  std::string offload_optimizer = AutoOnOff::kAuto;
  // Full finetuning in bf16: what learns is kept in "f32", in "bf16" and rounded stochastically, or as
  // "auto" says: in f32 where that fits.
  std::string master_weights = PrecisionName::kAuto;
  // Of several ranks (mpirun): what each has a part of: "none", gradients and the optimizer's state
  // ("optimizer"), weights too ("all"), or, as "auto" says, the first of these that fits.
  std::string shard = ShardName::kAuto;
  // lora, adapter and adapter-v2: matrices of layers become "nf4", "q8_0", ... as they are read; "none": as stored.
  std::string quantize = "none";
  // lora, adapter and adapter-v2: products with linear layers that do not learn, forward and backward: "exact", "int8",
  // where weights, activations and gradients are rounded to 8 bits for them, or "auto": exact.
  std::string compute = ComputeName::kAuto;
  bool low_memory = false;  // keep about one layer of a mapped model resident, and read it again
  std::string on_spike = OnSpikeName::kWarn;  // steps far above those before
  bool check_finite = false;  // look at all that is computed, and stop at the first op that
                              // writes a number that is not finite; slow
  // Take the time of every op, log it by op and by layer at the end, and write a trace for Perfetto and
  // chrome://tracing to this file; empty: no.
  std::string profile;
  /// Go on from an adapter or a run that was trained on another checkpoint, or with rows that were
  /// prepared with another tokenizer.
  bool any_base = false;
};

/// One step of a run.
struct StepReport {
  /// From 1; 0 is an evaluation before the first step, which has no other numbers than eval_loss.
  int64_t step = 0;
  int64_t total_steps = 0;
  double loss = 0;  // mean over the step's labelled tokens, before its update
  double lr = 0, grad_norm = 0;
  int64_t tokens = 0;  // of the step, without padding
  double tokens_per_second = 0, seconds = 0;
  std::optional<double>
      eval_loss;  // of the held-out rows, where they were evaluated behind this step
};

/// What a run is given besides settings.
struct RunContext {
  /// Rows in memory, in the place of FinetuneOptions::data: a JSON array of objects, or JSON lines, in any
  /// data format. Errors call them "rows in memory". Must live as long as the call.
  std::optional<std::string_view> rows;
  /// Called in the thread that called finetune(). What it throws ends the run without saving; `cancel` saves.
  std::function<void(const StepReport&)> on_step;
  /// Looked at after each step: where it is true the run is saved and ends, as by Ctrl-C, and
  /// FinetuneReport::interrupted is true. Each run has its own; it may be set in any thread.
  const std::atomic<bool>* cancel = nullptr;
  /// Of what this run writes to the log: "quiet", ... as set_verbosity() has them; empty: as that says.
  std::string verbosity = {};
};

struct FinetuneReport {
  int64_t steps = 0, tokens = 0, trainable = 0;
  double last_loss = 0, seconds = 0;
  int64_t peak_rss_bytes = 0;
  bool interrupted = false;
  bool was_finished = false;  // --resume of a run that had come to its end: nothing was done
  std::string final_folder;   // empty where the run did not come to its end
  std::string json;           // one object
};
/// Runs in several threads do not disturb each other: each has its own `out`, its own `cancel` and verbosity.
/// They share the pool of threads (set_threads), stderr, and handle_interrupts(), which stops them all.
FinetuneReport finetune(const FinetuneOptions& options, const RunContext& context = {});

struct FinetunePlan {
  int64_t rows = 0, held_out_rows = 0;
  int64_t steps = 0, steps_per_epoch = 0;
  int64_t rows_seen = 0, tokens_seen = 0;  // over the whole run; tokens are estimated
  int64_t trainable = 0;
  int64_t memory_bytes = 0, memory_available = 0;  // besides the mapped weights
  int64_t disk_bytes = 0, disk_available = 0;
  bool fits = false;        // in memory
  std::string length_text;  // steps, rows and epochs in a line
  std::string text;         // all of it, for people
  std::string json;         // one object
};
/// Everything that finetune() checks before its first step: checkpoint, adapter, data, folder, disk.
/// Trains and writes nothing.
FinetunePlan dry_run(const FinetuneOptions& options, const RunContext& context = {});

/// What several ranks have with which a run is planned. They need not be there.
struct PlannedRanks {
  int64_t ranks = 1;
  int64_t memory = 0;            // bytes that each may have; 0: what can be had on this machine
  double bytes_per_second = 0;   // that each sends to the others, while as many come; 0: not known
  double tokens_per_second = 0;  // that one of them trains on alone; 0: not known
};

/// The bytes that a run would need, by class, before anything is loaded; looks at no disk. Of a checkpoint there may
/// be config.json alone, and its path may be the checkpoint: weights are then assumed in the dtype that it says.
/// Without data, a step has batch_size rows (16) of max_seq_length tokens. Error: what is planned does not fit.
FinetunePlan plan(const FinetuneOptions& options, const RunContext& context = {});
/// What each of several ranks would hold and send, each on a machine of its own; FinetunePlan::fits says whether it
/// has room. Error (usage): values that cannot be.
FinetunePlan plan(const FinetuneOptions& options, const PlannedRanks& ranks,
                  const RunContext& context = {});

}  // namespace falconer
