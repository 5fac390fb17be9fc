// A tokenizer and a chat template, loaded and used.
#include "text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "folder.h"
#include "targets.h"
#include "text/jinja/jinja.h"
#include "text/prompt.h"
#include "text/prompt_encoder.h"

namespace falconer::fuzz {
namespace {

constexpr const char* kText =
    "  Don't stop: 1234567 caf\xC3\xA9s, \xE4\xBD\xA0\xE5\xA5\xBD "
    "\xF0\x9F\x98\x80!\r\n\n\t<|endoftext|>"
    " aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \xFF\xC3 <|endoftext|>\n";

nlohmann::ordered_json messages() {
  return nlohmann::ordered_json::parse(R"([
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Caf\u00e9 <|endoftext|> {{ 1 }}\n two  "},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function":
      {"name": "add", "arguments": {"a": 1, "b": [2.5, null, true]}}}]},
    {"role": "tool", "content": "3.5", "name": "add"},
    {"role": "assistant", "content": "It is 3.5."}])");
}

void use(const Tokenizer& tokenizer) {
  const std::vector<int32_t> ids = tokenizer.encode(kText);
  tokenizer.encode_as_data(kText);
  try {
    tokenizer.decode(ids);
    tokenizer.decode(ids, true);
    StreamDecoder stream(tokenizer);
    for (const int32_t id : ids) stream.push(id);
    stream.finish();
  } catch (const Error&) {  // a post-processor's id that the vocabulary lacks
  }
  tokenizer.end_of_last_special(" <|endoftext|> ");
  MarkedText marked("<|endoftext|>", false);
  marked.append(" <|endoftext|> \xC3\xA9", true);
  std::vector<int32_t> more;
  tokenizer.append_marked(marked, false, more);
}

/// One token for each byte, and end-of-text.
std::string byte_tokenizer_json() {
  nlohmann::json vocab = {{"<|endoftext|>", 0}};
  int id = 1, moved = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int code = plain ? byte : 256 + moved++;
    std::string spelled;
    if (code < 0x80)
      spelled = {static_cast<char>(code)};
    else
      spelled = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    vocab[spelled] = id++;
  }
  const nlohmann::json json = {
      {"added_tokens", {{{"id", 0}, {"content", "<|endoftext|>"}, {"special", true}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}};
  return json.dump();
}

}  // namespace

const Tokenizer& byte_tokenizer() {
  static const Tokenizer tokenizer =
      Tokenizer::parse({{"tokenizer.json", byte_tokenizer_json()},
                        {"tokenizer_config.json", R"({"eos_token": "<|endoftext|>"})"}},
                       "tokenizer");
  return tokenizer;
}

void fuzz_tokenizer(Input input) {
  use(Tokenizer::parse({{"tokenizer.json", std::string(input)}}, "tokenizer.json"));
}

void fuzz_sentencepiece(Input input) {
  if (input.empty()) return;
  constexpr const char* kConfigs[] = {
      "{}", R"({"tokenizer_class": "LlamaTokenizer"})",
      R"({"add_bos_token": true, "add_eos_token": true, "legacy": false})"};
  const LogLevelHere quiet(LogLevel::kQuiet);
  use(Tokenizer::parse({{"tokenizer.model", std::string(input.substr(1))},
                        {"tokenizer_config.json",
                         kConfigs[static_cast<unsigned char>(input[0]) % std::size(kConfigs)]}},
                       "tokenizer.model"));
}

void fuzz_special_tokens(Input input) {
  if (input.empty()) return;
  constexpr const char* kNames[] = {"tokenizer_config.json", "special_tokens_map.json",
                                    "generation_config.json", "config.json", "added_tokens.json"};
  constexpr const char* kTokenizer =  // few tokens: it is read anew for each input
      R"({"added_tokens": [{"id": 0, "content": "<|endoftext|>", "special": true}],
          "pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"},
          "model": {"type": "BPE", "vocab": {"<|endoftext|>": 0, "a": 1, "aa": 2}, "merges": ["a a"]}})";
  use(Tokenizer::parse({{"tokenizer.json", kTokenizer},
                        {kNames[static_cast<unsigned char>(input[0]) % std::size(kNames)],
                         std::string(input.substr(1))}},
                       "tokenizer.json"));
}

void fuzz_chat_template(Input input) {
  static const nlohmann::ordered_json conversation = messages();
  // Smaller than what a user's rendering may take, so that an attempt is short.
  JinjaHeap heap({.steps = 20'000, .bytes = size_t{2} << 20, .output = size_t{1} << 19});
  const JinjaTemplate made{std::string(input), "chat template"};
  const std::vector<std::pair<std::string_view, JinjaValue>> variables = {
      {"messages", heap.from_json(conversation, true)},
      {"add_generation_prompt", JinjaValue::of(true)},
      {"tools", JinjaValue::none()},
      {"eos_token", heap.view("<|endoftext|>", false)}};
  const MarkedText text = made.render(variables, heap);
  FALCONER_CHECK(text.parts().empty() || text.parts().back().end == text.size());
}

void fuzz_template_files(Input input) {
  const TemplateFiles files({{"tokenizer_config.json", std::string(input)}}, "checkpoint");
  Conversation conversation = Conversation::of("Name 3 <|endoftext|> colours.", "in a list");
  conversation.messages.push_back({.role = "assistant", .content = "red", .input = {}, .more = {}});
  static_cast<void>(PromptStyle::has_chat_template(files));
  const PromptStyle style = PromptStyle::of_checkpoint("chat", files);
  const PromptEncoder encoder(byte_tokenizer(), style);
  encoder.prompt(Conversation::of("one"));
  encoder.conversation(conversation);
  encoder.end_of_turn_ids();
}

}  // namespace falconer::fuzz
