#include "serve/shape.h"

#include <algorithm>
#include <random>

#include "base/utf8.h"

namespace falconer::serve {
namespace {

std::string bytes_of(const Tokenizer* tokenizer, int32_t id) {
  // Models are padded to more ids than their tokenizer has.
  if (tokenizer == nullptr || id >= tokenizer->vocab_size()) return fmt::format("token_id:{}", id);
  return tokenizer->token_bytes(id);
}

// What has no probability left in f32 has OpenAI's number for that: JSON has no infinity.
double number_of(float logprob) { return std::max(static_cast<double>(logprob), -9999.0); }

Json token_json(const Tokenizer* tokenizer, int32_t id, float logprob) {
  const std::string bytes = bytes_of(tokenizer, id);
  Json numbers = Json::array();
  for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
  return {{"token", to_valid_utf8(bytes)},
          {"logprob", number_of(logprob)},
          {"bytes", std::move(numbers)}};
}

}  // namespace

std::string text_of(const Tokenizer* tokenizer, std::vector<int32_t> ids) {
  if (tokenizer == nullptr) return "";
  std::erase_if(ids, [&](int32_t id) { return id >= tokenizer->vocab_size(); });
  return tokenizer->decode(ids);
}

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

std::string random_digits(size_t count) {
  std::random_device chance;
  std::string digits;
  while (digits.size() < 2 * count) digits += fmt::format("{:08x}", chance());
  digits.resize(2 * count);
  return digits;
}

Json Usage::json() const {
  return {{"prompt_tokens", prompt},
          {"completion_tokens", answer},
          {"total_tokens", prompt + answer},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

Json chat_logprobs(const Tokenizer* tokenizer, std::span<const ListedToken> tokens) {
  Json content = Json::array();
  for (const ListedToken& token : tokens) {
    Json one = token_json(tokenizer, token.chances.id, token.chances.chosen);
    Json most = Json::array();
    for (const auto& [id, logprob] : token.chances.most_likely)
      most.push_back(token_json(tokenizer, id, logprob));
    one["top_logprobs"] = std::move(most);
    content.push_back(std::move(one));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json CompletionLogprobs::of(std::span<const ListedToken> tokens, bool listed) {
  Json texts = Json::array(), chosen = Json::array(), most = Json::array(), offsets = Json::array();
  for (const ListedToken& token : tokens) {
    const int32_t id = token.chances.id;
    texts.push_back(to_valid_utf8(bytes_of(tokenizer_, id)));
    offsets.push_back(offset_);
    if (decoder_ && id < tokenizer_->vocab_size()) offset_ += characters(decoder_->push(id));
    if (!token.known) {
      chosen.push_back(nullptr);
      most.push_back(nullptr);
      continue;
    }
    chosen.push_back(number_of(token.chances.chosen));
    // Tokens that are written alike are one key: it has the number of the likeliest, which comes first.
    Json by_text = Json::object();
    for (const auto& [other, logprob] : token.chances.most_likely)
      by_text.emplace(to_valid_utf8(bytes_of(tokenizer_, other)), number_of(logprob));
    by_text.emplace(texts.back().get<std::string>(), number_of(token.chances.chosen));
    most.push_back(std::move(by_text));
  }
  return {{"text_offset", std::move(offsets)},
          {"token_logprobs", std::move(chosen)},
          {"tokens", std::move(texts)},
          {"top_logprobs", listed ? std::move(most) : Json()}};
}

CompletionLogprobs::CompletionLogprobs(const Tokenizer* tokenizer, int64_t offset)
    : tokenizer_(tokenizer), offset_(offset) {
  if (tokenizer != nullptr) decoder_.emplace(*tokenizer, false);
}

Shape::Shape(bool chat, std::string model, int64_t created)
    : chat_(chat),
      id_((chat ? "chatcmpl-" : "cmpl-") + random_digits(12)),
      model_(std::move(model)),
      created_(created) {}

Json Shape::head(const char* object) const {
  return {{"id", id_}, {"object", object}, {"created", created_}, {"model", model_}};
}

Json Shape::choice(int64_t index, const std::string& text, const Json& logprobs,
                   const std::string& finish) const {
  Json made = {{"index", index}};
  if (chat_)
    made["message"] = {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
  else
    made["text"] = text;
  made["logprobs"] = logprobs;
  made["finish_reason"] = finish;
  return made;
}

Json Shape::whole(Json choices, const Usage& usage) const {
  Json made = head(chat_ ? "chat.completion" : "text_completion");
  made["choices"] = std::move(choices);
  made["usage"] = usage.json();
  return made;
}

Json Shape::chunk(int64_t index, const std::string& text, const Json& logprobs,
                  const std::string& finish, bool first, bool names_usage) const {
  Json choice = {{"index", index}};
  if (chat_) {
    Json delta = Json::object();
    if (first) delta["role"] = "assistant";
    if (first || finish.empty()) delta["content"] = text;
    choice["delta"] = std::move(delta);
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = logprobs;
  choice["finish_reason"] = finish.empty() ? Json() : Json(finish);
  Json made = head(chat_ ? "chat.completion.chunk" : "text_completion");
  made["choices"] = Json::array({std::move(choice)});
  if (names_usage) made["usage"] = nullptr;
  return made;
}

Json Shape::usage_chunk(const Usage& usage) const {
  Json made = head(chat_ ? "chat.completion.chunk" : "text_completion");
  made["choices"] = Json::array();
  made["usage"] = usage.json();
  return made;
}

std::string event_of(const Json& json) { return "data: " + json_text(json) + "\n\n"; }

}  // namespace falconer::serve
