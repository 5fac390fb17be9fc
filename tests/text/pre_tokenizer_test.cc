#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "text/unicode.h"

namespace falconer::test {
namespace {

using nlohmann::json;

const char* const kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// PCRE2 knows the Unicode of its own day; below here nothing was assigned lately.
constexpr uint32_t kOldCharacters = 0x590;

json split_step(const std::string& regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}
json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", use_regex}};
}
json sequence(const std::vector<json>& steps) {
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

/// Falcon's sequence with the given steps for its second and its last.
json falcon(const std::vector<json>& bytes, const json& digits) {
  std::vector<json> steps;
  steps.push_back({{"type", "Punctuation"}, {"behavior", "Contiguous"}});
  for (const json& step : bytes) steps.push_back(step);
  steps.push_back({{"type", "Digits"}, {"individual_digits", false}});
  steps.push_back(digits);
  return sequence(steps);
}

/// Short texts of characters on which the expressions turn, and of others below `most`.
std::string random_text(std::mt19937& numbers, uint32_t most) {
  static const std::u32string kTelling =
      U"  "
      U"\t\n\r\u00A0\u2003\u3000\u0085'''stredvlmSaZz019.,-<>$+^|~`_\u00B2\u00B3\u00B9\u00BC\u00BD"
      U"\u0663\u0967\u2167\u00E9\u00DF\u4E2D\uAC00\u0301\u200D\U0001F985\U0001D7D8\u00AB\u2026"
      U"\u3002"
      U"\u00A3\u20AC\u00AD\u0001";
  const auto below = [&](uint32_t n) { return numbers() % n; };
  std::string text;
  for (uint32_t n = below(24); n > 0; --n) {
    char32_t code = kTelling[below(static_cast<uint32_t>(kTelling.size()))];
    if (below(8) == 0) code = below(most);
    if (code >= 0xD800 && code < 0xE000) continue;
    for (uint32_t again = below(4) == 0 ? below(5) : 0; again > 0; --again) append_utf8(text, code);
    append_utf8(text, code);
  }
  return text;
}

std::vector<std::string> pieces(const PreTokenizer& tokenizer, std::string_view text) {
  TextPieces found;
  tokenizer.split(text, found);
  return {found.pieces.begin(), found.pieces.end()};
}

void expect_same_pieces(const json& quick, const json& slow, uint32_t most) {
  const PreTokenizer a = PreTokenizer::from_json(quick), b = PreTokenizer::from_json(slow);
  std::mt19937 numbers(1);
  for (int i = 0; i < 60000; ++i) {
    const std::string text = random_text(numbers, most);
    ASSERT_EQ(pieces(a, text), pieces(b, text)) << "\"" << text << "\"";
  }
}

TEST(PreTokenizer, ByteLevelCutsAsItsExpressionDoes) {
  expect_same_pieces(byte_level(true), sequence({split_step(kGpt2), byte_level(false)}),
                     kOldCharacters);
}

TEST(PreTokenizer, FalconsStepsInOnePassCutAsTheExpressionsDo) {
  const json plain = falcon({byte_level(true)}, split_step("[0-9][0-9][0-9]"));
  expect_same_pieces(plain, falcon({split_step(kGpt2), byte_level(false)}, split_step("[0-9]{3}")),
                     kOldCharacters);
}

TEST(PreTokenizer, FalconsStepsInOnePassCutAsTheStepsDo) {
  const json plain = falcon({byte_level(true)}, split_step("[0-9][0-9][0-9]"));
  expect_same_pieces(plain, falcon({byte_level(true)}, split_step("[0-9][0-9][0-9](?:)")),
                     0x110000);
}

TEST(PreTokenizer, OnlyFalconsSettingsAreTakenForFalcons) {
  const json digits = split_step("[0-9][0-9][0-9]");
  const auto cut = [&](const json& steps, std::string_view text) {
    return pieces(PreTokenizer::from_json(steps), text);
  };
  using Strings = std::vector<std::string>;
  json steps = falcon({byte_level(true)}, digits);
  EXPECT_EQ(cut(steps, "a 1234,,b"), (Strings{"a", " ", "123", "4", ",,", "b"}));
  json changed = steps;
  changed["pretokenizers"][0]["behavior"] = "Isolated";
  EXPECT_EQ(cut(changed, "a 1234,,b"), (Strings{"a", " ", "123", "4", ",", ",", "b"}));
  changed = steps;
  changed["pretokenizers"][1]["add_prefix_space"] = true;
  EXPECT_EQ(cut(changed, "a,b"), (Strings{" a", " ,", " b"}));
  changed = steps;
  changed["pretokenizers"][2]["individual_digits"] = true;
  EXPECT_EQ(cut(changed, "a 1234"), (Strings{"a", " ", "1", "2", "3", "4"}));
  changed = steps;
  changed["pretokenizers"][3]["behavior"] = "Removed";
  EXPECT_EQ(cut(changed, "a 1234"), (Strings{"a", " ", "4"}));
  EXPECT_EQ(cut(steps, ""), Strings{});
}

}  // namespace
}  // namespace falconer::test
