#include "cli/finetune_flags.h"

namespace falconer::cli {
namespace {

void add_data_flags(Command& command, FinetuneOptions& o, bool bare) {
  add_checkpoint(command, o.checkpoint, bare);
  command.add("--data,--data-dir", &o.data,
              "rows (.json, .jsonl, .csv), text (.txt), a folder with train.* and test.*, or "
              "org/name on the hub",
              {.required = true});
  add_data_format(command, "--data-format", o.data_format);
  command.add("--max-seq-length", &o.max_seq_length, "longer rows are cut",
              {.shows_default = true});
  add_test_size(command, o.test_size);
  command.add("--prompt-style", &o.prompt_style,
              "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
              "template (default: as prepared, else alpaca; for turns chat, or falcon)");
  add_learning_flags(command, o.mask_prompt, o.train_on, o.parse_special);
  command.add("--skip-bad", &o.skip_bad, "leave bad rows out instead of stopping");
  command.add("--shuffle,!--no-shuffle", &o.shuffle, "a new order in each epoch (default)");
  command.add("--seed", &o.seed, "of weights, order, dropout", {.shows_default = true});
}

void add_optimizer_flags(Command& command, FinetuneOptions& o) {
  command.add("--precision", &o.precision,
              "auto (bf16 where every matrix is, else f32), f32 or bf16", {.shows_default = true});
  add_device(command, o.device);
  command.add("--deterministic", &o.deterministic,
              "on a GPU: choose no algorithm by measuring (the CPU gives the same bytes always)");
  command.add("--optimizer", &o.optimizer,
              "adamw, adamw-8bit (its state in a quarter of the memory) or sgd",
              {.shows_default = true});
  command.add("--lr,--learning-rate", &o.lr, "default: lora 3e-4, adapters 3e-3, full 2e-5");
  command.add("--weight-decay", &o.weight_decay, "default: lora 0.01, others 0.02");
  command.add("--beta1", &o.beta1, "AdamW: how slowly its mean of gradients moves",
              {.shows_default = true});
  command.add("--beta2", &o.beta2, "AdamW: how slowly its mean of squares moves",
              {.shows_default = true});
  command.add("--eps", &o.eps, "AdamW: keeps its quotient finite", {.shows_default = true});
  command.add("--schedule", &o.schedule, "constant, linear or cosine, after warm-up",
              {.shows_default = true});
  command.add("--warmup-steps", &o.warmup_steps,
              "optimizer steps (default: 100, or a tenth of the run if less)");
  command.add("--grad-clip", &o.grad_clip, "largest gradient norm; 0: any",
              {.shows_default = true});
  command.add("--loss-average", &o.loss_average,
              "token: over the step's tokens; micro-batch: as Lit-Parrot", {.shows_default = true});
  command.add("--max-steps", &o.max_steps, "optimizer steps (default: as --epochs says)",
              {.zero_too = "-1"});  // of transformers' Trainer
  add_length_flags(command, o.epochs, o.batch_size);
  command.add("--micro-batch-size", &o.micro_batch_size, "rows that are computed at one time",
              {.shows_default = true});
  command.add("--packing", &o.packing,
              "instead: as many rows at one time as have --max-seq-length tokens together, each on "
              "its own");
  command.add("--micro-batch-tokens", &o.micro_batch_tokens,
              "as --packing, with so many tokens (a longer row is computed alone)");
  command.add("--recompute", &o.recompute,
              "on: keep little for backward and compute it again; auto: where memory is short",
              {.shows_default = true});
  command.add("--master-weights", &o.master_weights,
              "full, in bf16: what learns is f32, or bf16 with stochastic rounding; auto: f32 "
              "where it fits",
              {.shows_default = true});
  command.add("--offload-optimizer", &o.offload_optimizer,
              "on: on a GPU the optimizer's state stays in the host's memory; auto: where full "
              "finetuning does not fit",
              {.shows_default = true});
  command.add("--low-memory", &o.low_memory,
              "keep little more than one layer's weights resident, and read them again");
}

void add_method_flags(Command& command, FinetuneOptions& o) {
  command.add("--lora-r", &o.lora_r, "rank", {.shows_default = true});
  command.add("--lora-alpha", &o.lora_alpha, "scale: alpha / r", {.shows_default = true});
  command.add("--lora-dropout", &o.lora_dropout, "default: 0.05");
  command.add("--lora-targets", &o.lora_targets,
              "q, k, v, qkv, dense, dense_h_to_4h, dense_4h_to_h, head, all-linear (default: q,v)",
              {.delimiter = ',', .one_each = true});
  command.add("--lora-rs", &o.lora_rs, "rank-stabilised: scale alpha / sqrt(r)");
  command.add("--lora-dora", &o.lora_dora, "weight-decomposed (DoRA)");
  command.add("--adapter-length", &o.adapter_length, "slots of the learned prompt",
              {.shows_default = true});
  command.add("--adapter-start-layer", &o.adapter_start_layer, "first layer with a prompt",
              {.shows_default = true});
  add_any_base(command, o.any_base);
  command.add("--init-adapter", &o.init_adapter,
              "train this adapter on; it brings rank, scale and targets");
  command.add("--from-scratch,--random-weights", &o.from_scratch,
              "random weights for config.json: with full to train them, else to measure");
}

void add_watching_flags(Command& command, FinetuneOptions& o) {
  command.add("--save-interval", &o.save_interval, "steps between checkpoints; 0: none",
              {.shows_default = true});
  command.add("--save-every", &o.save_every,
              "time between checkpoints besides: 90s, 10m, 1h; 0 or off: none (default: 10m, where "
              "the disk has room)");
  command.add("--keep", &o.keep, "newest checkpoints that stay; 0: all", {.shows_default = true});
  command.add("--eval-interval", &o.eval_interval,
              "steps between evaluations of the held-out rows; 0: one at the end",
              {.shows_default = true});
  command.add("--early-stop", &o.early_stop, "evaluations without gain that end the run; 0: never",
              {.shows_default = true});
  command.add("--keep-best", &o.keep_best, "best/ holds the model of the lowest held-out loss");
  command.add("--sample-prompt", &o.sample_prompt,
              "an instruction that is answered after each evaluation");
  command.add("--on-spike", &o.on_spike,
              "steps whose loss is twice, or gradient ten times, that of the steps before: "
              "warn, skip or off",
              {.shows_default = true});
  command.add("--check-finite", &o.check_finite,
              "stop at the first op that writes a number that is not finite, and name it (slow)");
  command.add("--skip-nonfinite", &o.skip_nonfinite,
              "leave out steps that are not finite instead of stopping");
  command.add("--tensorboard,!--no-tensorboard", &o.tensorboard,
              "write a file for TensorBoard as well (default)");
}

}  // namespace

void add_run_flags(Command& command, FinetuneOptions& options, bool bare) {
  command.group("Model and data");
  add_data_flags(command, options, bare);
  command.group("Training");
  add_optimizer_flags(command, options);
  command.group("Method");
  add_method_flags(command, options);
  command.group("Saving and watching");
  add_watching_flags(command, options);
}

void add_finetune_flags(Command& command, FinetuneOptions& options) {
  command.add("method,--method", &options.method, "lora, adapter, adapter-v2 or full",
              {.required = true, .choices = {kMethods.begin(), kMethods.end()}});
  add_run_flags(command, options, true);
  command.add("--out,--out-dir", &options.out, "folder of this run");
}

}  // namespace falconer::cli
