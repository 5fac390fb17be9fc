// Messages to token ids: what a prompt style renders, tokenized so that the ids before an answer are
// the same whether the answer is there to be learned or still to be given.
#pragma once

#include <optional>
#include <vector>

#include "text/prompt.h"
#include "text/tokenizer.h"

namespace falconer {

/// An answer within the ids of a conversation: [begin, end) is what its model says, the token that
/// ends its turn included.
struct AnswerRange {
  size_t message = 0;  // its number
  size_t begin = 0, end = 0;
};

struct EncodedConversation {
  std::vector<int32_t> ids;
  std::vector<AnswerRange> answers;  // in order; not those that cannot be told, see `untold`
  std::vector<size_t> untold;  // messages whose place a template hides: it writes them another
                               // way later, or refuses what comes before them alone
};

/// The style ends answers: an end-of-text that one spells at its end is that end and no second one, as in trl.
void drop_spelled_ends(Conversation& conversation, const Tokenizer& tokenizer);

class PromptEncoder {
 public:
  /// `parse_special`: special tokens that stand in messages are control tokens, as in transformers.
  /// Otherwise they are text. `joint`: all of the text is tokenized in one go, and special tokens
  /// are parsed, as in Lit-Parrot of June 2023; answers are then counted off by the tokens that the
  /// text before them has alone. Both arguments must outlive the encoder.
  PromptEncoder(const Tokenizer& tokenizer, const PromptStyle& style, bool parse_special = false,
                bool joint = false);

  const PromptStyle& style() const { return style_; }
  /// The text that is tokenized.
  MarkedText text(const Conversation& conversation, bool prompt) const;
  /// The same of a whole conversation, as bytes; nothing where the template refuses it.
  std::optional<std::string> rendered_text(const Conversation& conversation) const;
  /// What an answer is appended to.
  std::vector<int32_t> prompt(const Conversation& conversation) const;
  /// The whole conversation, which ends with the last answer's end.
  EncodedConversation conversation(const Conversation& conversation) const;
  /// Special tokens that end an answer in this style.
  std::vector<int32_t> end_of_turn_ids() const;
  /// The text that ends an answer, where it has no special token: the tokenizer lacks "<|im_end|>", say. Without white
  /// space behind it; empty where nothing ends one.
  std::string end_of_turn_text() const;

 private:
  /// Where an answer lies in the rendered text.
  struct Place {
    size_t message = 0;
    size_t begin = 0, content_end = 0, end = 0;
  };
  /// What comes behind an answer.
  MarkedText ending() const;
  std::optional<MarkedText> rendered(const Conversation& conversation, size_t count,
                                     bool prompt) const;
  std::optional<size_t> end_of_answer(const MarkedText& with, const MarkedText& all,
                                      size_t content_end) const;
  /// `all`: the whole conversation, with the beginning of a further answer where `prompt`.
  std::vector<Place> places(const Conversation& conversation, const MarkedText& all, bool prompt,
                            std::vector<size_t>& untold) const;
  EncodedConversation encode(const MarkedText& text, const std::vector<Place>& places) const;
  EncodedConversation encode_joint(const MarkedText& text, const std::vector<Place>& places) const;
  size_t learned_of_ending(const std::vector<int32_t>& ids) const;
  void append(const MarkedText& text, size_t begin, size_t end, std::vector<int32_t>& ids) const;

  const Tokenizer& tokenizer_;
  const PromptStyle& style_;
  PromptStyle::SpecialTokens special_;
  bool parse_special_ = false, joint_ = false;
};

}  // namespace falconer
