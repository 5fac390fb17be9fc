#include "api/finetune/finetune_options.h"

#include <algorithm>
#include <utility>

#include "api/common.h"
#include "api/settings/bounds.h"
#include "api/settings/settings.h"
#include "base/error.h"
#include "base/number.h"
#include "base/small_letters.h"
#include "data/formats.h"
#include "method/session.h"
#include "ops/devices.h"
#include "text/prompt.h"

namespace falconer {

// Where nothing was asked for: Lit-Parrot's settings as of June 30, 2023. The adapters' 9e-3 of two
// weeks before was never reached, because warm-up was counted in the wrong unit.
FinetuneDefaults defaults_of(const std::string& method) {
  if (method == "lora") return {3e-4, 0.01};
  if (method == "full") return {2e-5, 0.02};
  return {3e-3, 0.02};
}

double lora_dropout_of(const FinetuneOptions& o) {
  return o.lora_dropout.value_or(MethodOptions{}.lora_dropout);
}

RunLength run_length(std::optional<int64_t> batch_size, std::optional<int64_t> epochs,
                     int64_t rows) {
  constexpr int64_t kFewRows = 4000;
  return {batch_size.value_or(16), epochs.value_or(rows < kFewRows ? 3 : 1)};
}

MethodOptions method_options(const FinetuneOptions& o) {
  return {.method = o.method,
          .lora_r = o.lora_r,
          .lora_alpha = o.lora_alpha,
          .lora_dropout = lora_dropout_of(o),
          .lora_targets = o.lora_targets,
          .lora_rs = o.lora_rs,
          .lora_dora = o.lora_dora,
          .adapter_length = o.adapter_length,
          .adapter_start_layer = o.adapter_start_layer,
          .bf16_weights = o.master_weights == "bf16"};
}

double parse_period(const char* flag, const std::string& text) {
  constexpr std::pair<const char*, double> kUnits[] = {
      {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  if (text == "0" || text == "off") return 0;
  const size_t digits = text.find_last_of("0123456789.") + 1;  // 0 where there is none
  const auto number = real_of_text(text.substr(0, digits));
  for (const auto& [unit, seconds] : kUnits)
    if (number && *number >= 0 && *number <= 1e6 && text.substr(digits) == unit)
      return *number * seconds;
  fail_usage("{} is \"{}\", expected a time with its unit, as 90s, 10m or 1h, or 0 for none",
             spelled_name(flag), printable(text));
}

SessionOptions session_options(const FinetuneOptions& o, const std::filesystem::path& checkpoint,
                               int64_t vocab, bool planning) {
  SessionOptions s{.checkpoint = o.checkpoint,
                   .precision = parse_precision(o.precision),
                   .training = true,
                   .optimizer = optimizer_memory(parse_optimizer(o.optimizer)),
                   .from_scratch = o.from_scratch,
                   .seed = o.seed,
                   .device = o.device,
                   .deterministic = o.deterministic,
                   .quantise = parse_quantise(o.quantize),
                   .whole_numbers = in_whole_numbers(o.compute, false),
                   .low_memory = o.low_memory,
                   .recompute = o.recompute == "on",
                   .planning = planning};
  s.optimizer.offload = o.offload_optimizer == "on";
  s.lora_dropout = o.lora_dropout;
  if (o.method == "full") {
    s.method = method_options(o);
    if (!checkpoint.empty()) {
      s.checkpoint = checkpoint.string();
      s.source = o.checkpoint;  // a checkpoint is removed when newer ones have been saved
      s.from_scratch = false;
    }
  } else if (!checkpoint.empty() || !o.init_adapter.empty()) {
    s.adapter = checkpoint.empty() ? o.init_adapter : checkpoint.string();
  } else {
    s.method = method_options(o);
  }
  if (s.method) s.method->vocab = vocab;
  return s;
}

void take_method_settings(const std::map<std::string, std::string>& settings, FinetuneOptions& o) {
  for (const SettingRow& row : rows_of(o)) {
    if (!row.of_adapter) continue;
    const auto found = settings.find(record_key(row));
    if (found != settings.end()) take_text(row.value, found->second);
  }
}

void refuse_other_than_adapter(const FinetuneOptions& o,
                               const std::map<std::string, std::string>& settings) {
  FinetuneOptions asked = o, adapters = o, defaults;
  take_method_settings(settings, adapters);
  const auto rows = rows_of(asked), brought = rows_of(adapters), usual = rows_of(defaults);
  for (size_t i = 0; i < rows.size(); ++i) {
    // One that is optional may differ: it says how to train, and not what the adapter is.
    if (!rows[i].of_adapter || is_optional(rows[i].value) || !bears_on(rows[i], o.method)) continue;
    const std::string wanted = text_of(rows[i].value), has = text_of(brought[i].value);
    if (wanted != has && wanted != text_of(usual[i].value))
      fail_usage(
          "{} is {}, and the adapter of --init-adapter has {}; leave it out, or train a new "
          "adapter without --init-adapter",
          spelled_name(key_of(rows[i])), wanted, has);
  }
}

void refuse_other_rendering(const FinetuneOptions& o, const RenderedAs& made) {
  if ((!made.format.empty() && made.format != "tokens") || !o.resume.empty()) return;
  if (!o.prompt_style.empty() && !made.prompt_style.empty() && o.prompt_style != made.prompt_style)
    fail_usage(
        "{}: was prepared with --prompt-style {}, and {} is asked for; prepare it again, or leave "
        "it out",
        o.data, made.prompt_style, o.prompt_style);
  if (train_on_of(o.train_on, o.mask_prompt) != TrainOn::kAllTurns)
    fail_usage(
        "{}: holds token ids, whose labels say what is learned; prepare it again with --train-on "
        "{}, or leave it out",
        o.data, o.mask_prompt ? o.train_on : TrainOnName::kEverything);
}

void check_options(const FinetuneOptions& o) {
  if (o.checkpoint.empty()) fail_usage("--checkpoint is required: a Hugging Face model folder");
  if (o.data.empty()) fail_usage("--data is required: a file of rows, or a folder with train.*");
  check_bounds(o);
  FinetuneOptions looked_at = o;
  check_choices(rows_of(looked_at));
  parse_precision(o.precision);
  check_device_name(o.device);
  if (!o.prompt_style.empty()) PromptStyle::check(o.prompt_style);
  find_data_format(o.data_format);
  Columns::parse(o.columns);
  train_on_of(o.train_on, o.mask_prompt);
  if ((o.packing || o.micro_batch_tokens > 0) && o.loss_average != "token")
    fail_usage(
        "--packing cuts a step into micro-batches of about as many tokens, whose mean is not that "
        "of --loss-average {}; use one or the other",
        o.loss_average);
  if (o.master_weights == "bf16" && o.method != "full")
    fail_usage("--master-weights bf16 goes with full: what {} trains is small, and learns in f32",
               o.method);
  if (o.resize_embeddings && o.method != MethodName::kLora && o.method != MethodName::kFull)
    fail_usage("--resize-embeddings goes with lora and full: {} trains no rows of the embedding",
               o.method);
  parse_period("--save-every", o.save_every.empty() ? kSaveEvery : o.save_every);
  // A flag that would do nothing is a mistake.
  const char* watching = o.early_stop > 0           ? "early-stop"
                         : o.keep_best              ? "keep-best"
                         : !o.sample_prompt.empty() ? "sample-prompt"
                                                    : nullptr;
  if (watching != nullptr && o.eval_interval == 0)
    fail_usage("{} looks at evaluations, and there are none: give --eval-interval",
               spelled_name(watching));
  if (o.init_adapter.empty() || o.method != "full") return;
  fail_usage("--init-adapter goes with lora, adapter and adapter-v2, not with full");
}

std::map<std::string, std::string> recorded_settings(const FinetuneOptions& o,
                                                     const OptimizerOptions& optimizer,
                                                     int64_t warmup) {
  FinetuneOptions resolved = o;
  resolved.lr = optimizer.lr;
  resolved.weight_decay = optimizer.weight_decay;
  resolved.warmup_steps = warmup;
  resolved.batch_size = o.batch_size.value_or(0);
  resolved.train_on = name_of(train_on_of(o.train_on, o.mask_prompt));
  resolved.lora_dropout = lora_dropout_of(o);
  resolved.quantize = small_letters(o.quantize);
  FinetuneOptions defaults;
  return record_of(rows_of(resolved), rows_of(defaults));
}

}  // namespace falconer
