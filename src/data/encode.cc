#include "data/encode.h"

#include <algorithm>

#include "base/error.h"
#include "text/prompt_encoder.h"
#include "text/tokenizer.h"

namespace falconer {
namespace {

/// The conversation without what follows its last answer, where nothing is learned.
EncodedConversation encode_up_to_last_answer(const Conversation& conversation,
                                             const PromptEncoder& encoder) {
  const auto& messages = conversation.messages;
  if (std::none_of(messages.begin(), messages.end(),
                   [](const Message& message) { return message.is_assistant(); }))
    fail("has no answer to learn");
  if (messages.back().is_assistant()) return encoder.conversation(conversation);
  Conversation shorter = conversation;
  while (!shorter.messages.back().is_assistant()) shorter.messages.pop_back();
  return encoder.conversation(shorter);
}

void refuse_hidden_answers(const EncodedConversation& encoded, const std::vector<Message>& messages,
                           TrainOn train_on) {
  std::vector<size_t> untold = encoded.untold;
  std::erase_if(untold, [&](size_t i) { return !messages[i].learn; });
  if (untold.empty() || train_on == TrainOn::kEverything) return;
  const size_t hidden = untold.back();
  const bool last = encoded.answers.empty() || encoded.answers.back().message < hidden;
  if (!last && train_on == TrainOn::kLastTurn) return;
  fail(
      "the place of message {} cannot be told: the chat template writes it another way once others "
      "follow, or refuses what comes before it; {}",
      untold.front() + 1,
      last ? spelled("give another --prompt-style, or learn all with --train-on everything")
           : spelled("learn the last answer alone with --train-on last-turn"));
}

/// Sees to it that the last answer ends with a token that stops a model. Returns that token; -1
/// where there is none.
int32_t end_last_answer(EncodedConversation& encoded, const Tokenizer& tokenizer,
                        const EncodeOptions& options) {
  AnswerRange* const last = encoded.answers.empty() ? nullptr : &encoded.answers.back();
  if (last != nullptr && last->end > last->begin &&
      tokenizer.is_special(encoded.ids[last->end - 1]))
    return encoded.ids[last->end - 1];
  const auto eos = tokenizer.eos_id();
  if (!options.append_eos || !eos) return -1;
  encoded.ids.push_back(*eos);
  if (last != nullptr) last->end = encoded.ids.size();
  return *eos;
}

std::vector<LearnedAnswer> learned_answers(const EncodedConversation& encoded,
                                           const std::vector<Message>& messages, TrainOn train_on,
                                           const Tokenizer& tokenizer) {
  std::vector<LearnedAnswer> learned;
  const size_t count = encoded.answers.size();
  for (size_t i = train_on == TrainOn::kLastTurn && count > 0 ? count - 1 : 0; i < count; ++i) {
    const auto& [message, begin, end] = encoded.answers[i];
    if (!messages[message].learn) continue;
    learned.push_back(
        {message, begin, end, end > begin && tokenizer.is_special(encoded.ids[end - 1])});
  }
  return learned;
}

Row labelled(const EncodedConversation& encoded, const std::vector<Message>& messages,
             const std::vector<LearnedAnswer>& answers, TrainOn train_on) {
  Row row{.ids = encoded.ids, .labels = encoded.ids};
  if (train_on == TrainOn::kEverything) {
    for (const auto& [message, begin, end] : encoded.answers)
      if (!messages[message].learn)
        std::fill(row.labels.begin() + static_cast<ptrdiff_t>(begin),
                  row.labels.begin() + static_cast<ptrdiff_t>(end), kIgnoredLabel);
    return row;
  }
  std::fill(row.labels.begin(), row.labels.end(), kIgnoredLabel);
  for (const LearnedAnswer& answer : answers)
    std::copy(encoded.ids.begin() + static_cast<ptrdiff_t>(answer.begin),
              encoded.ids.begin() + static_cast<ptrdiff_t>(answer.end),
              row.labels.begin() + static_cast<ptrdiff_t>(answer.begin));
  return row;
}

/// Where an answer is cut, it ends nevertheless, unless `end` is -1.
void cut(Row& row, size_t most, const EncodedConversation& encoded, int32_t end) {
  row.ids.resize(most);
  row.labels.resize(most);
  const auto is_cut = [&](const AnswerRange& answer) {
    return answer.begin < most && most < answer.end;
  };
  if (end < 0 || std::none_of(encoded.answers.begin(), encoded.answers.end(), is_cut)) return;
  row.ids.back() = end;
  if (row.labels.back() != kIgnoredLabel) row.labels.back() = end;
}

std::vector<Row> chunks_of(const Row& row, size_t most) {
  std::vector<Row> made;
  for (size_t begin = 0; begin < row.ids.size(); begin += most) {
    const auto first = static_cast<ptrdiff_t>(begin);
    const auto last = static_cast<ptrdiff_t>(std::min(begin + most, row.ids.size()));
    made.push_back({.ids = {row.ids.begin() + first, row.ids.begin() + last},
                    .labels = {row.labels.begin() + first, row.labels.begin() + last},
                    .line = row.line});
  }
  return made;
}

}  // namespace

EncodedRows encode_example(const Example& example, const Tokenizer& tokenizer,
                           const PromptEncoder& encoder, const EncodeOptions& options) {
  EncodedConversation encoded = encode_up_to_last_answer(example.conversation, encoder);
  const auto& messages = example.conversation.messages;
  refuse_hidden_answers(encoded, messages, options.train_on);
  const int32_t end = end_last_answer(encoded, tokenizer, options);
  EncodedRows made;
  for (const Message& message : messages)
    for (const std::string* text : {&message.content, &message.input})
      for (const int32_t id : tokenizer.specials_in(*text)) made.spelled.push_back(id);
  made.answers = learned_answers(encoded, messages, options.train_on, tokenizer);
  Row row = labelled(encoded, messages, made.answers, options.train_on);
  row.line = example.line;
  const size_t most = static_cast<size_t>(options.max_seq_length);
  if (example.chunked) {
    made.rows = chunks_of(row, most);
  } else if (!row.ids.empty()) {
    if (row.ids.size() > most) {
      made.lost = std::ssize(row.ids) - options.max_seq_length;
      cut(row, most, encoded, options.keep_eos ? end : -1);
    }
    made.rows.push_back(std::move(row));
  }
  return made;
}

}  // namespace falconer
