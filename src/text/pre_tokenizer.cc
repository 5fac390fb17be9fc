#include "text/pre_tokenizer.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/falcon_steps.h"
#include "text/space_steps.h"
#include "text/split_steps.h"
#include "text/unicode.h"

namespace falconer {
namespace {

/// The length of 's, 't, 're, 've, 'm, 'll or 'd at the start of `text`; 0 where it is none.
size_t contraction(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const char c = text[1];
  if (c == 's' || c == 't' || c == 'm' || c == 'd') return 2;
  const std::string_view two = text.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

enum class Kind : uint8_t { kSpace, kLetter, kNumber, kOther };

Kind kind_of(char32_t code) {
  if (is_letter(code)) return Kind::kLetter;
  if (is_number(code)) return Kind::kNumber;
  return is_space(code) ? Kind::kSpace : Kind::kOther;
}

struct AsciiKinds {
  Kind kinds[128];
  AsciiKinds() {
    for (char32_t c = 0; c < 128; ++c) kinds[c] = kind_of(c);
  }
};

/// The kind of the character at `at`; moves past it.
Kind next_kind(std::string_view text, size_t& at) {
  static const AsciiKinds ascii;
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) {
    ++at;
    return ascii.kinds[byte];
  }
  const Utf8Char c = decode_utf8(text, at);
  at += c.length;
  return kind_of(c.code);
}

/// \s+(?!\S)|\s+ : white space, but its last character is left for the word that follows.
size_t end_of_spaces(std::string_view text, size_t begin) {
  size_t at = begin, last = begin;
  while (at < text.size()) {
    size_t next = at;
    if (next_kind(text, next) != Kind::kSpace) return last > begin ? last : at;
    last = at;
    at = next;
  }
  return at;
}

/// Where the piece that begins at `begin` ends, by GPT-2's expression
/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t end_of_piece(std::string_view text, size_t begin) {
  if (const size_t length = contraction(text.substr(begin))) return begin + length;
  size_t at = begin;
  if (text[at] == ' ' && at + 1 < text.size()) ++at;
  const Kind kind = next_kind(text, at);
  if (kind == Kind::kSpace) return end_of_spaces(text, begin);
  while (at < text.size()) {
    size_t next = at;
    if (next_kind(text, next) != kind) break;
    at = next;
  }
  return at;
}

class ByteLevelStep final : public PreTokenStep {
 public:
  ByteLevelStep(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}

  void split(std::string_view piece, TextPieces& out) const override {
    if (add_prefix_space_ && !piece.starts_with(' '))
      piece = out.added.emplace_back(" " + std::string(piece));
    if (!use_regex_) return out.pieces.push_back(piece);
    for (size_t begin = 0; begin < piece.size();) {
      const size_t end = end_of_piece(piece, begin);
      out.pieces.push_back(piece.substr(begin, end - begin));
      begin = end;
    }
  }

 private:
  bool add_prefix_space_, use_regex_;
};

}  // namespace

PreTokenizer PreTokenizer::from_json(const nlohmann::json& json) {
  PreTokenizer result;
  if (!json.is_null()) result.add_step(json);
  return result;
}

void PreTokenizer::add_step(const nlohmann::json& json) {
  constexpr size_t kMostSteps = 64;  // known tokenizers have up to five
  const auto type = json.at("type").get<std::string>();
  if (steps_.size() >= kMostSteps) fail("its pre_tokenizer has more than {} steps", kMostSteps);
  if (type == "Sequence") {
    if (auto falcon = bytes_ ? nullptr : make_falcon_steps(json.at("pretokenizers"))) {
      steps_.push_back(std::move(falcon));
      bytes_ = true;
      return;
    }
    for (const auto& step : json.at("pretokenizers")) add_step(step);
  } else if (type == "ByteLevel") {
    if (bytes_) fail("its pre_tokenizer has two ByteLevel steps");
    const bool prefix = json.value("add_prefix_space", true);
    steps_.push_back(std::make_unique<ByteLevelStep>(prefix, json.value("use_regex", true)));
    bytes_ = true;
    prepends_ = prepends_ || prefix;
  } else if (type == "BertPreTokenizer") {
    add_step({{"type", "WhitespaceSplit"}});
    add_step({{"type", "Punctuation"}, {"behavior", "Isolated"}});
  } else if (auto spaces = make_space_step(json)) {
    if (bytes_) fail("its pre_tokenizer has a step of type \"{}\" behind ByteLevel", type);
    if (type == "Metaspace") {
      const auto scheme = Metaspace::from_json(json).scheme;
      // A step before it may have left the text's own characters behind.
      if (scheme == Metaspace::kFirst && prepends_)
        fail("its pre_tokenizer has a Metaspace with prepend_scheme first behind another");
      needs_start_ = needs_start_ || scheme == Metaspace::kFirst;
      prepends_ = true;
    }
    steps_.push_back(std::move(spaces));
  } else if (auto step = make_split_step(json, bytes_)) {
    steps_.push_back(std::move(step));
  } else {
    fail(
        "its pre_tokenizer has a step of type \"{}\"; supported are ByteLevel, Digits, "
        "Punctuation, Split, CharDelimiterSplit, Whitespace, WhitespaceSplit, BertPreTokenizer, "
        "Metaspace and Sequence",
        type);
  }
}

void PreTokenizer::split(std::string_view text, TextPieces& out) const {
  out.pieces.clear();
  if (text.empty()) return;
  if (steps_.empty()) return out.pieces.push_back(text);
  if (steps_.size() == 1) return steps_.front()->split(text, out);
  out.pieces.push_back(text);
  std::vector<std::string_view> before;
  for (const auto& step : steps_) {
    before.swap(out.pieces);
    out.pieces.clear();
    for (const std::string_view piece : before) step->split(piece, out);
  }
}

}  // namespace falconer
