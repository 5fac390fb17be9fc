// falconer evaluate: answers beside what was expected.
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "api/common.h"
#include "api/data/read_rows.h"
#include "api/finetune/rank_run.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/chat.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/log.h"
#include "base/trim.h"
#include "data/formats.h"
#include "data/prepared.h"
#include "data/raw_rows.h"
#include "data/report.h"
#include "falconer/use.h"
#include "ops/devices.h"
#include "ranks/job.h"

namespace falconer {
namespace {

/// What is asked, and the last answer of a row, which is expected.
struct Question {
  Chat chat;                              // messages, or
  std::vector<int32_t> prompt, expected;  // token ids
  bool stands = false;                    // no prompt style is the row's
  std::string answer;                     // that is expected, of messages
};

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

std::vector<Question> read_questions(const std::string& path, const EvaluateOptions& options,
                                     FormatParser& parser) {
  const ReadAs as = read_as(options.delimiter, options.encoding);
  std::vector<Question> questions;
  read_raw_rows(
      path,
      [&](const nlohmann::ordered_json& object, int64_t) {
        const auto parsed = parser.parse(object);
        const auto* row = std::get_if<Row>(&parsed);
        Question question = row != nullptr ? question_of(*row)
                                           : question_of(std::get<Example>(parsed).conversation,
                                                         parser.format()->stands);
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

/// Columns, and of messages that are asked the keys, that no answer can depend on.
void tell_unread(const std::vector<Question>& questions, const EvaluateOptions& options,
                 const FormatParser& parser, const Model& model) {
  std::map<std::string, int64_t> unread = parser.unread();
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

std::vector<int32_t> prompt_of(const Question& question, const Model& model) {
  if (!question.prompt.empty()) return question.prompt;
  return model.encode_chat(question.chat, question.stands);
}

EvaluatedRow judged(const Question& question, const std::string& answer, const Model& model) {
  EvaluatedRow row;
  if (question.prompt.empty()) {
    const ChatMessage& asked = question.chat.messages.back();
    row = {asked.content, asked.input, question.answer};
  } else {
    row = {model.decode(question.prompt), "", model.decode(question.expected)};
  }
  row.expected = std::string(trimmed(row.expected));
  row.answer = std::string(trimmed(answer));
  row.exact = row.answer == row.expected;
  return row;
}

}  // namespace

EvaluateReport evaluate(const EvaluateOptions& options) {
  check_bounds(options);
  check_device_name(options.model.device);
  Ranks* const ranks = joined_ranks();
  EvaluateOptions mine = options;
  refuse_other_settings(ranks, settings_of(mine));
  constexpr int64_t kAnyId =
      std::numeric_limits<int32_t>::max();  // the model's own bound is tested
  FormatParser parser(find_data_format(options.data_format), kAnyId,
                      Columns::parse(options.columns));
  const std::string data = resolve_data(options.data);
  std::optional<ResultWriter> output;
  if (!options.output.empty() && is_first(ranks)) {
    OutputRule rule(options.overwrite);
    for (const std::string& input : {data, options.model.checkpoint, options.model.adapter})
      rule.reads(input);
    output.emplace(options.output, rule);
  }
  if (is_prepared(data)) {
    const auto tokenizer = find_tokenizer(resolve_checkpoint(options.model.checkpoint),
                                          resolve_adapter(options.model.adapter));
    check_prepared(data, tokenizer ? &*tokenizer : nullptr, options.model.checkpoint,
                   options.model.any_base);
  }
  const std::vector<Question> questions = read_questions(data, options, parser);
  Model model = Model::open(options.model);
  tell_unread(questions, options, parser, model);
  EvaluateReport report;
  const size_t together = static_cast<size_t>(options.batch_size) *
                          static_cast<size_t>(ranks == nullptr ? 1 : ranks->size());
  for (size_t begin = 0; begin < questions.size(); begin += together) {
    const size_t end = std::min(questions.size(), begin + together);
    std::vector<std::vector<int32_t>> prompts;
    for (size_t i = begin; i < end; ++i) prompts.push_back(prompt_of(questions[i], model));
    SamplingSettings sampling = options.sampling;
    sampling.num_return_sequences = 1;
    sampling.first_prompt = static_cast<uint32_t>(begin);
    const auto completions = model.generate(prompts, sampling);
    for (size_t i = begin; i < end; ++i) {
      report.rows.push_back(judged(questions[i], completions[i - begin].text, model));
      report.exact += report.rows.back().exact;
    }
  }
  if (!output) return report;
  for (const EvaluatedRow& row : report.rows)
    output->write({{"instruction", row.instruction},
                   {"input", row.input},
                   {"expected", row.expected},
                   {"answer", row.answer},
                   {"exact", row.exact}});
  output->commit();
  return report;
}

}  // namespace falconer
