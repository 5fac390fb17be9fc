// What a checkpoint's authors recommend for generating with it: generation_config.json.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/model/resolve.h"
#include "api/settings/ranges.h"
#include "base/error.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/log.h"
#include "base/path.h"
#include "falconer/use.h"

namespace falconer {

SamplingSettings generation_settings(const std::string& checkpoint) {
  const auto folder =
      std::filesystem::path(resolve_checkpoint(checkpoint, CheckpointPart::kTokenizer));
  const auto path = folder / "generation_config.json";
  if (!is_there(path))
    fail(
        "{}: has no generation_config.json; leave --generation-config out, or give the settings "
        "themselves",
        folder.string());
  const auto json = read_json_object(path, size_t{1} << 24, "download it again");
  const JsonFields fields(json, path.string());
  SamplingSettings s;
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
  for (const char* other : {"num_beams", "num_beam_groups", "penalty_alpha", "epsilon_cutoff",
                            "eta_cutoff", "diversity_penalty", "bad_words_ids", "suppress_tokens",
                            "encoder_repetition_penalty", "length_penalty"})
    if (const auto* value = fields.find(other); value != nullptr && *value != 1 && *value != 0)
      log_warning("{}: \"{}\" is {}, which Falconer does not have; it is left out", path.string(),
                  other, found_text(*value));
  if (!fields.boolean("do_sample").value_or(false)) s.temperature = 0;  // transformers' default
  return s;
}

}  // namespace falconer
