// falconer evaluate: answers beside what was expected, and the perplexity of a text.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "api/common.h"
#include "api/data/read_rows.h"
#include "api/finetune/rank_run.h"
#include "api/measure/answer_metrics.h"
#include "api/measure/bootstrap.h"
#include "api/measure/evaluate_tables.h"
#include "api/measure/perplexity.h"
#include "api/measure/questions.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/spelling.h"
#include "base/trim.h"
#include "data/prepared.h"
#include "falconer/use.h"
#include "ops/devices.h"
#include "ranks/job.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// A model that is asked: a checkpoint, with an adapter or without.
struct Asked {
  std::string name, checkpoint, adapter;
};

/// PATH or NAME=PATH. Without a name it is the folder's, of a run's "final" or "best" the run's.
Asked named(const std::string& flag, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || text.empty() || equals + 1 == text.size())
    fail_usage("{} is \"{}\"; expected PATH or NAME=PATH, such as mine=out/lora", flag,
               printable(text));
  std::error_code ignored;
  if (equals != std::string::npos && !fs::exists(text, ignored))
    return {text.substr(0, equals), "", text.substr(equals + 1)};
  fs::path path = fs::path(text).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string last = path.filename().string();
  if ((last == "final" || last == "best") && path.parent_path().has_filename())
    path = path.parent_path();
  return {path.filename().string(), "", text};
}

std::vector<Asked> models_of(const EvaluateOptions& o) {
  constexpr const char* kBase = "base";
  std::vector<Asked> all;
  std::vector<std::string> adapters = o.adapters;
  if (!o.model.adapter.empty()) adapters.insert(adapters.begin(), o.model.adapter);
  if (o.base || adapters.empty()) all.push_back({kBase, o.model.checkpoint, ""});
  for (const std::string& text : adapters) {
    all.push_back(named(spelled("--adapter"), text));
    all.back().checkpoint = o.model.checkpoint;
  }
  for (const std::string& text : o.also) {
    Asked other = named(spelled("--also"), text);
    other.checkpoint = std::move(other.adapter);
    other.adapter.clear();
    // What merging an adapter of v2 leaves belongs to the model.
    std::error_code ignored;
    if (const fs::path rest = fs::path(other.checkpoint) / "rest";
        fs::exists(rest / "adapter_config.json", ignored))
      other.adapter = rest.string();
    all.push_back(std::move(other));
  }
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (all[i].name == all[k].name)
        fail_usage("two models are named {}; give one another name, as --adapter other=PATH",
                   printable(all[i].name));
  return all;
}

ModelOptions options_for(const EvaluateOptions& o, const Asked& asked, bool with_adapter) {
  ModelOptions made = o.model;
  made.checkpoint = asked.checkpoint;
  made.adapter = with_adapter ? asked.adapter : "";
  if (o.chat_template.empty()) return made;
  if (o.chat_template != "on" && o.chat_template != "off")
    fail_choice("--chat-template", o.chat_template, {"on", "off"});
  const std::string style = o.chat_template == "on" ? "chat" : "raw";
  if (!made.prompt_style.empty() && made.prompt_style != style)
    fail_usage("--chat-template {} and --prompt-style {} contradict each other; give one of them",
               o.chat_template, made.prompt_style);
  made.prompt_style = style;
  return made;
}

/// The models one after the other. A checkpoint that several adapters stand on is read once.
class Models {
 public:
  Models(const EvaluateOptions& options, std::vector<Asked> all)
      : options_(options), all_(std::move(all)) {}

  const std::vector<Asked>& all() const { return all_; }

  Model& open(size_t i) {
    const Asked& asked = all_[i];
    if (!model_ || opened_ != asked.checkpoint) {
      model_.reset();  // before there is another one
      const bool alone = std::count_if(all_.begin(), all_.end(), [&](const Asked& other) {
                           return other.checkpoint == asked.checkpoint;
                         }) == 1;
      model_ = Model::open(options_for(options_, asked, alone));
      opened_ = asked.checkpoint;
      if (alone) return *model_;
    }
    const std::string before = model_->adapter();
    if (asked.adapter.empty()) {
      model_->set_adapter("");
    } else {
      model_->load_adapter(asked.name, asked.adapter);
      model_->set_adapter(asked.name);
    }
    if (!before.empty()) model_->unload_adapter(before);
    return *model_;
  }

