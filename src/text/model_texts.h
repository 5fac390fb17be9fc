// How a model, or an adapter on it, reads and writes text: its tokenizer and its prompt style.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/conversation.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace falconer {

/// Immutable; safe to use from many threads.
class ModelTexts {
 public:
  /// `tokenizer` may be null, where ids alone are used. Without a style prompts are taken as they stand.
  ModelTexts(std::shared_ptr<const Tokenizer> tokenizer, std::optional<PromptStyle> style,
             bool parse_special);

  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  const std::shared_ptr<const Tokenizer>& shared_tokenizer() const { return tokenizer_; }
  const std::optional<PromptStyle>& style() const { return style_; }

  // These need a tokenizer.

  /// The ids of an instruction in the style; as it stands where `raw`, its special tokens too.
  std::vector<int32_t> encode_prompt(const std::string& instruction, const std::string& input,
                                     bool raw) const;
  /// The ids of messages that an answer is to follow, in the style; as they stand where `raw`. Error: the style
  /// refuses them.
  std::vector<int32_t> encode_chat(Conversation conversation, bool raw) const;

  /// What encode_chat() would refuse as PromptStyle::without_place() says.
  std::string without_place(const Conversation& conversation) const;

  /// The ids of messages whose last one is an answer, up to the token that ends its turn, and where the answer's own
  /// begin. Errors: as of encode_chat(); the style hides where it lies.
  std::vector<int32_t> encode_answered(const Conversation& conversation, bool raw,
                                       size_t& begin) const;

  /// Special tokens that end an answer beside end-of-text; none without a style.
  std::vector<int32_t> ends_of_turn() const;
  /// What ends an answer where no special token does; empty: nothing.
  std::string text_behind_turn() const;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<PromptStyle> style_;
  bool parse_special_ = false;
};

}  // namespace falconer
