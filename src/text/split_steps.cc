#include "text/split_steps.h"

#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/expression.h"
#include "text/unicode.h"

namespace falconer {
namespace {

/// What becomes of a match: the names are those of tokenizer.json.
enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

Behavior read_behavior(const std::string& name) {
  static constexpr std::array<const char*, 5> kNames = {"Removed", "Isolated", "MergedWithPrevious",
                                                        "MergedWithNext", "Contiguous"};
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<Behavior>(i);
  fail("\"{}\" is no behavior of a pre-tokenizer", name);
}

/// Collects the parts of one piece, matches and what lies between them, in order.
class Cutter {
 public:
  Cutter(std::string_view piece, Behavior behavior, TextPieces& out)
      : piece_(piece), behavior_(behavior), out_(out) {}

  void part(size_t begin, size_t end, bool match) {
    if (begin == end) return;
    switch (behavior_) {
      case Behavior::kRemoved:
        if (!match) push(begin, end);
        break;
      case Behavior::kIsolated:
        push(begin, end);
        break;
      case Behavior::kContiguous:
        join_or_push(begin, end, any_ && match == last_match_);
        break;
      case Behavior::kMergedWithPrevious:
        join_or_push(begin, end, any_ && match && !last_match_);
        break;
      case Behavior::kMergedWithNext:
        join_or_push(begin, end, any_ && !match && last_match_);
        break;
    }
    any_ = true;
    last_match_ = match;
  }

 private:
  void push(size_t begin, size_t end) { out_.pieces.push_back(piece_.substr(begin, end - begin)); }
  void join_or_push(size_t begin, size_t end, bool join) {
    if (!join) return push(begin, end);
    std::string_view& last = out_.pieces.back();
    last = {last.data(), last.size() + (end - begin)};
  }

  std::string_view piece_;
  Behavior behavior_;
  TextPieces& out_;
  bool any_ = false, last_match_ = false;
};

/// Cuts at characters of one class.
class ClassStep final : public PreTokenStep {
 public:
  ClassStep(bool (*in_class)(char32_t), Behavior behavior, bool bytes)
      : in_class_(in_class), behavior_(behavior), bytes_(bytes) {
    for (int i = 0; i < 256; ++i) {
      const char32_t code = bytes ? byte_to_char(static_cast<unsigned char>(i)) : char32_t(i);
      by_byte_[i] = (bytes || i < 0x80) && in_class(code);
    }
  }

  void split(std::string_view piece, TextPieces& out) const override {
    Cutter cutter(piece, behavior_, out);
    const bool runs = behavior_ == Behavior::kContiguous;
    for (size_t at = 0; at < piece.size();) {
      const size_t begin = at;
      const bool match = next(piece, at);
      // Outside of a match, or where matches join anyway, a whole run is one part.
      for (size_t end = at; (runs || !match) && end < piece.size(); at = end)
        if (next(piece, end) != match) break;
      cutter.part(begin, at, match);
    }
  }

 private:
  /// Whether the character at `at` is in the class; moves past it.
  bool next(std::string_view piece, size_t& at) const {
    const auto byte = static_cast<unsigned char>(piece[at]);
    if (bytes_ || byte < 0x80) {
      ++at;
      return by_byte_[byte];
    }
    const Utf8Char c = decode_utf8(piece, at);
    at += c.length;
    return in_class_(c.code);
  }

  bool (*in_class_)(char32_t);
  Behavior behavior_;
  bool bytes_;
  std::array<bool, 256> by_byte_;
};

/// Falcon's own Split, "[0-9][0-9][0-9]" isolated, without a regular expression: it runs over every
/// piece.
class ThreeDigitsStep final : public PreTokenStep {
 public:
  void split(std::string_view piece, TextPieces& out) const override {
    cut_three_digits(piece, out);
  }
};

/// Cuts at the matches of a string or an expression.
class PatternStep final : public PreTokenStep {
 public:
  PatternStep(Expression expression, Behavior behavior, bool invert, bool bytes)
      : expression_(std::move(expression)), behavior_(behavior), invert_(invert), bytes_(bytes) {}

