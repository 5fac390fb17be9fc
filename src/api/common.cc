#include "api/common.h"

#include <filesystem>

#include "api/export/gguf_mix.h"
#include "api/settings/bounds.h"
#include "base/cores.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/small_letters.h"
#include "base/system.h"
#include "base/threads.h"
#include "checkpoint/gguf_tokenizer.h"
#include "falconer/build.h"
#include "falconer/process.h"
#include "model/arch/architecture.h"
#include "model/arch/litgpt_config.h"
#include "ops/cpu/instruction_sets.h"
#include "ops/device_names.h"
#include "ranks/rank_cores.h"
#include "tensor/blocks/format.h"

namespace falconer {

std::string version() { return FALCONER_VERSION; }

BuildInfo build_info() {
  BuildInfo info;
#ifdef __clang__
  info.compiler = "Clang " __clang_version__;
#else
  info.compiler = "GCC " __VERSION__;
#endif
  for (const cpu::InstructionSet& set : cpu::instruction_sets())
    if (set.here) info.instruction_sets.push_back(set.name);
  info.devices = device_names();
  return info;
}

std::optional<Tokenizer> find_tokenizer(const std::string& model) {
  if (is_gguf(model)) {
    const SideFiles files = side_files(model);
    if (files.empty()) return {};
    return Tokenizer::parse(files, model);
  }
  if (!Tokenizer::is_in(model)) return {};
  return Tokenizer::load(model);
}

Tokenizer load_tokenizer(const std::string& model) {
  if (!is_gguf(model)) return Tokenizer::load(model);
  std::optional<Tokenizer> found = find_tokenizer(model);
  if (!found) fail("{}: has no tokenizer; use the model's Hugging Face folder", model);
  return std::move(*found);
}

std::optional<ModelConfig> find_model_config(const std::string& checkpoint) {
  const std::filesystem::path folder = checkpoint;
  if (Tokenizer::is_in(folder) && !is_there(folder / "config.json") && !is_lit_folder(checkpoint))
    return {};
  return read_model_config(checkpoint);
}

TemplateFiles template_files(const std::string& model) {
  if (is_gguf(model)) return {side_files(model), model};
  return std::filesystem::path(model);
}

bool in_whole_numbers(const std::string& compute, bool usual) {
  if (compute == "int8") return true;
  if (compute == "exact") return false;
  if (compute != "auto") fail_choice("--compute", compute, {"auto", "exact", "int8"});
  return usual;
}

std::optional<Dtype> parse_quantise(const std::string& name) {
  const std::string small = small_letters(name);
  if (small.empty() || small == "none") return {};
  const BlockFormat* const format = block_format_named(small);
  if (format == nullptr && gguf_mix_named(small) != nullptr)
    fail_usage(
        "{} {} is a mix of formats, which a file has; write one with falconer quantize MODEL "
        "{} {} {} model.gguf, or take one of {}",
        spelled_name("--quantize"), printable(name), spelled_name("--format"), small,
        spelled_name("--out"), joined(written_formats(), ", "));
  if (format == nullptr || format->encode == nullptr)
    fail_choice("--quantize", name, written_formats());
  return format->dtype;
}

TrainOn train_on_of(const std::string& train_on, bool mask_prompt) {
  const TrainOn parsed = parse_train_on(train_on);
  if (mask_prompt) return parsed;
  if (parsed == TrainOn::kLastTurn)
    fail_usage("--no-mask-prompt learns everything, and --train-on is {}", train_on);
  return TrainOn::kEverything;
}

LogLevel parse_verbosity(const std::string& level) {
  if (level == "quiet") return LogLevel::kQuiet;
  if (level == "warning") return LogLevel::kWarning;
  if (level == "info") return LogLevel::kInfo;
  if (level == "debug") return LogLevel::kDebug;
  fail_choice(current_spelling() == Spelling::kFlags ? "log" : "verbosity", level,
              {"quiet", "warning", "info", "debug"});
}

void set_verbosity(const std::string& level) { set_log_level(parse_verbosity(level)); }

void set_threads(int threads) {
  check_threads(threads);
  keep_thread_count(threads > 0);
  set_thread_count(threads > 0 ? threads : default_thread_count());
}

void handle_interrupts() { catch_interrupts(); }

void clear_interrupts() { forget_interrupts(); }

int64_t peak_memory_bytes() { return peak_rss_bytes(); }

}  // namespace falconer
