#include "cli/finetune_flags.h"

namespace falconer::cli {
namespace {

void add_data_flags(CLI::App& app, FinetuneOptions& o, bool bare) {
  add_checkpoint(app, o.checkpoint, bare);
  app.add_option("--data,--data-dir", o.data,
                 "rows (.json, .jsonl, .csv), text (.txt), a folder with train.* and test.*, or "
                 "org/name on the hub")
      ->required();
  add_data_format(app, "--data-format", o.data_format);
  app.add_option("--max-seq-length", o.max_seq_length, "longer rows are cut")
      ->capture_default_str();
  add_test_size(app, o.test_size);
  app.add_option("--prompt-style", o.prompt_style,
                 "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
                 "template (default: as prepared, else alpaca; for turns chat, or falcon)");
  add_learning_flags(app, o.mask_prompt, o.train_on, o.parse_special);
  app.add_flag("--skip-bad", o.skip_bad, "leave bad rows out instead of stopping");
  app.add_flag("--shuffle,!--no-shuffle", o.shuffle, "a new order in each epoch (default)");
  app.add_option("--seed", o.seed, "of weights, order, dropout")->capture_default_str();
}

void add_optimizer_flags(CLI::App& app, FinetuneOptions& o) {
  app.add_option("--precision", o.precision,
                 "auto (bf16 where every matrix is, else f32), f32 or bf16")
      ->capture_default_str();
  add_device(app, o.device);
  app.add_flag("--deterministic", o.deterministic,
               "on a GPU: choose no algorithm by measuring (the CPU gives the same bytes always)");
  app.add_option("--optimizer", o.optimizer,
                 "adamw, adamw-8bit (its state in a quarter of the memory) or sgd")
      ->capture_default_str();
  app.add_option("--lr,--learning-rate", o.lr, "default: lora 3e-4, adapters 3e-3, full 2e-5");
  app.add_option("--weight-decay", o.weight_decay, "default: lora 0.01, others 0.02");
  app.add_option("--beta1", o.beta1, "AdamW: how slowly its mean of gradients moves")
      ->capture_default_str();
  app.add_option("--beta2", o.beta2, "AdamW: how slowly its mean of squares moves")
      ->capture_default_str();
  app.add_option("--eps", o.eps, "AdamW: keeps its quotient finite")->capture_default_str();
  app.add_option("--schedule", o.schedule, "constant, linear or cosine, after warm-up")
      ->capture_default_str();
  app.add_option("--warmup-steps", o.warmup_steps,
                 "optimizer steps (default: 100, or a tenth of the run if less)");
  app.add_option("--grad-clip", o.grad_clip, "largest gradient norm; 0: any")
      ->capture_default_str();
  app.add_option("--loss-average", o.loss_average,
                 "token: over the step's tokens; micro-batch: as Lit-Parrot")
      ->capture_default_str();
  app.add_option("--max-steps", o.max_steps, "optimizer steps (default: as --epochs says)");
  add_length_flags(app, o.epochs, o.batch_size);
  app.add_option("--micro-batch-size", o.micro_batch_size, "rows that are computed at one time")
      ->capture_default_str();
  app.add_flag(
      "--packing", o.packing,
      "instead: as many rows at one time as have --max-seq-length tokens together, each on "
      "its own");
  app.add_option("--micro-batch-tokens", o.micro_batch_tokens,
                 "as --packing, with so many tokens (a longer row is computed alone)");
  app.add_option("--recompute", o.recompute,
                 "on: keep little for backward and compute it again; auto: where memory is short")
      ->capture_default_str();
  app.add_option("--master-weights", o.master_weights,
                 "full, in bf16: what learns is f32, or bf16 with stochastic rounding; auto: f32 "
                 "where it fits")
      ->capture_default_str();
  app.add_option("--offload-optimizer", o.offload_optimizer,
                 "on: on a GPU the optimizer's state stays in the host's memory; auto: where full "
                 "finetuning does not fit")
      ->capture_default_str();
  app.add_flag("--low-memory", o.low_memory,
               "keep little more than one layer's weights resident, and read them again");
}

void add_method_flags(CLI::App& app, FinetuneOptions& o) {
  app.add_option("--lora-r", o.lora_r, "rank")->capture_default_str();
  app.add_option("--lora-alpha", o.lora_alpha, "scale: alpha / r")->capture_default_str();
  app.add_option("--lora-dropout", o.lora_dropout, "default: 0.05");
  app.add_option(
         "--lora-targets", o.lora_targets,
         "q, k, v, qkv, dense, dense_h_to_4h, dense_4h_to_h, head, all-linear (default: q,v)")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_flag("--lora-rs", o.lora_rs, "rank-stabilised: scale alpha / sqrt(r)");
  app.add_flag("--lora-dora", o.lora_dora, "weight-decomposed (DoRA)");
  app.add_option("--adapter-length", o.adapter_length, "slots of the learned prompt")
      ->capture_default_str();
  app.add_option("--adapter-start-layer", o.adapter_start_layer, "first layer with a prompt")
      ->capture_default_str();
  add_any_base(app, o.any_base);
  app.add_option("--init-adapter", o.init_adapter,
                 "train this adapter on; it brings rank, scale and targets");
  app.add_flag("--from-scratch,--random-weights", o.from_scratch,
               "random weights for config.json: with full to train them, else to measure");
}

void add_watching_flags(CLI::App& app, FinetuneOptions& o) {
  app.add_option("--save-interval", o.save_interval, "steps between checkpoints; 0: none")
      ->capture_default_str();
  app.add_option(
      "--save-every", o.save_every,
      "time between checkpoints besides: 90s, 10m, 1h; 0 or off: none (default: 10m, where "
      "the disk has room)");
  app.add_option("--keep", o.keep, "newest checkpoints that stay; 0: all")->capture_default_str();
  app.add_option("--eval-interval", o.eval_interval,
                 "steps between evaluations of the held-out rows; 0: one at the end")
      ->capture_default_str();
  app.add_option("--early-stop", o.early_stop,
                 "evaluations without gain that end the run; 0: never")
      ->capture_default_str();
  app.add_flag("--keep-best", o.keep_best, "best/ holds the model of the lowest held-out loss");
  app.add_option("--sample-prompt", o.sample_prompt,
                 "an instruction that is answered after each evaluation");
  app.add_option("--on-spike", o.on_spike,
                 "steps whose loss is twice, or gradient ten times, that of the steps before: "
                 "warn, skip or off")
      ->capture_default_str();
  app.add_flag("--check-finite", o.check_finite,
               "stop at the first op that writes a number that is not finite, and name it (slow)");
  app.add_flag("--skip-nonfinite", o.skip_nonfinite,
               "leave out steps that are not finite instead of stopping");
  app.add_flag("--tensorboard,!--no-tensorboard", o.tensorboard,
               "write a file for TensorBoard as well (default)");
}

}  // namespace

void add_run_flags(CLI::App& app, FinetuneOptions& options, bool bare) {
  app.option_defaults()->group("Model and data");
  add_data_flags(app, options, bare);
  app.option_defaults()->group("Training");
  add_optimizer_flags(app, options);
  app.option_defaults()->group("Method");
  add_method_flags(app, options);
  app.option_defaults()->group("Saving and watching");
  add_watching_flags(app, options);
}

void add_finetune_flags(CLI::App& app, FinetuneOptions& options) {
  app.add_option("method,--method", options.method, "lora, adapter, adapter-v2 or full")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>(kMethods.begin(), kMethods.end())));
  add_run_flags(app, options, true);
  app.add_option("--out,--out-dir", options.out, "folder of this run");
}

}  // namespace falconer::cli
