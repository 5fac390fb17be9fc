// What a checkpoint's authors recommend for generating with it: generation_config.json.
#include "api/model/generation_settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/model/resolve.h"
#include "api/settings/ranges.h"
#include "base/error.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/log.h"
#include "base/path.h"

namespace falconer {

namespace {

// What is taken, what names tokens, and what changes no answer.
constexpr const char* kKnown[] = {"max_new_tokens",
                                  "temperature",
                                  "top_k",
                                  "top_p",
                                  "min_p",
                                  "typical_p",
                                  "repetition_penalty",
                                  "no_repeat_ngram_size",
                                  "num_return_sequences",
                                  "do_sample",
                                  "bos_token_id",
                                  "eos_token_id",
                                  "pad_token_id",
                                  "decoder_start_token_id",
                                  "transformers_version",
                                  "use_cache",
                                  "cache_implementation",
                                  "cache_config",
                                  "return_legacy_cache",
                                  "return_dict_in_generate",
                                  "output_scores",
                                  "output_logits",
                                  "output_attentions",
                                  "output_hidden_states",
                                  "remove_invalid_values",
                                  "compile_config",
                                  "disable_compile",
                                  "low_memory",
                                  "is_assistant"};

void name_others(const nlohmann::json& json, const std::string& where) {
  const auto changes_nothing = [](const nlohmann::json& value) {
    return says_nothing(value) || value == false || value == 0 || value == 1;
  };
  for (const auto& [key, value] : json.items())
    if (!key.starts_with('_') && !changes_nothing(value) &&
        std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown))
      log_warning("{}: \"{}\" is {}, which is not taken from there; it is left out", where,
                  printable(key), found_text(value));
}

}  // namespace

std::optional<bool> take_generation_config(const std::filesystem::path& file, SamplingSettings& s) {
  const auto json = read_json_object(file, size_t{1} << 24, "download it again");
  const JsonFields fields(json, file.string());
  const auto take = [&](auto& to, const auto& value) {
    if (value) to = *value;
  };
  take(s.max_new_tokens, fields.whole("max_new_tokens", kNewTokens));
  take(s.temperature, fields.real("temperature", kTemperatures));
  take(s.top_k, fields.whole("top_k", kTopK));
  take(s.top_p, fields.real("top_p", kShares));
  take(s.min_p, fields.real("min_p", kShares));
  take(s.typical_p, fields.real("typical_p", kTypicalShares));
  take(s.repetition_penalty, fields.real("repetition_penalty", kPenaltyFactors));
  take(s.no_repeat_ngram_size, fields.whole("no_repeat_ngram_size", kNgrams));
  take(s.num_return_sequences, fields.whole("num_return_sequences", kRepeats));
  name_others(json, file.string());
  return fields.boolean("do_sample");
}

SamplingSettings generation_settings(const std::string& checkpoint) {
  const auto folder =
      std::filesystem::path(resolve_checkpoint(checkpoint, CheckpointPart::kTokenizer));
  const auto path = folder / "generation_config.json";
  if (!is_there(path))
    fail(
        "{}: has no generation_config.json; leave --generation-config out, or give the settings "
        "themselves",
        folder.string());
  SamplingSettings s;
  const std::optional<bool> draws = take_generation_config(path, s);
  if (!draws.value_or(false)) s.temperature = 0;  // transformers' default
  return s;
}

}  // namespace falconer