 private:
  const EvaluateOptions& options_;
  std::vector<Asked> all_;
  std::optional<Model> model_;
  std::string opened_;  // its checkpoint
};

std::vector<int32_t> prompt_of(const Question& question, const Model& model) {
  if (!question.prompt.empty()) return question.prompt;
  return model.encode_chat(question.chat, question.stands);
}

EvaluatedRow row_of(const Question& question, const Model& model) {
  EvaluatedRow row;
  if (question.prompt.empty()) {
    const ChatMessage& asked = question.chat.messages.back();
    row.instruction = asked.content;
    row.input = asked.input;
    row.expected = question.answer;
  } else {
    row.instruction = model.decode(question.prompt);
    row.expected = model.decode(question.expected);
  }
  row.expected = std::string(trimmed(row.expected));
  return row;
}

EvaluatedRow judged(const Question& question, const std::string& answer, const Model& model) {
  EvaluatedRow row = row_of(question, model);
  row.answer = std::string(trimmed(answer));
  row.exact = row.answer == row.expected;
  row.scores = {row.exact ? 1.0 : 0.0, token_f1(row.answer, row.expected),
                rouge_l(row.answer, row.expected)};
  return row;
}

using Questions = std::span<const Question>;

std::vector<EvaluatedRow> answered(Questions questions, uint32_t first, const SamplingSettings& s,
                                   Model& model) {
  std::vector<std::vector<int32_t>> prompts;
  for (const Question& question : questions) prompts.push_back(prompt_of(question, model));
  SamplingSettings sampling = s;
  sampling.num_return_sequences = 1;
  sampling.first_prompt = first;
  const auto completions = model.generate(prompts, sampling);
  std::vector<EvaluatedRow> rows;
  for (size_t i = 0; i < questions.size(); ++i)
    rows.push_back(judged(questions[i], completions[i].text, model));
  return rows;
}

/// The most likely option is the answer.
std::vector<EvaluatedRow> ranked(Questions questions, uint32_t first, Model& model) {
  std::vector<std::vector<int32_t>> ids;
  std::vector<size_t> begins;  // of the option, by row of ids
  for (const Question& question : questions) {
    Chat chat = question.chat;
    chat.messages.push_back({.role = "assistant", .content = {}, .input = {}, .more = {}});
    for (const std::string& option : question.options) {
      chat.messages.back().content = option;
      ids.push_back(model.encode_answered(chat, question.stands, begins.emplace_back()));
      if (begins.back() == 0 || begins.back() == ids.back().size() ||
          std::ssize(ids.back()) > model.context())
        fail(
            "row {}: its option \"{}\" has {} tokens behind {} of the prompt, and the context is "
            "{}",
            first + static_cast<size_t>(&question - questions.data()) + 1, printable(option),
            ids.back().size() - begins.back(), begins.back(), model.context());
    }
  }
  const auto logprobs = model.logprobs(ids);
  std::vector<EvaluatedRow> rows;
  size_t at = 0;
  for (const Question& question : questions) {
    EvaluatedRow row = row_of(question, model);
    row.options = question.options;
    std::vector<double> by_length;
    for (const std::string& option : question.options) {
      double sum = 0;
      for (size_t i = begins[at] - 1; i < logprobs[at].size(); ++i) sum += logprobs[at][i];
      ++at;
      row.logprobs.push_back(sum);
      by_length.push_back(sum / static_cast<double>(std::max<size_t>(1, characters_of(option))));
    }
    const auto best = [](const std::vector<double>& of) {
      return static_cast<size_t>(std::max_element(of.begin(), of.end()) - of.begin());
    };
    row.answer = std::string(trimmed(question.options[best(row.logprobs)]));
    row.exact = best(row.logprobs) == question.right;
    row.scores = {row.exact ? 1.0 : 0.0, best(by_length) == question.right ? 1.0 : 0.0};
    rows.push_back(std::move(row));
  }
  return rows;
}

void ask(const std::vector<Question>& questions, const EvaluateOptions& o, size_t together,
         Model& model, EvaluatedModel& made) {
  for (size_t begin = 0; begin < questions.size(); begin += together) {
    const Questions part(questions.data() + begin, std::min(together, questions.size() - begin));
    const auto first = static_cast<uint32_t>(begin);
    for (EvaluatedRow& row : part.front().options.empty() ? answered(part, first, o.sampling, model)
                                                          : ranked(part, first, model)) {
      made.exact += row.exact;
      made.rows.push_back(std::move(row));
    }
  }
}

