#include "api/finetune/run_context.h"

#include "api/finetune/finetune_options.h"
#include "base/error.h"

namespace falconer {

void take_rows_in_memory(FinetuneOptions& o) {
  if (!o.data.empty())
    fail_usage("rows are given in memory, and --data is {} as well; give one of them",
               printable(o.data));
  o.data = kRowsInMemory;
}

std::map<std::string, std::string> data_record(const FinetuneOptions& o, const std::string& asked) {
  std::map<std::string, std::string> record = {
      {"test_size", fmt::format("{}", o.test_size.value_or(0))},
      {"format", o.data_format},
      {"skip_bad", o.skip_bad ? "true" : "false"}};
  if (!o.columns.empty()) record["columns"] = o.columns;
  if (!o.delimiter.empty()) record["delimiter"] = o.delimiter;
  if (!o.encoding.empty()) record["encoding"] = o.encoding;
  if (!asked.empty()) record["path"] = asked;
  return record;
}

TrainOptions train_options_of(const FinetuneOptions& o, const StepPlanOptions& batches,
                              int64_t total_steps) {
  TrainOptions t;
  t.out = o.out;
  t.batches = batches;
  const FinetuneDefaults defaults = defaults_of(o.method);
  t.optimizer = {.kind = parse_optimizer(o.optimizer),
                 .lr = o.lr.value_or(defaults.lr),
                 .weight_decay = o.weight_decay.value_or(defaults.weight_decay),
                 .beta1 = o.beta1,
                 .beta2 = o.beta2,
                 .eps = o.eps};
  t.schedule = parse_schedule(o.schedule);
  t.warmup_steps = o.warmup_steps.value_or(std::min<int64_t>(100, total_steps / 10));
  t.loss_average = o.loss_average == "token" ? LossAverage::kToken : LossAverage::kMicroBatch;
  t.grad_clip = o.grad_clip;
  t.save_interval = o.save_interval;
  t.save_every = parse_period("--save-every", o.save_every.empty() ? kSaveEvery : o.save_every);
  // What nobody asked for must not cost much.
  if (o.save_every.empty()) t.save_share = 0.05;
  t.keep = o.keep;
  t.eval_interval = o.eval_interval;
  t.early_stop = o.early_stop;
  t.keep_best = o.keep_best;
  t.skip_nonfinite = o.skip_nonfinite;
  t.on_spike = parse_on_spike(o.on_spike);
  t.tensorboard = o.tensorboard;
  return t;
}

FinetuneOptions resolved_options(const FinetuneOptions& o, const FinetuneOptions& asked,
                                 const TrainOptions& t, const Session& session,
                                 const RenderedAs& rendered) {
  FinetuneOptions all = o;
  // Names mean the same on every machine, and what memory is short of does not.
  all.checkpoint = asked.checkpoint;
  all.data = asked.data;
  all.init_adapter = asked.init_adapter;
  all.recompute = asked.recompute;
  all.offload_optimizer = asked.offload_optimizer;
  all.shard = asked.shard;
  all.precision = session.run().activation == Dtype::kF32 ? "f32" : "bf16";
  all.lr = t.optimizer.lr;
  all.weight_decay = t.optimizer.weight_decay;
  all.warmup_steps = t.warmup_steps;
  all.prompt_style = rendered.prompt_style;
  if (o.init_adapter.empty()) all.lora_dropout = lora_dropout_of(o);
  if (o.save_every.empty()) all.save_every = kSaveEvery;
  const auto given = all.lora_dropout;
  take_method_settings(t.record.settings, all);
  if (!o.init_adapter.empty()) all.lora_dropout = given;  // else the adapter's own
  return all;
}

void listen(const RunContext& context, int64_t total_steps, Trainer& trainer) {
  trainer.stop_by(context.cancel);
  if (!context.on_step) return;
  trainer.on_step([&context, total_steps](const StepMetrics& step, const EvalMetrics* evaluation) {
    StepReport report{.step = step.step,
                      .total_steps = total_steps,
                      .loss = step.loss,
                      .lr = step.lr,
                      .grad_norm = step.grad_norm,
                      .tokens = step.tokens,
                      .tokens_per_second = step.tokens_per_second,
                      .seconds = step.seconds,
                      .eval_loss = {}};
    if (evaluation != nullptr) report.eval_loss = evaluation->loss;
    context.on_step(report);
  });
}

}  // namespace falconer
