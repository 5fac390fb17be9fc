#include "api/finetune_options.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "api/bounds.h"
#include "api/common.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/number.h"
#include "data/formats.h"
#include "method/session.h"
#include "ops/devices.h"
#include "text/prompt.h"
#include "train/schedule.h"
#include "train/spike_guard.h"

namespace falconer {
namespace {

void check_one_of(const char* flag, const std::string& value,
                  const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) == known.end()) fail_choice(flag, value, known);
}

}  // namespace

// Where nothing was asked for: Lit-Parrot's settings as of June 30, 2023. The adapters' 9e-3 of two
// weeks before was never reached, because warm-up was counted in the wrong unit.
FinetuneDefaults defaults_of(const std::string& method) {
  if (method == "lora") return {3e-4, 0.01};
  if (method == "full") return {2e-5, 0.02};
  return {3e-3, 0.02};
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
          .lora_dropout = o.lora_dropout.value_or(0.05),
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
  fail_usage("{} is \"{}\", expected a time with its unit, as 90s, 10m or 1h, or 0 for none", flag,
             printable(text));
}

void take_method_settings(const std::map<std::string, std::string>& settings, FinetuneOptions& o) {
  const auto text = [&](const char* key) {
    const auto found = settings.find(key);
    return found != settings.end() ? found->second : std::string();
  };
  const auto take_whole = [&](const char* key, int64_t& to) {
    if (const auto number = whole_of_text(text(key))) to = *number;
  };
  take_whole("lora_r", o.lora_r);
  take_whole("adapter_length", o.adapter_length);
  take_whole("adapter_start_layer", o.adapter_start_layer);
  if (const auto alpha = real_of_text(text("lora_alpha"))) o.lora_alpha = *alpha;
  if (const auto dropout = real_of_text(text("lora_dropout"))) o.lora_dropout = *dropout;
  if (const std::string flag = text("lora_rs"); !flag.empty()) o.lora_rs = flag == "true";
  if (const std::string flag = text("lora_dora"); !flag.empty()) o.lora_dora = flag == "true";
  std::vector<std::string> targets;
  std::istringstream list(text("lora_targets"));
  for (std::string target; std::getline(list, target, ',');) targets.push_back(target);
  if (!targets.empty()) o.lora_targets = targets;
}

void check_options(const FinetuneOptions& o) {
  if (o.checkpoint.empty()) fail_usage("--checkpoint is required: a Hugging Face model folder");
  if (o.data.empty()) fail_usage("--data is required: a file of rows, or a folder with train.*");
  check_bounds(o);
  make_method({.method = o.method});  // an unknown name is a usage error
  parse_schedule(o.schedule);
  parse_optimizer(o.optimizer);
  parse_precision(o.precision);
  parse_on_spike(o.on_spike);
  check_device_name(o.device);
  check_one_of("--loss-average", o.loss_average, {"token", "micro-batch"});
  if (!o.prompt_style.empty()) PromptStyle::check(o.prompt_style);
  find_data_format(o.data_format);
  train_on_of(o.train_on, o.mask_prompt);
  if ((o.packing || o.micro_batch_tokens > 0) && o.loss_average != "token")
    fail_usage(
        "--packing cuts a step into micro-batches of about as many tokens, whose mean is not that "
        "of --loss-average {}; use one or the other",
        o.loss_average);
  check_one_of("--recompute", o.recompute, {"auto", "on", "off"});
  check_one_of("--offload-optimizer", o.offload_optimizer, {"auto", "on", "off"});
  check_one_of("--master-weights", o.master_weights, {"auto", "f32", "bf16"});
  if (o.master_weights == "bf16" && o.method != "full")
    fail_usage("--master-weights bf16 goes with full: what {} trains is small, and learns in f32",
               o.method);
  parse_period("--save-every", o.save_every.empty() ? kSaveEvery : o.save_every);
  // A flag that would do nothing is a mistake.
  const char* watching = o.early_stop > 0           ? "--early-stop"
                         : o.keep_best              ? "--keep-best"
                         : !o.sample_prompt.empty() ? "--sample-prompt"
                                                    : nullptr;
  if (watching != nullptr && o.eval_interval == 0)
    fail_usage("{} looks at evaluations, and there are none: give --eval-interval", watching);
  if (o.init_adapter.empty() || o.method != "full") return;
  fail_usage("--init-adapter goes with lora, adapter and adapter-v2, not with full");
}

std::map<std::string, std::string> settings_of(const FinetuneOptions& o,
                                               const OptimizerOptions& opt, int64_t warmup) {
  std::string targets;
  for (const std::string& target : o.lora_targets) targets += (targets.empty() ? "" : ",") + target;
  return {{"method", o.method},
          {"optimizer", o.optimizer},
          {"lr", fmt::format("{}", opt.lr)},
          {"weight_decay", fmt::format("{}", opt.weight_decay)},
          {"beta1", fmt::format("{}", o.beta1)},
          {"beta2", fmt::format("{}", o.beta2)},
          {"eps", fmt::format("{}", o.eps)},
          {"schedule", o.schedule},
          {"warmup_steps", fmt::format("{}", warmup)},
          {"grad_clip", fmt::format("{}", o.grad_clip)},
          {"loss_average", o.loss_average},
          {"batch_size", fmt::format("{}", o.batch_size.value_or(0))},
          {"micro_batch_size", fmt::format("{}", o.micro_batch_size)},
          {"micro_batch_tokens", fmt::format("{}", o.micro_batch_tokens)},
          {"train_on", name_of(train_on_of(o.train_on, o.mask_prompt))},
          {"parse_special", o.parse_special ? "true" : "false"},
          {"max_seq_length", fmt::format("{}", o.max_seq_length)},
          {"shuffle", o.shuffle ? "true" : "false"},
          {"seed", fmt::format("{}", o.seed)},
          {"lora_r", fmt::format("{}", o.lora_r)},
          {"lora_alpha", fmt::format("{}", o.lora_alpha)},
          {"lora_dropout", fmt::format("{}", o.lora_dropout.value_or(0.05))},
          {"lora_targets", targets},
          {"lora_rs", o.lora_rs ? "true" : "false"},
          {"lora_dora", o.lora_dora ? "true" : "false"},
          {"adapter_length", fmt::format("{}", o.adapter_length)},
          {"adapter_start_layer", fmt::format("{}", o.adapter_start_layer)},
          {"master_weights", o.master_weights},
          {"on_spike", o.on_spike},
          {"precision", o.precision}};
}

}  // namespace falconer