void estimate(EvaluateReport& report, uint64_t seed) {
  for (size_t metric = 0; metric < report.metrics.size(); ++metric)
    for (EvaluatedModel& model : report.models) {
      std::vector<double> values, differences;
      for (size_t i = 0; i < model.rows.size(); ++i) {
        values.push_back(model.rows[i].scores[metric]);
        differences.push_back(values[i] - report.models.front().rows[i].scores[metric]);
      }
      model.estimates.push_back(bootstrap(values, seed));
      if (&model != &report.models.front())
        model.differences.push_back(bootstrap(differences, seed));
    }
}

void write_rows(const EvaluateReport& report, ResultWriter& output) {
  for (const EvaluatedModel& model : report.models)
    for (const EvaluatedRow& row : model.rows) {
      nlohmann::ordered_json json;
      if (report.models.size() > 1) json["model"] = model.name;
      json["instruction"] = row.instruction;
      json["input"] = row.input;
      json["expected"] = row.expected;
      json["answer"] = row.answer;
      json["exact"] = row.exact;
      for (size_t i = 0; i < report.metrics.size(); ++i)
        if (report.metrics[i] != "exact") json[report.metrics[i]] = row.scores[i];
      if (!row.options.empty()) {
        json["options"] = row.options;
        json["logprobs"] = row.logprobs;
      }
      output.write(json);
    }
  output.commit();
}

void check_rows_are_of(const std::string& data, const Asked& asked, bool any_base) {
  const auto tokenizer =
      find_tokenizer(resolve_checkpoint(asked.checkpoint), resolve_adapter(asked.adapter));
  check_prepared(data, tokenizer ? &*tokenizer : nullptr, asked.checkpoint, any_base);
}

}  // namespace

EvaluateReport evaluate(const EvaluateOptions& options) {
  check_bounds(options);
  check_device_name(options.model.device);
  Ranks* const ranks = joined_ranks();
  EvaluateOptions mine = options;
  refuse_other_settings(ranks, settings_of(mine));
  if (options.data.empty() && options.perplexity.empty())
    fail_usage("there is nothing to measure: give --data rows, or --perplexity a text");
  Models models(options, models_of(options));
  const std::string data = options.data.empty() ? "" : resolve_data(options.data);
  std::optional<ResultWriter> output;
  if (!options.output.empty() && data.empty())
    fail_usage("--output is for the answers to --data, which is not given");
  if (!options.output.empty() && is_first(ranks)) {
    OutputRule rule(options.overwrite);
    rule.reads(data);
    rule.reads(options.perplexity);
    for (const Asked& asked : models.all()) {
      rule.reads(asked.checkpoint);
      rule.reads(asked.adapter);
    }
    output.emplace(options.output, rule);
  }
  if (!data.empty() && is_prepared(data))
    for (const Asked& asked : models.all()) check_rows_are_of(data, asked, options.model.any_base);
  constexpr int64_t kAnyId =
      std::numeric_limits<int32_t>::max();  // the model's own bound is tested
  FormatParser parser(find_data_format(options.data_format), kAnyId,
                      Columns::parse(options.columns));
  std::vector<Question> questions;
  if (!data.empty()) questions = read_questions(data, options, parser);
  EvaluateReport report;
  if (!questions.empty())
    report.metrics = questions.front().options.empty()
                         ? std::vector<std::string>{"exact", "f1", "rouge_l"}
                         : std::vector<std::string>{"acc", "acc_norm"};
  const size_t together = static_cast<size_t>(options.batch_size) *
                          static_cast<size_t>(ranks == nullptr ? 1 : ranks->size());
  for (size_t i = 0; i < models.all().size(); ++i) {
    Model& model = models.open(i);
    if (models.all().size() > 1) log_info("measuring {}", models.all()[i].name);
    if (i == 0 && !questions.empty()) tell_unread(questions, options, parser, model);
    EvaluatedModel& made = report.models.emplace_back();
    made.name = models.all()[i].name;
    ask(questions, options, together, model, made);
    if (!options.perplexity.empty())
      made.perplexity = perplexity_of(model, options.perplexity, options.window, options.stride);
  }
  estimate(report, options.sampling.seed);
  report.text = tables_of(report);
  if (output) write_rows(report, *output);
  return report;
}

}  // namespace falconer