  void split(std::string_view piece, TextPieces& out) const override {
    if (!bytes_) return cut(piece, out, piece, [](size_t at) { return at; });
    // The spelling has one character for each byte, so characters count bytes.
    const std::string spelling = spell_bytes(piece);
    std::vector<size_t> byte_at(spelling.size() + 1);
    for (size_t at = 0, byte = 0; at < spelling.size(); ++byte) {
      byte_at[at] = byte;
      at += decode_utf8(spelling, at).length;
      byte_at[at] = byte + 1;
    }
    cut(piece, out, spelling, [&](size_t at) { return byte_at[at]; });
  }

 private:
  template <class Place>
  void cut(std::string_view piece, TextPieces& out, std::string_view matched, Place place) const {
    Cutter cutter(piece, behavior_, out);
    const Regex& regex = expression_.for_text(matched);
    size_t done = 0;
    for (size_t from = 0; from < matched.size();) {
      const Regex::Span span = regex.find(matched, from);
      if (span.begin == std::string_view::npos) break;
      from = span.end > span.begin ? span.end : span.end + 1;  // an empty match cuts nothing
      while (from < matched.size() && (matched[from] & 0xC0) == 0x80) ++from;
      if (span.end == span.begin) continue;
      cutter.part(place(done), place(span.begin), invert_);
      cutter.part(place(span.begin), place(span.end), !invert_);
      done = span.end;
    }
    cutter.part(place(done), place(matched.size()), invert_);
  }

  Expression expression_;
  Behavior behavior_;
  bool invert_, bytes_;
};

std::unique_ptr<const PreTokenStep> make_pattern_step(const nlohmann::json& json, bool bytes) {
  const auto& pattern = json.at("pattern");
  const Behavior behavior = read_behavior(json.at("behavior").get<std::string>());
  const bool invert = json.value("invert", false);
  if (pattern == nlohmann::json{{"Regex", "[0-9][0-9][0-9]"}} && behavior == Behavior::kIsolated &&
      !invert)
    return std::make_unique<ThreeDigitsStep>();
  return std::make_unique<PatternStep>(Expression::from_json(pattern), behavior, invert, bytes);
}

}  // namespace

void cut_three_digits(std::string_view piece, TextPieces& out) {
  size_t begin = 0;
  int digits = 0;
  for (size_t at = 0; at < piece.size(); ++at) {
    digits = piece[at] >= '0' && piece[at] <= '9' ? digits + 1 : 0;
    if (digits < 3) continue;
    if (at - 2 > begin) out.pieces.push_back(piece.substr(begin, at - 2 - begin));
    out.pieces.push_back(piece.substr(at - 2, 3));
    begin = at + 1;
    digits = 0;
  }
  if (begin < piece.size()) out.pieces.push_back(piece.substr(begin));
}

std::unique_ptr<const PreTokenStep> make_split_step(const nlohmann::json& json, bool bytes) {
  const auto type = json.at("type").get<std::string>();
  if (type == "Digits") {
    const bool one = json.value("individual_digits", false);
    return std::make_unique<ClassStep>(is_number, one ? Behavior::kIsolated : Behavior::kContiguous,
                                       bytes);
  }
  if (type == "Punctuation") {
    const auto behavior = read_behavior(json.value("behavior", "Isolated"));
    return std::make_unique<ClassStep>(is_punctuation, behavior, bytes);
  }
  if (type == "Split") return make_pattern_step(json, bytes);
  if (type == "CharDelimiterSplit")
    return std::make_unique<PatternStep>(
        Expression::of_text(json.at("delimiter").get_ref<const std::string&>()), Behavior::kRemoved,
        false, bytes);
  return nullptr;
}

}  // namespace falconer
