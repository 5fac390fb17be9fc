// A JSON schema, made a grammar; texts of it are JSON, and never come to where they cannot go on.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "targets.h"
#include "text/grammar/json_grammar.h"
#include "text/grammar/stack_sets.h"

namespace falconer::fuzz {
namespace {

using grammar::StackSets;

constexpr size_t kLongestText = 200;

/// Bytes are chosen by what was read so far.
void walk(const std::shared_ptr<const grammar::Grammar>& grammar, uint32_t seed) {
  StackSets sets(grammar);
  StackSets::Id at = sets.start();
  std::string text;
  while (text.size() < kLongestText) {
    std::vector<uint8_t> next;
    for (int byte = 0; byte < 256; ++byte)
      if (sets.step(at, static_cast<uint8_t>(byte)) != StackSets::kNone)
        next.push_back(static_cast<uint8_t>(byte));
    seed = seed * 1664525 + 1013904223;
    if (sets.is_complete(at) && (next.empty() || seed >> 31 != 0)) {
      FALCONER_CHECK(nlohmann::json::accept(text));
      return;
    }
    FALCONER_CHECK(!next.empty());
    const uint8_t byte = next[(seed >> 8) % next.size()];
    text.push_back(static_cast<char>(byte));
    at = sets.step(at, byte);
  }
}

}  // namespace

void fuzz_json_schema(Input input) {
  const nlohmann::ordered_json schema = parse_ordered_json(input);
  if (schema.is_discarded()) return;
  const auto grammar = grammar::json_schema_grammar(schema);
  for (const uint32_t seed : {1u, 2u, 3u}) walk(grammar, seed);
}

}  // namespace falconer::fuzz
