// Rows are read with the same settings as finetune reads them with, and what of them is not read is named.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/file.h"
#include "falconer/settings.h"
#include "falconer/use.h"
#include "support/adapter_file.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/said.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

class Evaluate : public testing::Test {
 protected:
  /// What is asked and expected of the first row; `said_` is what the log says.
  EvaluatedRow first(const std::string& name, const std::string& content) {
    write_file(folder_ / name, content);
    options_.data = (folder_ / name).string();
    EvaluateReport report;
    said_ = log_and_error(LogLevel::kInfo, [&] { report = evaluate(options_); });
    return report.models.empty() ? EvaluatedRow() : report.models.front().rows.front();
  }
  std::string write(const std::string& name, const std::string& content) {
    write_file(folder_ / name, content);
    return (folder_ / name).string();
  }
  /// A LoRA for the checkpoint with random numbers.
  std::string adapter(const std::string& name, int alpha) {
    AdapterFile file;
    file.config = {{"peft_type", "LORA"},
                   {"r", 2},
                   {"lora_alpha", alpha},
                   {"target_modules", {"query_key_value"}}};
    for (int64_t i = 0; i < 4; ++i)
      file.add_lora("transformer.h." + std::to_string(i) + ".self_attention.query_key_value", 320,
                    192, 2);
    return file.write(folder_ / name);
  }

  TempFolder folder_;
  EvaluateOptions options_{.model = {.checkpoint = std::string(source_dir()) + "/demo/checkpoint",
                                     .prompt_style = "falcon"},
                           .data = {},
                           .data_format = {},
                           .columns = {},
                           .delimiter = {},
                           .encoding = {},
                           .output = {},
                           .sampling = {.max_new_tokens = 1, .temperature = 0}};
  std::string said_;
};

