// The "normalizer" of a tokenizer.json: how a text is rewritten before it is cut.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace falconer {

/// Immutable; safe to use from many threads.
class Normalizer {
 public:
  /// From the JSON value: null, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Replace,
  /// Prepend, Precompiled, or a Sequence of them. Error: another type, naming it.
  static Normalizer from_json(const nlohmann::json& json);

  bool empty() const { return steps_.empty(); }
  /// `text` must be valid UTF-8. Error: it would become very much longer.
  std::string apply(std::string text) const;

  /// Whether something is put before every text.
  bool prepends() const { return prepends_; }
  /// Whether a text's first characters may be left out.
  bool may_cut_beginning() const { return may_cut_beginning_; }

 private:
  using Step = std::function<std::string(std::string)>;
  void add(const nlohmann::json& json);
  std::vector<Step> steps_;
  bool prepends_ = false, may_cut_beginning_ = false;
};

/// "Replace" of a normalizer or a decoder, from its "pattern" and "content". Error: an expression
/// matches nothing at some place of a text, or the text becomes very much longer.
std::function<std::string(std::string)> make_replacement(const nlohmann::json& json);

}  // namespace falconer
