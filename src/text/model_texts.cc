#include "text/model_texts.h"

#include "base/error.h"
#include "text/prompt_encoder.h"

namespace falconer {
namespace {

const PromptStyle& as_it_stands() {
  static const PromptStyle raw = PromptStyle::named("raw");
  return raw;
}

}  // namespace

ModelTexts::ModelTexts(std::shared_ptr<const Tokenizer> tokenizer, std::optional<PromptStyle> style,
                       bool parse_special)
    : tokenizer_(std::move(tokenizer)), style_(std::move(style)), parse_special_(parse_special) {}

std::vector<int32_t> ModelTexts::encode_prompt(const std::string& instruction,
                                               const std::string& input, bool raw) const {
  const bool plain = raw || !style_;
  if (plain && input.empty()) return tokenizer_->encode(instruction);
  return PromptEncoder(*tokenizer_, plain ? as_it_stands() : *style_, parse_special_)
      .prompt(Conversation::of(instruction, input));
}

std::vector<int32_t> ModelTexts::encode_chat(Conversation conversation, bool raw) const {
  drop_spelled_ends(conversation, *tokenizer_);
  return PromptEncoder(*tokenizer_, raw || !style_ ? as_it_stands() : *style_, parse_special_)
      .prompt(conversation);
}

std::string ModelTexts::without_place(const Conversation& conversation) const {
  return (style_ ? *style_ : as_it_stands())
      .without_place(conversation, conversation.messages.size());
}

std::vector<int32_t> ModelTexts::encode_answered(const Conversation& conversation, bool raw,
                                                 size_t& begin) const {
  EncodedConversation encoded =
      PromptEncoder(*tokenizer_, raw || !style_ ? as_it_stands() : *style_, parse_special_)
          .conversation(conversation);
  if (encoded.answers.empty() || encoded.answers.back().message + 1 != conversation.messages.size())
    fail(
        "the place of the last message cannot be told: it is no answer, or the chat template hides "
        "it; give another --prompt-style");
  const AnswerRange& answer = encoded.answers.back();
  begin = answer.begin;
  encoded.ids.resize(answer.end);
  while (encoded.ids.size() > begin && tokenizer_->is_special(encoded.ids.back()))
    encoded.ids.pop_back();
  return std::move(encoded.ids);
}

std::vector<int32_t> ModelTexts::ends_of_turn() const {
  if (!style_ || tokenizer_ == nullptr) return {};
  return PromptEncoder(*tokenizer_, *style_).end_of_turn_ids();
}

std::string ModelTexts::text_behind_turn() const {
  if (!style_ || tokenizer_ == nullptr) return {};
  return PromptEncoder(*tokenizer_, *style_).end_of_turn_text();
}

}  // namespace falconer