TEST_F(Evaluate, ColumnsDelimiterAndEncodingAreThoseOfFinetune) {
  std::vector<std::string> names;
  for (const Setting& setting : settings_of(options_)) names.push_back(setting.name);
  for (const char* name : {"data-format", "columns", "strict-columns", "delimiter", "encoding"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
  set(options_, "columns", "instruction=Frage,output=Antwort");
  set(options_, "delimiter", ";");
  set(options_, "encoding", "latin1");
  const EvaluatedRow row =
      first("rows.csv", "Frage;Antwort;Quelle\nWas ist \xFC?;Ein Laut.;Heft 3\n");
  EXPECT_EQ(row.instruction, "Was ist \u00FC?");
  EXPECT_EQ(row.expected, "Ein Laut.");
  expect_mentions(said_,
                  {"columns: instruction=Frage, output=Antwort", "not read: \"Quelle\" (1 row)"});
  set(options_, "strict-columns", "true");
  first("rows.csv", "Frage;Antwort;Quelle\na;b;c\n");
  expect_mentions(said_, {"rows.csv: nothing reads \"Quelle\" (1 row)"});
  set(options_, "columns", "instruction=Gone");
  first("rows.csv", "Frage;Antwort\na;b\n");
  expect_mentions(said_, {"\"Gone\"", "the first row does not have"});
  for (const auto& [name, value] :
       {std::pair("encoding", "klingon"), {"delimiter", ";;"}, {"data-format", "alpacca"}}) {
    EvaluateOptions wrong = options_;
    const auto ask = [&, n = name, v = value] {
      set(wrong, n, v);
      evaluate(wrong);
    };
    EXPECT_NE(message_of(ask), "") << name;
  }
}

TEST_F(Evaluate, KeysOfMessagesThatAreNotAskedAreNamed) {
  const EvaluatedRow row = first(
      "rows.jsonl",
      R"({"chat":[{"role":"user","content":"a","name":"Ann"},{"role":"assistant","content":"So."}]})");
  EXPECT_EQ(row.expected, "So.");
  expect_mentions(said_, {"columns: messages=chat", "not read: \"messages.name\" (1 row)"});
  first("rows.jsonl", R"({"instruction":"a","output":"b"})");
  EXPECT_EQ(said_, "");
  options_.data = "-";
  expect_mentions(message_of([&] { evaluate(options_); }), {"standard input"});
  options_.data = folder_.path().string();
  expect_mentions(message_of([&] { evaluate(options_); }), {"is a folder"});
}

TEST_F(Evaluate, TheMostLikelyOptionIsTheAnswer) {
  options_.model.prompt_style = "raw";
  options_.data = write("rows.jsonl",
                        R"({"question":"In winter:","choices":[" A young"," zzz zzz qq"],"answer":0}
{"question":"In winter:","choices":["2","1"," The young"],"answer":2}
{"question":"In winter:","choices":["2","1"],"answer":"1"}
{"question":"In winter:","choices":{"text":["x","y"],"label":["1","2"]},"answer":"2"}
{"question":"In winter:","options":"[\"x\",\"y\"]","answer":"B"}
)");
  const EvaluateReport report = evaluate(options_);
  EXPECT_EQ(report.metrics, (std::vector<std::string>{"acc", "acc_norm"}));
  const std::vector<EvaluatedRow>& rows = report.models.front().rows;
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[0].answer, "A young");
  EXPECT_TRUE(rows[0].exact);
  EXPECT_EQ(rows[1].expected, "The young");  // a number is a place
  EXPECT_EQ(rows[2].expected, "1");          // and a text an option
  EXPECT_EQ(rows[3].expected, "y");
  EXPECT_EQ(rows[4].expected, "y");
  // The same numbers from the logits of prompt and option.
  Model model = Model::open(options_.model);
  const std::vector<int32_t> prompt = model.encode_prompt("In winter:", "", true);
  std::vector<int32_t> ids = prompt;
  const std::vector<int32_t> option = model.encode_prompt(" A young", "", true);
  ids.insert(ids.end(), option.begin(), option.end());
  const std::vector<float> logits = model.logits(ids);
  double sum = 0;
  for (size_t i = prompt.size(); i < ids.size(); ++i) {
    const float* row = logits.data() + static_cast<int64_t>(i - 1) * model.vocab();
    double all = 0;
    for (int64_t k = 0; k < model.vocab(); ++k) all += std::exp(static_cast<double>(row[k]));
    sum += row[ids[i]] - std::log(all);
  }
  EXPECT_NEAR(rows[0].logprobs[0], sum, 1e-3 * std::abs(sum));
  EXPECT_EQ(report.models.front().estimates[0].mean, report.models.front().exact / 5.0);
}

TEST_F(Evaluate, RowsWhoseOptionsCannotBeRankedAreNamed) {
  for (const auto& [rows, said] :
       {std::pair(R"({"question":"a","choices":["x","y"],"answer":"z"})", "there are 2 options"),
        {R"({"question":"a","choices":["x","y"],"answer":2})", "number from 0"},
        {R"({"question":"a","choices":["x"],"answer":"x"})", "no list of two texts"},
        {R"({"question":"a","choices":[1,2],"answer":1})", "expected texts"},
        {"{\"question\":\"a\",\"choices\":[\"x\",\"y\"],\"answer\":\"x\"}\n"
         "{\"question\":\"a\",\"answer\":\"x\"}",
         "file of their own"}}) {
    options_.data = write("rows.jsonl", rows);
    expect_mentions(message_of([&] { evaluate(options_); }), {"line ", said});
  }
}

TEST_F(Evaluate, AdaptersBaseAndOtherModelsAreMeasuredBesideEachOther) {
  options_.data = write("rows.jsonl",
                        "{\"instruction\":\"Where is the owl?\",\"output\":\"Near.\"}\n"
                        "{\"instruction\":\"Who?\",\"output\":\"The owl\"}\n");
  options_.sampling.max_new_tokens = 6;
  options_.output = (folder_ / "answers.jsonl").string();
  options_.base = true;
  options_.adapters = {adapter("run/final", 8), "other=" + adapter("b", 64)};
  options_.also = {"again=" + options_.model.checkpoint};
  const EvaluateReport report = evaluate(options_);
  std::vector<std::string> names;
  for (const EvaluatedModel& model : report.models) names.push_back(model.name);
  EXPECT_EQ(names, (std::vector<std::string>{"base", "run", "other", "again"}));
  const auto answers = [](const EvaluatedModel& model) {
    std::vector<std::string> all;
    for (const EvaluatedRow& row : model.rows) all.push_back(row.answer);
    return all;
  };
  // Each answers as it does alone.
  for (size_t i = 0; i < 3; ++i) {
    EvaluateOptions alone = options_;
    alone.output.clear();
    alone.base = false;
    alone.also.clear();
    alone.adapters.clear();
    if (i > 0) alone.adapters = {options_.adapters[i - 1]};
    EXPECT_EQ(answers(evaluate(alone).models.front()), answers(report.models[i])) << names[i];
  }
  EXPECT_NE(answers(report.models[0]), answers(report.models[2]));
  EXPECT_EQ(answers(report.models[0]), answers(report.models[3]));
  EXPECT_TRUE(report.models[0].differences.empty());
  ASSERT_EQ(report.models[3].differences.size(), 3u);
  EXPECT_EQ(report.models[3].differences[1].high, 0);  // of the same answers
  expect_mentions(read_text_file(options_.output), {"\"model\":\"other\"", "\"rouge_l\":"});
  options_.also = {"base=" + options_.model.checkpoint};
  expect_mentions(message_of([&] { evaluate(options_); }), {"two models are named base"});
  options_.also = {"=x"};
  expect_mentions(message_of([&] { evaluate(options_); }), {"also", "NAME=PATH"});
}

TEST_F(Evaluate, PerplexityIsOfTheWholeTextInWindows) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "In winter: A young red fox sings near the lake. ";
  options_.perplexity = write("text.txt", text);
  options_.window = 64;
  options_.stride = 24;
  options_.base = true;
  options_.adapters = {adapter("b", 64)};
  const EvaluateReport report = evaluate(options_);
  EXPECT_TRUE(report.metrics.empty());
  const TextPerplexity of = report.models.at(0).perplexity.value();
  EXPECT_NE(of.loss, report.models.at(1).perplexity.value().loss);
  // As the guide of transformers does it, token by token.
  Model model = Model::open(options_.model);
  const std::vector<int32_t> ids = model.encode_prompt(text, "", true);
  double sum = 0;
  int64_t count = 0;
  for (size_t begin = 0, seen = 0; seen < ids.size(); begin += 24) {
    const size_t end = std::min(begin + 64, ids.size());
    const auto row = [&](size_t i) { return ids.begin() + static_cast<int64_t>(i); };
    const std::vector<float> logprobs = model.logprobs({{row(begin), row(end)}}).front();
    for (size_t i = std::max(seen, begin + 1); i < end; ++i, ++count)
      sum -= logprobs[i - begin - 1];
    seen = end;
  }
  EXPECT_EQ(of.predicted, count);
  EXPECT_EQ(of.tokens, count + 1);
  EXPECT_EQ(of.bytes, static_cast<int64_t>(text.size()));
  EXPECT_NEAR(of.loss, sum / static_cast<double>(count), 1e-5);
  EXPECT_NEAR(of.perplexity, std::exp(of.loss), 1e-9);
  EXPECT_NEAR(
      of.bits_per_byte,
      of.loss * static_cast<double>(of.tokens) / static_cast<double>(of.bytes) / std::log(2), 1e-9);
}

