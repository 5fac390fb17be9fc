#include "data/examine.h"

#include <algorithm>

#include "base/json_number.h"
#include "base/utf8.h"
#include "data/row_store.h"
#include "text/tokenizer.h"

namespace falconer {
namespace {

uint64_t hash_of_first(const std::vector<int32_t>& ids, size_t count) {
  return count == 0 ? 0 : hash_of(std::span(ids).first(count));
}

bool repeats_a_role(const Conversation& conversation) {
  const auto& messages = conversation.messages;
  for (size_t i = 1; i < messages.size(); ++i)
    if (messages[i].role == messages[i - 1].role &&
        (messages[i].role == "user" || messages[i].is_assistant()))
      return true;
  return false;
}

/// Where what is learned of a row begins and ends, for each stretch of it.
std::vector<LearnedAnswer> learned_stretches(const Row& row) {
  std::vector<LearnedAnswer> stretches;
  for (size_t i = 0; i < row.labels.size(); ++i) {
    if (row.labels[i] == kIgnoredLabel) continue;
    if (i == 0 || row.labels[i - 1] == kIgnoredLabel) stretches.push_back({.begin = i});
    stretches.back().end = i + 1;
  }
  return stretches;
}

/// `nothing`: no text is in the answer, whatever a template puts around it.
void mark_length(const LearnedAnswer& answer, bool nothing, RowFacts& facts) {
  const size_t said = answer.end - answer.begin - (answer.ends ? 1 : 0);
  if (said == 0 || nothing)
    facts.marks |= kEmptyAnswer;
  else if (said == 1)
    facts.marks |= kShortAnswer;
}

/// White space alone, and no call of a tool either.
bool is_empty(const Message& message) {
  const auto calls = [&](const char* key) {
    return message.more.is_object() && message.more.contains(key) &&
           !says_nothing(message.more[key]);
  };
  return message.content.find_first_not_of(" \t\r\n") == std::string::npos &&
         !calls("tool_calls") && !calls("function_call");
}

}  // namespace

Examiner::Examiner(const Tokenizer* tokenizer, EncodeOptions options, std::vector<int32_t> begins,
                   std::vector<int32_t> ends)
    : tokenizer_(tokenizer), options_(options), begins_(std::move(begins)), ends_(std::move(ends)) {
  if (tokenizer_ == nullptr) return;
  if (const auto bos = tokenizer_->bos_id()) begins_.push_back(*bos);
  if (const auto eos = tokenizer_->eos_id()) ends_.push_back(*eos);
}

bool Examiner::begins_twice(const std::vector<int32_t>& ids) const {
  return ids.size() >= 2 && ids[0] == ids[1] &&
         std::find(begins_.begin(), begins_.end(), ids[0]) != begins_.end();
}

bool Examiner::ends_text(int32_t id) const {
  return std::find(ends_.begin(), ends_.end(), id) != ends_.end() ||
         (tokenizer_ != nullptr && tokenizer_->is_special(id));
}

void Examiner::look_at_characters(std::string_view text, RowFacts& facts) const {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0)
      facts.marks |= kNul;
    else if ((byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f)
      facts.marks |= kControl;
  }
  if (text.find("\xEF\xBF\xBD") != std::string_view::npos) facts.marks |= kReplacement;
  if (valid_utf8_prefix(text) < text.size()) facts.marks |= kInvalidUtf8;
}

void Examiner::look_at_text(std::string_view text, RowFacts& facts) const {
  look_at_characters(text, facts);
  if (tokenizer_ == nullptr) return;
  const std::vector<int32_t> spelled = tokenizer_->specials_in(text);
  if (spelled.empty()) return;
  facts.marks |= kSpelledSpecial;
  facts.spelled.insert(facts.spelled.end(), spelled.begin(), spelled.end());
}

RowFacts Examiner::of_example(const Example& example, const EncodedRows& encoded) const {
  RowFacts facts;
  facts.lost_tokens = encoded.lost;
  for (const Message& message : example.conversation.messages) {
    look_at_characters(message.content, facts);
    look_at_characters(message.input, facts);
  }
  facts.spelled = encoded.spelled;
  if (!facts.spelled.empty()) facts.marks |= kSpelledSpecial;
  if (encoded.rows.empty()) return facts;
  const Row& row = encoded.rows.front();
  if (begins_twice(row.ids)) facts.marks |= kTwoBegins;
  if (encoded.lost > 0) facts.marks |= kCut;
  if (example.chunked) return facts;
  if (repeats_a_role(example.conversation)) facts.marks |= kRepeatedRole;
  const size_t kept = row.ids.size();
  for (const LearnedAnswer& answer : encoded.answers) {
    mark_length(answer, is_empty(example.conversation.messages[answer.message]), facts);
    const bool cut = answer.begin < kept && answer.end > kept;
    if (answer.begin >= kept)
      ++facts.lost_answers;
    else if (cut ? !ends_text(row.ids.back()) : !answer.ends)
      facts.marks |= kNoEnd;
  }
  if (facts.lost_answers > 0) facts.marks |= kLostAnswer;
  const size_t before = encoded.answers.empty() ? 0 : encoded.answers.back().begin;
  if (before < kept) facts.prompt_hash = hash_of_first(row.ids, before);
  return facts;
}

RowFacts Examiner::of_ids(const Row& row, int64_t lost) const {
  RowFacts facts;
  facts.lost_tokens = lost;
  if (begins_twice(row.ids)) facts.marks |= kTwoBegins;
  if (lost > 0) facts.marks |= kCut;
  std::vector<LearnedAnswer> stretches = learned_stretches(row);
  if (stretches.empty()) return facts;
  for (LearnedAnswer& stretch : stretches) {
    stretch.ends = ends_text(row.labels[stretch.end - 1]);
    mark_length(stretch, false, facts);
  }
  const LearnedAnswer& last = stretches.back();
  const bool whole = last.begin == 0 && last.end == row.labels.size();
  if (!last.ends) facts.marks |= whole ? kOpenText : kNoEnd;
  facts.prompt_hash = hash_of_first(row.ids, last.begin);
  return facts;
}

RowFacts Examiner::of_text(const Row& row) const {
  RowFacts facts;
  if (begins_twice(row.ids)) facts.marks |= kTwoBegins;
  return facts;
}

}  // namespace falconer
