// The settings of a finetuning run, a line for each. docs/add-a-setting.md says what a new one needs.
#include "api/settings/ranges.h"
#include "api/settings/settings.h"
#include "data/formats.h"
#include "falconer/finetune.h"
#include "method/method.h"
#include "tensor/blocks/format.h"
#include "text/prompt.h"

namespace falconer {
namespace {

using Rows = std::vector<SettingRow>;

const std::vector<std::string> kLora = {MethodName::kLora},
                               kPrompted = {MethodName::kAdapter, MethodName::kAdapterV2},
                               kFull = {MethodName::kFull},
                               kResizing = {MethodName::kLora, MethodName::kFull},
                               kFrozenBase = {MethodName::kLora, MethodName::kAdapter,
                                              MethodName::kAdapterV2};
const std::vector<std::string> kAutoOnOff = {AutoOnOff::kAuto, AutoOnOff::kOn, AutoOnOff::kOff};
std::vector<std::string> quantize_choices() {
  std::vector<std::string> names = written_formats();
  names.insert(names.begin(), "none");
  return names;
}

const std::vector<std::string> kPrecisions = {PrecisionName::kAuto, PrecisionName::kF32,
                                              PrecisionName::kBF16};

std::vector<std::string> formats() {
  std::vector<std::string> names = data_format_names();
  names.insert(names.begin(), "auto");
  return names;
}

// A setting is a few lines, not one for each of its traits.
// clang-format off

Rows data_rows(FinetuneOptions& o) {
  return {
      {.names = "checkpoint,checkpoint-dir", .value = &o.checkpoint,
       .help = "model: a folder (Hugging Face's or LitGPT's), a GGUF file, or org/name on the hub",
       .kind = ValueKind::kModel, .required = true, .bare = "checkpoint"},
      {.names = "data,data-dir", .value = &o.data,
       .help = "rows (.json, .jsonl, .csv, .parquet), text (.txt), a folder with train.* and test.*, or "
               "org/name on the hub",
       .kind = ValueKind::kData, .required = true},
      {.names = "data-format", .value = &o.data_format,
       .help = "of the rows (default: auto, as the first row's keys say)", .choices = formats()},
      {.names = "columns", .value = &o.columns,
       .help = "columns of other names, as instruction=question,output=answer (default: usual names "
               "are found)"},
      {.names = "strict-columns", .value = &o.strict_columns,
       .help = "a column that nothing reads is an error (default: it is named)"},
      {.names = "delimiter", .value = &o.delimiter,
       .help = "one character or tab, between the columns of a table (default: a comma; in .tsv a tab)"},
      {.names = "encoding", .value = &o.encoding,
       .help = "of rows and text, as latin1, cp1252, utf-16 or gbk (default: utf-8)"},
      {.names = "max-seq-length", .value = &o.max_seq_length, .help = "longer rows are cut",
       .range = kLengths, .shows_default = true, .recorded = true},
      {.names = "test-size", .value = &o.test_size,
       .help = "rows of a single file that are held out (default: a tenth, 2000 at most; of fewer "
               "than 100 rows none)",
       .range = kRowCounts},
      {.names = "prompt-style", .value = &o.prompt_style,
       .help = "alpaca, alpaca-colon, falcon, falcon-instruct, falcon3, llama2, llama3, mistral, "
               "gemma, phi-3, vicuna, chatml, raw or chat, the checkpoint's own template (default: "
               "as prepared, else alpaca; for turns chat, or falcon)",
       .choices = PromptStyle::names(), .open = true},
      {.names = "train-on", .value = &o.train_on,
       .help = "all-turns (every answer), last-turn (the last answer) or everything",
       .choices = {TrainOnName::kAllTurns, TrainOnName::kLastTurn, TrainOnName::kEverything},
       .shows_default = true,
       .recorded = true},
      {.names = "mask-prompt,!no-mask-prompt", .value = &o.mask_prompt,
       .help = "learn answers only (default); --no-mask-prompt is --train-on everything"},
      {.names = "parse-special", .value = &o.parse_special,
       .help = "special tokens spelled in rows are control tokens (default: plain text)",
       .recorded = true},
      {.names = "skip-bad", .value = &o.skip_bad,
       .help = "leave bad rows out instead of stopping"},
      {.names = "shuffle,!no-shuffle", .value = &o.shuffle,
       .help = "a new order in each epoch (default)", .recorded = true},
      {.names = "seed", .value = &o.seed, .help = "of weights, order, dropout",
       .shows_default = true, .recorded = true},
  };
}

Rows optimizer_rows(FinetuneOptions& o) {
  return {
      {.names = "precision", .value = &o.precision,
       .help = "auto (bf16 where every matrix is, else f32), f32 or bf16",
       .choices = kPrecisions, .shows_default = true, .open = true, .recorded = true},
      {.names = "device", .value = &o.device,
       .help = "cpu, cuda, cuda:N or auto (default: FALCONER_DEVICE, else cpu)",
       .choices = {"cpu", "cuda", "auto"}, .kind = ValueKind::kDevice, .open = true},
      {.names = "deterministic", .value = &o.deterministic,
       .help = "on a GPU: choose no algorithm by measuring (the CPU gives the same bytes always)"},
      {.names = "optimizer", .value = &o.optimizer,
       .help = "adamw, adamw-8bit (its state in a quarter of the memory) or sgd",
       .choices = {OptimizerName::kAdamW, OptimizerName::kAdamW8bit, OptimizerName::kSgd},
       .shows_default = true, .recorded = true},
      {.names = "lr,learning-rate", .value = &o.lr,
       .help = "default: lora 3e-4, adapters 3e-3, full 2e-5", .range = kLearningRates,
       .recorded = true},
      {.names = "weight-decay", .value = &o.weight_decay, .help = "default: lora 0.01, others 0.02",
       .range = kRates, .recorded = true},
      {.names = "beta1", .value = &o.beta1,
       .help = "AdamW: how slowly its mean of gradients moves", .range = kBetas,
       .shows_default = true, .recorded = true},
      {.names = "beta2", .value = &o.beta2, .help = "AdamW: how slowly its mean of squares moves",
       .range = kBetas, .shows_default = true, .recorded = true},
      {.names = "eps", .value = &o.eps, .help = "AdamW: keeps its quotient finite",
       .range = kEpsilons, .shows_default = true, .recorded = true},
      {.names = "schedule", .value = &o.schedule,
       .help = "constant, linear or cosine, after warm-up",
       .choices = {ScheduleName::kConstant, ScheduleName::kLinear, ScheduleName::kCosine},
       .shows_default = true, .recorded = true},
      {.names = "warmup-steps", .value = &o.warmup_steps,
       .help = "optimizer steps (default: 100, or a tenth of the run if less)", .range = kSteps,
       .recorded = true},
      {.names = "grad-clip", .value = &o.grad_clip, .help = "largest gradient norm; 0: any",
       .range = kNorms, .shows_default = true, .recorded = true},
      {.names = "loss-average", .value = &o.loss_average,
       .help = "token: over the step's tokens; micro-batch: as Lit-Parrot",
       .choices = {LossAverageName::kToken, LossAverageName::kMicroBatch}, .shows_default = true, .recorded = true},
  };
}

Rows length_rows(FinetuneOptions& o) {
  return {
      {.names = "max-steps", .value = &o.max_steps,
       .help = "optimizer steps (default, and 0: as --epochs says)", .range = kSteps},
      {.names = "epochs", .value = &o.epochs,
       .help = "passes over the rows (default: 3 over fewer than 4000 rows, else 1)",
       .range = kEpochs},
      {.names = "batch-size", .value = &o.batch_size,
       .help = "rows of an optimizer step (default: 16)", .range = kRowsTogether,
       .recorded = true},
      {.names = "micro-batch-size", .value = &o.micro_batch_size,
       .help = "rows that are computed at one time", .range = kRowsTogether,
       .shows_default = true, .recorded = true},
      {.names = "packing", .value = &o.packing,
       .help = "instead: as many rows at one time as have --max-seq-length tokens together, each "
               "on its own"},
      {.names = "micro-batch-tokens", .value = &o.micro_batch_tokens,
       .help = "as --packing, with so many tokens (a longer row is computed alone)",
       .range = kTokensTogether, .recorded = true},
      {.names = "recompute", .value = &o.recompute,
       .help = "on: keep little for backward and compute it again; auto: where memory is short",
       .choices = kAutoOnOff, .shows_default = true},
      {.names = "master-weights", .value = &o.master_weights,
       .help = "full, in bf16: what learns is f32, or bf16 with stochastic rounding; auto: f32 "
               "where it fits",
       .choices = kPrecisions, .methods = kFull, .shows_default = true,
       .recorded = true, .measures = true},
      {.names = "offload-optimizer", .value = &o.offload_optimizer,
       .help = "on: on a GPU the optimizer's state stays in the host's memory; auto: where full "
               "finetuning does not fit",
       .choices = kAutoOnOff, .shows_default = true},
      {.names = "shard", .value = &o.shard,
       .help = "of several ranks: what each has a part of: none, optimizer (and gradients) or all (weights too); "
               "auto: the first that fits",
       .choices = {ShardName::kAuto, ShardName::kNone, ShardName::kOptimizer, ShardName::kAll},
       .shows_default = true},
      {.names = "quantize", .value = &o.quantize,
       .help = "lora and adapters: matrices of layers in 4 to 8 bits, nf4 (QLoRA), q8_0 and so on, made as they are "
               "read",
       .choices = quantize_choices(), .methods = kFrozenBase, .shows_default = true, .open = true, .since_records = true},
      {.names = "compute", .value = &o.compute,
       .help = "lora and adapters: products with frozen matrices: exact, or int8 (rounded to 8 bits: fast); auto: exact",
       .choices = {ComputeName::kAuto, ComputeName::kExact, ComputeName::kInt8}, .methods = kFrozenBase, .shows_default = true, .since_records = true},
      {.names = "low-memory", .value = &o.low_memory,
       .help = "keep little more than one layer's weights resident, and read them again"},
  };
}

Rows method_rows(FinetuneOptions& o) {
  return {
      {.names = "lora-r", .value = &o.lora_r, .help = "rank", .range = kLoraRank,
       .methods = kLora, .shows_default = true, .recorded = true, .of_adapter = true},
      {.names = "lora-alpha", .value = &o.lora_alpha, .help = "scale: alpha / r",
       .range = kLoraAlpha, .methods = kLora, .shows_default = true, .recorded = true,
       .of_adapter = true},
      {.names = "lora-dropout", .value = &o.lora_dropout, .help = "default: 0.05",
       .range = kLoraDropout, .methods = kLora, .recorded = true, .of_adapter = true},
      {.names = "lora-targets", .value = &o.lora_targets,
       .help = "q, k, v, qkv, o, gate, up, down, head, all-linear, of Falcon-H1 also in_proj, its parts z, x, B, C and dt, "
               "and out_proj, names of modules, or a regular expression (default: q,v)",
       .choices = {"q", "k", "v", "qkv", "o", "gate", "up", "down", "head", "all-linear"},
       .methods = kLora, .open = true, .commas = true, .recorded = true, .of_adapter = true},
      {.names = "lora-rs", .value = &o.lora_rs, .help = "rank-stabilised: scale alpha / sqrt(r)",
       .methods = kLora, .recorded = true, .of_adapter = true},
      {.names = "lora-dora", .value = &o.lora_dora, .help = "weight-decomposed (DoRA)",
       .methods = kLora, .recorded = true, .of_adapter = true},
      {.names = "resize-embeddings", .value = &o.resize_embeddings,
       .help = "lora, full: new rows of embedding and head, which learn, for tokens that the tokenizer has "
               "and the model has not",
       .methods = kResizing, .since_records = true, .of_adapter = true},
      {.names = "adapter-length", .value = &o.adapter_length,
       .help = "slots of the learned prompt", .range = kAdapterLength, .methods = kPrompted,
       .shows_default = true, .recorded = true, .of_adapter = true},
      {.names = "adapter-start-layer", .value = &o.adapter_start_layer,
       .help = "first layer with a prompt", .range = kAdapterStart, .methods = kPrompted,
       .shows_default = true, .recorded = true, .of_adapter = true},
      {.names = "any-base", .value = &o.any_base,
       .help = "go on although an adapter was trained on another checkpoint, or rows were prepared "
               "with another tokenizer"},
      {.names = "init-adapter", .value = &o.init_adapter,
       .help = "train this adapter on; it brings rank, scale and targets",
       .kind = ValueKind::kAdapter},
      // With another method it serves to measure, and that run's weights are nobody's.
      {.names = "from-scratch,random-weights", .value = &o.from_scratch,
       .help = "random weights for config.json: with full to train them, else to measure",
       .methods = kFull, .measures = true},
  };
}

Rows watching_rows(FinetuneOptions& o) {
  return {
      {.names = "save-interval", .value = &o.save_interval,
       .help = "steps between checkpoints; 0: none", .range = kSteps, .shows_default = true},
      {.names = "save-every", .value = &o.save_every,
       .help = "time between checkpoints besides: 90s, 10m, 1h; 0 or off: none (default: 10m, "
               "where the disk has room)",
       .kind = ValueKind::kTime},
      {.names = "keep", .value = &o.keep, .help = "newest checkpoints that stay; 0: all",
       .range = kKept, .shows_default = true},
      {.names = "eval-interval", .value = &o.eval_interval,
       .help = "steps between evaluations of the held-out rows; 0: one at the end",
       .range = kSteps, .shows_default = true},
      {.names = "early-stop", .value = &o.early_stop,
       .help = "evaluations without gain that end the run; 0: never", .range = kSteps,
       .shows_default = true},
      {.names = "keep-best", .value = &o.keep_best,
       .help = "best/ holds the model of the lowest held-out loss"},
      {.names = "sample-prompt", .value = &o.sample_prompt,
       .help = "an instruction that is answered after each evaluation"},
      {.names = "on-spike", .value = &o.on_spike,
       .help = "steps whose loss is twice, or gradient ten times, that of the steps before: warn, "
               "skip or off",
       .choices = {OnSpikeName::kWarn, OnSpikeName::kSkip, OnSpikeName::kOff}, .shows_default = true, .recorded = true},
      {.names = "check-finite", .value = &o.check_finite,
       .help = "stop at the first op that writes a number that is not finite, and name it (slow)"},
      {.names = "profile", .value = &o.profile,
       .help = "print the time by op and by layer at the end, and write a trace for Perfetto and "
               "chrome://tracing to this file",
       .kind = ValueKind::kFile, .in_recipe = false},
      {.names = "skip-nonfinite", .value = &o.skip_nonfinite,
       .help = "leave out steps that are not finite instead of stopping"},
      {.names = "tensorboard,!no-tensorboard", .value = &o.tensorboard,
       .help = "write a file for TensorBoard as well (default)"},
      {.names = "out,out-dir", .value = &o.out, .help = "folder of this run",
       .kind = ValueKind::kFolder},
      {.names = "overwrite", .value = &o.overwrite, .help = "replace an earlier run in --out",
       .in_recipe = false},
      {.names = "resume", .value = &o.resume,
       .help = "auto (the newest checkpoint in --out) or a checkpoint folder",
       .kind = ValueKind::kFolder, .alone = "auto", .in_recipe = false},
  };
}

// clang-format on

void append(Rows& rows, const char* group, Rows more) {
  for (SettingRow& row : more) {
    row.group = group;
    rows.push_back(std::move(row));
  }
}

}  // namespace

std::vector<SettingRow> rows_of(FinetuneOptions& o) {
  Rows rows = {{.names = "method",
                .value = &o.method,
                .help = "lora, adapter, adapter-v2 or full",
                .choices = method_names(),
                .required = true,
                .recorded = true,
                .bare = "method",
                .group = "Model and data"}};
  append(rows, "Model and data", data_rows(o));
  append(rows, "Training", optimizer_rows(o));
  append(rows, "Training", length_rows(o));
  append(rows, "Method", method_rows(o));
  append(rows, "Saving and watching", watching_rows(o));
  return rows;
}

}  // namespace falconer
