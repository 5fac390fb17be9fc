// Steps of a pre-tokenizer that turn on words and white space.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "text/pre_tokenizer.h"

namespace falconer {

/// Whitespace, WhitespaceSplit or Metaspace by its "type"; null for another type. Errors: settings of
/// Metaspace that contradict each other.
std::unique_ptr<const PreTokenStep> make_space_step(const nlohmann::json& json);

/// The settings of a Metaspace, in a pre-tokenizer or a decoder.
struct Metaspace {
  enum Scheme : uint8_t { kAlways, kFirst, kNever };
  std::string replacement;  // one character, for " "
  Scheme scheme = kAlways;  // where it is put before a text
  bool split = true;
  static Metaspace from_json(const nlohmann::json& json);
};

}  // namespace falconer
