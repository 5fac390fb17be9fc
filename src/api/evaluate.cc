// falconer evaluate: answers beside what was expected.
#include <nlohmann/json.hpp>

#include "api/read_rows.h"
#include "base/error.h"
#include "data/formats.h"
#include "data/raw_rows.h"
#include "falconer/falconer.h"

namespace falconer {
namespace {

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<Example> read_examples(const std::string& path, int64_t limit) {
  std::vector<Example> examples;
  read_raw_rows(
      path,
      [&](const nlohmann::json& object, int64_t line) {
        auto parsed = parse_row(object, 0);
        auto* example = std::get_if<Example>(&parsed);
        if (example == nullptr || example->output.empty())
          fail("expected an instruction or a prompt, and an answer");
        example->line = line;
        if (limit == 0 || static_cast<int64_t>(examples.size()) < limit)
          examples.push_back(std::move(*example));
      },
      [&](int64_t line, const std::string& what) { fail("{}: line {}: {}", path, line, what); });
  if (examples.empty()) fail("{}: has no rows", path);
  return examples;
}

}  // namespace

EvaluateReport evaluate(const EvaluateOptions& options) {
  if (options.batch_size < 1)
    fail_usage("--batch-size is {}, expected 1 or more", options.batch_size);
  const std::vector<Example> examples = read_examples(options.data, options.limit);
  Model model = Model::open(options.model);
  EvaluateReport report;
  for (size_t begin = 0; begin < examples.size();
       begin += static_cast<size_t>(options.batch_size)) {
    const size_t end = std::min(examples.size(), begin + static_cast<size_t>(options.batch_size));
    std::vector<std::vector<int32_t>> prompts;
    for (size_t i = begin; i < end; ++i)
      prompts.push_back(
          model.encode_prompt(examples[i].instruction, examples[i].input, examples[i].rendered));
    const auto completions = model.generate(prompts, options.sampling);
    for (size_t i = begin; i < end; ++i) {
      EvaluatedRow row{examples[i].instruction, examples[i].input, trimmed(examples[i].output),
                       trimmed(completions[i - begin].text)};
      row.exact = row.answer == row.expected;
      report.exact += row.exact;
      report.rows.push_back(std::move(row));
    }
  }
  if (options.output.empty()) return report;
  ResultWriter output(options.output);
  for (const EvaluatedRow& row : report.rows)
    output.write({{"instruction", row.instruction},
                  {"input", row.input},
                  {"expected", row.expected},
                  {"answer", row.answer},
                  {"exact", row.exact}});
  output.commit();
  return report;
}

}  // namespace falconer
