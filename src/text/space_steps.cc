#include "text/space_steps.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"
#include "text/unicode.h"

namespace falconer {
namespace {

/// Runs of what is neither white space nor, with `words`, of another sort than its neighbours: \w+ or
/// [^\w\s]+.
class WordStep final : public PreTokenStep {
 public:
  explicit WordStep(bool words) : words_(words) {}

  void split(std::string_view piece, TextPieces& out) const override {
    size_t begin = 0;
    Sort before = kSpace;
    for (size_t at = 0; at < piece.size();) {
      const Utf8Char c = decode_utf8(piece, at);
      const Sort sort = sort_of(c.code);
      if (sort != before) {
        if (before != kSpace) out.pieces.push_back(piece.substr(begin, at - begin));
        begin = at;
        before = sort;
      }
      at += c.length;
    }
    if (before != kSpace) out.pieces.push_back(piece.substr(begin));
  }

 private:
  enum Sort { kSpace, kWord, kOther };
  Sort sort_of(char32_t code) const {
    if (is_space(code)) return kSpace;
    return !words_ || is_word(code) ? kWord : kOther;
  }
  bool words_;
};

class MetaspaceStep final : public PreTokenStep {
 public:
  explicit MetaspaceStep(Metaspace settings) : m_(std::move(settings)) {}

  void split(std::string_view piece, TextPieces& out) const override {
    const bool asked = m_.scheme == Metaspace::kAlways ||
                       (m_.scheme == Metaspace::kFirst && piece.data() == out.start);
    const bool prefix = asked && !piece.starts_with(m_.replacement) && !piece.starts_with(' ');
    if (prefix || piece.find(' ') != piece.npos) {
      std::string changed = prefix ? m_.replacement : "";
      for (const char c : piece)
        if (c == ' ')
          changed += m_.replacement;
        else
          changed.push_back(c);
      piece = out.added.emplace_back(std::move(changed));
    }
    if (!m_.split) return out.pieces.push_back(piece);
    for (size_t begin = 0; begin < piece.size();) {
      const size_t end = std::min(piece.find(m_.replacement, begin + 1), piece.size());
      out.pieces.push_back(piece.substr(begin, end - begin));
      begin = end;
    }
  }

 private:
  Metaspace m_;
};

}  // namespace

Metaspace Metaspace::from_json(const nlohmann::json& json) {
  const JsonFields fields(json, "its Metaspace");
  Metaspace made;
  made.replacement = fields.required_text("replacement");
  if (made.replacement.empty() ||
      decode_utf8(made.replacement, 0).length != made.replacement.size())
    fail("its Metaspace has the replacement \"{}\"; expected one character", made.replacement);
  const std::string scheme = fields.text("prepend_scheme").value_or("always");
  if (scheme == "first")
    made.scheme = kFirst;
  else if (scheme == "never")
    made.scheme = kNever;
  else if (scheme != "always")
    fail("its Metaspace has the prepend_scheme \"{}\"; expected always, first or never", scheme);
  if (!fields.boolean("add_prefix_space").value_or(true) && made.scheme != kNever)
    fail("its Metaspace has add_prefix_space false and prepend_scheme \"{}\"", scheme);
  made.split = fields.boolean("split").value_or(true);
  return made;
}

std::unique_ptr<const PreTokenStep> make_space_step(const nlohmann::json& json) {
  const auto type = json.at("type").get<std::string>();
  if (type == "Whitespace") return std::make_unique<WordStep>(true);
  if (type == "WhitespaceSplit") return std::make_unique<WordStep>(false);
  if (type == "Metaspace") return std::make_unique<MetaspaceStep>(Metaspace::from_json(json));
  return nullptr;
}

}  // namespace falconer
