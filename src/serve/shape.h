// Answers as OpenAI's clients read them: whole ones, and the chunks of a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "serve/engine.h"
#include "serve/json.h"
#include "text/tokenizer.h"

namespace falconer::serve {

struct Usage {
  int64_t prompt = 0, cached = 0, answer = 0;  // tokens
  Json json() const;
};

/// A token with what is listed of it. `known` is false of a prompt's first, before which there is nothing.
struct ListedToken {
  TokenChances chances;
  bool known = true;
};

/// {"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}. `tokenizer` may be null.
Json chat_logprobs(const Tokenizer* tokenizer, std::span<const ListedToken> tokens);

/// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, part by part.
class CompletionLogprobs {
 public:
  /// `offset`: characters of the text before the tokens.
  explicit CompletionLogprobs(const Tokenizer* tokenizer, int64_t offset = 0);
  /// With `listed` most likely tokens of each, beside the one that was chosen.
  Json of(std::span<const ListedToken> tokens, bool listed);
  int64_t offset() const { return offset_; }

 private:
  const Tokenizer* tokenizer_;
  std::optional<StreamDecoder> decoder_;
  int64_t offset_ = 0;
};

/// What all objects of an answer have.
class Shape {
 public:
  Shape(bool chat, std::string model, int64_t created);

  const std::string& id() const { return id_; }
  /// A choice of a whole answer.
  Json choice(int64_t index, const std::string& text, const Json& logprobs,
              const std::string& finish) const;
  Json whole(Json choices, const Usage& usage) const;
  /// A chunk with one choice. `first`: of a chat, it names the role. `finish` is empty where the answer goes on.
  Json chunk(int64_t index, const std::string& text, const Json& logprobs,
             const std::string& finish, bool first, bool names_usage) const;
  Json usage_chunk(const Usage& usage) const;

 private:
  Json head(const char* object) const;
  bool chat_ = false;
  std::string id_, model_;
  int64_t created_ = 0;
};

/// "data: ...", an event of a stream.
std::string event_of(const Json& json);
inline constexpr const char* kLastEvent = "data: [DONE]\n\n";
/// Says nothing; a client that waits sees that the server is there.
inline constexpr const char* kPing = ": ping\n\n";

/// The text of a prompt's ids; those that only the model has, which is padded, have none, as without a tokenizer all.
std::string text_of(const Tokenizer* tokenizer, std::vector<int32_t> ids);
/// How many characters valid UTF-8 has.
int64_t characters(std::string_view text);
/// `count` bytes of chance as hexadecimal digits.
std::string random_digits(size_t count);

}  // namespace falconer::serve
