#include "text/falcon_steps.h"

#include <array>
#include <nlohmann/json.hpp>

#include "text/byte_alphabet.h"
#include "text/split_steps.h"
#include "text/unicode.h"

namespace falconer {
namespace {

enum Sort : uint8_t { kSpace, kLetter, kNumber, kPunctuation, kOther, kBeyondAscii };

Sort sort_of(char32_t code) {
  if (is_punctuation(code)) return kPunctuation;
  if (is_letter(code)) return kLetter;
  if (is_number(code)) return kNumber;
  return is_space(code) ? kSpace : kOther;
}

/// What the steps come to: punctuation is cut out first, run by run, and each run is one piece of
/// ByteLevel's expression too. Its contractions thus never match, and what is left of it between
/// two such runs is | ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ . Digits then cuts at bytes
/// whose *spelling* is a number. In ASCII these are the digits, but bytes inside of other
/// characters are among them.
class FalconSteps final : public PreTokenStep {
 public:
  FalconSteps() {
    for (int byte = 0; byte < 256; ++byte) {
      kinds_[byte] = byte < 0x80 ? sort_of(static_cast<char32_t>(byte)) : kBeyondAscii;
      spelled_number_[byte] = is_number(byte_to_char(static_cast<unsigned char>(byte)));
    }
  }

  void split(std::string_view text, TextPieces& out) const override {
    for (size_t begin = 0; begin < text.size();) {
      size_t at = begin;
      bool ascii = true;
      Sort kind = next(text, at, ascii);
      if (text[begin] == ' ' && at < text.size()) {
        // A space goes along with what follows it, unless that is more space or punctuation.
        size_t behind = at;
        const Sort following = next(text, behind, ascii);
        if (following != kSpace && following != kPunctuation) {
          at = behind;
          kind = following;
        }
      }
      pass(text, at, kind, ascii);
      if (kind == kSpace) at = leave_last_space(text, begin, at);
      const std::string_view piece = text.substr(begin, at - begin);
      if (ascii && kind != kNumber)
        out.pieces.push_back(piece);
      else
        cut_numbers(piece, out);
      begin = at;
    }
  }

 private:
  static unsigned char byte_at(std::string_view text, size_t at) {
    return static_cast<unsigned char>(text[at]);
  }

  /// The kind of the character at `at`; moves past it.
  Sort next(std::string_view text, size_t& at, bool& ascii) const {
    const Sort kind = kinds_[byte_at(text, at)];
    if (kind != kBeyondAscii) return ++at, kind;
    ascii = false;
    const Utf8Char c = decode_utf8(text, at);
    at += c.length;
    return sort_of(c.code);
  }

  /// Moves past all characters of a kind.
  void pass(std::string_view text, size_t& at, Sort kind, bool& ascii) const {
    while (true) {
      while (at < text.size() && kinds_[byte_at(text, at)] == kind) ++at;
      if (at == text.size() || byte_at(text, at) < 0x80) return;
      const Utf8Char c = decode_utf8(text, at);
      if (sort_of(c.code) != kind) return;
      at += c.length;
      ascii = false;
    }
  }

  /// Of several spaces before a word, the last belongs to it or stands alone. Before punctuation,
  /// and at the end, they stay together: the first step cut there.
  size_t leave_last_space(std::string_view text, size_t begin, size_t end) const {
    bool ascii = true;
    size_t behind = end;
    if (end == text.size() || next(text, behind, ascii) == kPunctuation) return end;
    size_t last = end - 1;
    while ((text[last] & 0xC0) == 0x80) --last;
    return last > begin ? last : end;
  }

  void cut_numbers(std::string_view piece, TextPieces& out) const {
    for (size_t at = 0; at < piece.size();) {
      const size_t begin = at;
      const bool number = spelled_number_[byte_at(piece, at)];
      while (at < piece.size() && spelled_number_[byte_at(piece, at)] == number) ++at;
      const std::string_view part = piece.substr(begin, at - begin);
      if (number)
        cut_three_digits(part, out);
      else
        out.pieces.push_back(part);
    }
  }

  std::array<Sort, 256> kinds_;
  std::array<bool, 256> spelled_number_;
};

}  // namespace

std::unique_ptr<const PreTokenStep> make_falcon_steps(const nlohmann::json& pretokenizers) {
  const nlohmann::json& steps = pretokenizers;
  if (!steps.is_array() || steps.size() != 4) return nullptr;
  const auto is = [&](size_t i, const char* type) { return steps[i].value("type", "") == type; };
  if (!is(0, "Punctuation") || !is(1, "ByteLevel") || !is(2, "Digits") || !is(3, "Split"))
    return nullptr;
  const nlohmann::json pattern = {{"Regex", "[0-9][0-9][0-9]"}};
  const bool falcon =
      steps[0].value("behavior", "Isolated") == "Contiguous" &&
      !steps[1].value("add_prefix_space", true) && steps[1].value("use_regex", true) &&
      !steps[2].value("individual_digits", false) && steps[3].at("pattern") == pattern &&
      steps[3].at("behavior") == "Isolated" && !steps[3].value("invert", false);
  return falcon ? std::make_unique<FalconSteps>() : nullptr;
}

}  // namespace falconer