TEST_F(Evaluate, PerplexityRefusesWhatItCannotMeasure) {
  const auto says = [&](const std::string& text, int64_t window, int64_t stride) {
    options_.perplexity = write("text.txt", text);
    options_.window = window;
    options_.stride = stride;
    return message_of([&] { evaluate(options_); });
  };
  expect_mentions(says("a young fox", 257, 0), {"257", "256"});
  expect_mentions(says("a young fox", 8, 9), {"stride", "9", "8"});
  expect_mentions(says("a young fox", 1, 0), {"window", "2 tokens"});
  expect_mentions(says("", 0, 0), {"text.txt", "0 tokens"});
  expect_mentions(says("so \xFF so", 0, 0), {"byte 4", "UTF-8"});
  options_.perplexity.clear();
  expect_mentions(message_of([&] { evaluate(options_); }), {"data", "perplexity"});
}

TEST_F(Evaluate, TheChatTemplateIsOnOrOff) {
  options_.data = write("rows.jsonl", R"({"instruction":"Who?","output":"The owl"})");
  options_.model.prompt_style.clear();
  options_.chat_template = "off";
  const EvaluateReport off = evaluate(options_);
  options_.chat_template.clear();
  options_.model.prompt_style = "raw";
  EXPECT_EQ(off.models[0].rows[0].answer, evaluate(options_).models[0].rows[0].answer);
  options_.chat_template = "on";
  expect_mentions(message_of([&] { evaluate(options_); }), {"contradict"});
  options_.model.prompt_style.clear();
  expect_mentions(message_of([&] { evaluate(options_); }), {"chat"});  // it has no template
}

}  // namespace
}  // namespace falconer::test
