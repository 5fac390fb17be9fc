#include "api/measure/questions.h"

#include <algorithm>
#include <map>

#include "api/model/chat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/number.h"
#include "base/trim.h"
#include "data/raw_rows.h"
#include "data/report.h"

namespace falconer {
namespace {

Question question_of(const Conversation& conversation, bool stands) {
  Question made{.stands = stands};
  size_t count = conversation.messages.size();
  while (count > 0 && !conversation.messages[count - 1].is_assistant()) --count;
  if (count < 2 || conversation.messages[count - 1].content.empty())
    fail("expected an instruction, a prompt or messages, and an answer");
  made.chat = chat_of(conversation, count - 1);
  made.answer = conversation.messages[count - 1].content;
  return made;
}

// The last stretch of labelled tokens is the answer, what stands before it is the prompt.
Question question_of(const Row& row) {
  const auto labelled = [&](size_t i) { return row.labels[i] != kIgnoredLabel; };
  size_t end = row.ids.size();
  while (end > 0 && !labelled(end - 1)) --end;
  size_t begin = end;
  while (begin > 0 && labelled(begin - 1)) --begin;
  if (begin == end) fail("has no labelled tokens to expect as the answer");
  if (begin == 0) fail("has labels from its first token on, so that there is no prompt to ask");
  const auto at = [&](size_t i) { return row.ids.begin() + static_cast<int64_t>(i); };
  Question made;
  made.prompt = {at(0), at(begin)};
  made.expected = {at(begin), at(end)};
  return made;
}

constexpr const char* kOptionKeys[] = {"options", "choices", "endings"};

const RowObject* options_in(const RowObject& object) {
  for (const char* key : kOptionKeys)
    if (const RowObject* found = find_field(object, key)) return found;
  return nullptr;
}

std::vector<std::string> texts_in(const RowObject& list) {
  std::vector<std::string> texts;
  for (const RowObject& item : list) {
    if (!item.is_string()) fail("holds an option that is a {}; expected texts", kind_of(item));
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

size_t place_of(const std::string& text, const std::vector<std::string>& among) {
  return static_cast<size_t>(std::find(among.begin(), among.end(), text) - among.begin());
}

// `number`: the answer was no text, so that it is no option's.
size_t right_option(const Question& question, const std::vector<std::string>& labels, bool number) {
  const size_t count = question.options.size();
  const std::string answer(trimmed(question.answer));
  if (!number) {
    for (const auto& among : {question.options, labels})
      if (const size_t at = place_of(answer, among); at < std::min(among.size(), count)) return at;
    if (answer.size() == 1 && answer[0] >= 'A' && static_cast<size_t>(answer[0] - 'A') < count)
      return static_cast<size_t>(answer[0] - 'A');
  }
  const auto at = whole_of_text(answer);
  if (at && *at >= 0 && *at < static_cast<int64_t>(count)) return static_cast<size_t>(*at);
  fail(
      "its answer is \"{}\", and there are {} options; expected the text of one, its letter (A is "
      "the first) or its number from 0",
      printable(answer), count);
}

void take_options(const RowObject& object, bool number, Question& question) {
  const RowObject* found = options_in(object);
  if (found == nullptr) return;
  if (!question.prompt.empty())
    fail("has options beside token ids; give a prompt, an instruction or messages as text");
  RowObject parsed;
  if (found->is_string()) {
    parsed = RowObject::parse(found->get<std::string>(), nullptr, false);
    found = &parsed;
  }
  std::vector<std::string> labels;
  if (found->is_object() && found->contains("text") && (*found)["text"].is_array()) {
    if (found->contains("label")) labels = texts_in((*found)["label"]);
    question.options = texts_in((*found)["text"]);
  } else if (found->is_array()) {
    question.options = texts_in(*found);
  }
  if (question.options.size() < 2)
    fail("its options are no list of two texts or more, as [\"yes\", \"no\"]");
  question.right = right_option(question, labels, number);
  question.answer = question.options[question.right];
}

}  // namespace

std::vector<Question> read_questions(const std::string& path, const EvaluateOptions& options,
                                     FormatParser& parser) {
  const ReadAs as = read_as(options.delimiter, options.encoding);
  std::vector<Question> questions;
  read_raw_rows(
      path,
      [&](const nlohmann::ordered_json& object, int64_t) {
        const int64_t numbers = parser.json_answers();
        const auto parsed = parser.parse(object);
        const auto* row = std::get_if<Row>(&parsed);
        Question question = row != nullptr ? question_of(*row)
                                           : question_of(std::get<Example>(parsed).conversation,
                                                         parser.format()->stands);
        take_options(object, parser.json_answers() > numbers, question);
        if (!questions.empty() && questions.front().options.empty() != question.options.empty())
          fail("{} options, and the first row {}; put rows with options into a file of their own",
               question.options.empty() ? "has no" : "has",
               question.options.empty() ? "has some" : "has none");
        if (options.limit == 0 || std::ssize(questions) < options.limit)
          questions.push_back(std::move(question));
      },
      [&](int64_t line, const std::string& what) {
        fail("{}: {} {}: {}", path, counted_by(path, as), line, what);
      },
      as);
  if (questions.empty()) fail("{}: has no rows", path);
  return questions;
}

void tell_unread(const std::vector<Question>& questions, const EvaluateOptions& options,
                 const FormatParser& parser, const Model& model) {
  std::map<std::string, int64_t> unread = parser.unread();
  if (!questions.front().options.empty())
    for (const char* key : kOptionKeys) unread.erase(key);
  MessageKeys keys;
  for (const Question& question : questions)
    keys.add(extra_keys(question.chat, keys.read(), model, question.stands));
  keys.count_unread(parser.format()->key, unread);
  if (const std::string columns = parser.columns(); !columns.empty())
    log_info("{}: columns: {}", options.data, columns);
  if (unread.empty()) return;
  if (options.strict_columns) fail("{}: {}", options.data, strict_columns_text(unread));
  log_warning("{}: not read: {}", options.data, unread_text(unread));
}

}  // namespace falconer
