// Tokenizers and chat templates that nobody has vouched for: what they may cost is bounded.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/errors.h"
#include "text/jinja/jinja.h"
#include "text/tokenizer.h"

namespace falconer::test {
namespace {

using nlohmann::json;

json tokenizer_json() {
  return {{"added_tokens", {{{"id", 0}, {"content", "<|end|>"}, {"special", true}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", {{"<|end|>", 0}, {"a", 1}, {"b", 2}}},
            {"merges", json::array()}}}};
}

Tokenizer load(const json& file) {
  return Tokenizer::parse({{"tokenizer.json", file.dump()}}, "tokenizer.json");
}

TEST(HostileTokenizer, FewTokensCannotAskForATableOfMillions) {
  json file = tokenizer_json();
  file["model"]["vocab"]["b"] = 16'000'000;
  expect_mentions(message_of([&] { load(file); }), {"ids go up to 16000000", "4 tokens"});
  file["model"]["vocab"]["b"] = 65'000;  // holes are fine
  EXPECT_EQ(load(file).vocab_size(), 65'001);
}

TEST(HostileTokenizer, StepsWithinStepsAreBounded) {
  const int depth = 500'000;
  std::string steps;
  for (int i = 0; i < depth; ++i) steps += R"({"type":"Sequence","pretokenizers":[)";
  for (int i = 0; i < depth; ++i) steps += "]}";
  const std::string text = R"({"model":{"vocab":{},"merges":[]},"pre_tokenizer":)" + steps + "}";
  expect_mentions(message_of([&] {
                    Tokenizer::parse({{"tokenizer.json", text}}, "here");
                  }),
                  {"here", "more than 100 deep"});
  json file = tokenizer_json();
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", json::array()}};
  for (int i = 0; i < 100; ++i)
    file["pre_tokenizer"]["pretokenizers"].push_back({{"type", "Digits"}});
  expect_mentions(message_of([&] { load(file); }), {"more than 64 steps"});
}

TEST(HostileTokenizer, AddedTokensAreBoundedAndTheLongestCounts) {
  json file = tokenizer_json();
  auto& added = file["added_tokens"];
  for (const char* content : {"<|e", "<|end|>>", "<"})
    added.push_back({{"id", 2 + added.size()},
                     {"content", content},
                     {"special", false},
                     {"normalized", false}});
  const Tokenizer tokenizer = load(file);
  EXPECT_EQ(tokenizer.encode("<|end|>><|end|><|en<a"), (std::vector<int32_t>{4, 0, 3, 5, 1}));
  // A special one that does not count as such gives way to a shorter one.
  EXPECT_EQ(tokenizer.encode_as_data("<|end|>"), (std::vector<int32_t>{3}));
  added.push_back({{"id", 9}, {"content", std::string(5000, 'x')}});
  expect_mentions(message_of([&] { load(file); }), {"5000 bytes"});
}

TEST(HostileTokenizer, PostProcessorsNameTokensThatAreThere) {
  json file = tokenizer_json();
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {{{"SpecialToken", {{"id", "x"}}}}, {{"Sequence", {{"id", "A"}}}}}},
      {"special_tokens", {{"x", {{"ids", {77}}}}}}};
  expect_mentions(message_of([&] { load(file); }), {"token 77"});
}

TEST(HostileTokenizer, ExpressionsMayNotRunForEver) {
  json file = tokenizer_json();
  file["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "(a+)+c"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}}}}};
  const Tokenizer tokenizer = load(file);
  expect_mentions(message_of([&] { tokenizer.encode(std::string(40, 'a') + "bc"); }), {"gave up"});
  file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\C";
  EXPECT_NE(message_of([&] { load(file); }), "");
}

TEST(HostileTokenizer, FilesWithoutATokenizerAreAnError) {
  expect_mentions(message_of([&] { Tokenizer::parse({}, "here"); }), {"here", "no tokenizer"});
}

/// What a template with this source ends in; its error.
std::string error_of(const std::string& source) {
  return message_of([&] {
    JinjaHeap heap(JinjaLimits{});
    const std::vector<std::pair<std::string_view, JinjaValue>> variables = {
        {"data", heap.view("d", true)}};
    JinjaTemplate(source, "template").render(variables, heap);
  });
}

TEST(HostileTemplate, FiltersThatApplyFiltersAreBounded) {
  std::string maps;
  for (int i = 0; i < 2'000; ++i) maps += "'map',";
  expect_mentions(error_of("{{ 'a'|map(" + maps + "'upper')|list }}"), {"more than 400 deep"});
}

TEST(HostileTemplate, WorkIsCountedWhereverItIsDone) {
  // Each of these took minutes.
  const std::string twice =
      "{% set ns = namespace(l=['b']) %}{% for i in range(40) %}"
      "{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
  // As Python, startswith looks into no lists.
  expect_mentions(error_of(twice + "{{ 'a'.startswith(ns.l) }}"), {"tuple"});
  expect_mentions(error_of(twice + "{{ ns.l == ns.l * 1 }}{{ '%s' % (ns.l,) }}"), {"more than"});
  const std::string large =
      "{% set x = 'a' * 8000000 %}{% set y = 'a' * 8000000 %}"
      "{% for i in range(100000) %}";
  for (const char* what :
       {"{{ x == y }}", "{{ x.count('b') }}", "{{ x.find('b') }}", "{{ x.isdigit() }}",
        "{{ x.startswith(y) }}", "{{ x < y }}", "{% set z = x.ljust(5) %}", "{{ x.count('') }}",
        "{{ '%.1s' % x }}", "{{ '{:.1}'.format(x) }}", "{{ x | int }}", "{{ x | wordcount }}",
        "{{ x | truncate(3) }}", "{{ x.islower() }}", "{{ x.rfind('b', 1) }}"})
    EXPECT_NE(error_of(large + what + "{% endfor %}"), "") << what;
  std::string names;
  for (int i = 0; i < 12'000; ++i) names += "{%set a" + std::to_string(i) + "=1%}";
  EXPECT_NE(error_of(names + "{% for i in range(100000) %}{% for j in range(100) %}{{ a11999 }}"
                             "{% endfor %}{% endfor %}"),
            "");
}

TEST(HostileTemplate, TextThatAlternatesBetweenTemplateAndDataIsBounded) {
  EXPECT_NE(error_of("{% set x = ('t' ~ data) * 30000000 %}"), "");
  EXPECT_NE(error_of("{% set x = ('t' ~ data) * 1000000 %}{% for p in x.split('t') %}{% endfor %}"
                     "{% for i in range(1000) %}{{ x[5:] }}{% endfor %}"),
            "");
}

TEST(HostileTemplate, SourceIsBoundedAndMadeUtf8) {
  expect_mentions(error_of(std::string(300'000, 'x')), {"300000 bytes"});
  JinjaHeap heap(JinjaLimits{});
  EXPECT_EQ(JinjaTemplate("\xC3{{ 'x\xE4\xBD'|upper }}", "t").render({}, heap).text(),
            "\xEF\xBF\xBDX\xEF\xBF\xBD");
}

}  // namespace
}  // namespace falconer::test
