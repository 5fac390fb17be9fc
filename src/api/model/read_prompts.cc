// Prompts from a file of rows.
#include "api/data/read_rows.h"
#include "base/error.h"
#include "base/json_number.h"
#include "falconer/use.h"

namespace falconer {
namespace {

std::vector<int32_t> prompt_of_row(const nlohmann::ordered_json& row, const Model& model,
                                   bool raw) {
  const JsonFields fields(row, "");
  if (fields.find("prompt_ids") != nullptr) {
    const std::vector<int64_t> ids = fields.wholes("prompt_ids", {0, INT32_MAX});
    return {ids.begin(), ids.end()};
  }
  if (fields.find("messages") != nullptr) return model.encode_chat(parse_chat(row.dump()), raw);
  const char* key = fields.find("instruction") != nullptr ? "instruction" : "prompt";
  return model.encode_prompt(fields.required_text(key), fields.text("input").value_or(""), raw);
}

}  // namespace

std::vector<std::vector<int32_t>> read_prompts(const std::string& path, const Model& model,
                                               bool raw) {
  std::vector<std::vector<int32_t>> all;
  for_each_json_line(path, [&](const nlohmann::ordered_json& row, int64_t) {
    all.push_back(prompt_of_row(row, model, raw));
  });
  if (all.empty()) fail("{}: holds no prompts; expected rows {{\"prompt\"}}", path);
  return all;
}

}  // namespace falconer
