// Prompts from a file of rows.
#include <algorithm>
#include <map>

#include "api/data/read_rows.h"
#include "base/error.h"
#include "base/json_number.h"
#include "base/log.h"
#include "data/format/fields.h"
#include "data/report.h"
#include "falconer/use.h"

namespace falconer {
namespace {

/// Keys that nothing of a prompt comes from, and in how many rows they are.
using Unread = std::map<std::string, int64_t>;

void count_unread(const nlohmann::ordered_json& row, std::initializer_list<std::string_view> read,
                  Unread& unread) {
  for (const auto& [key, value] : row.items())
    if (!says_nothing(value) && std::find(read.begin(), read.end(), key) == read.end())
      ++unread[key];
}

std::vector<int32_t> prompt_of_row(const nlohmann::ordered_json& row, const Model& model, bool raw,
                                   Unread& unread) {
  const JsonFields fields(row, "");
  if (fields.find("prompt_ids") != nullptr) {
    const std::vector<int64_t> ids = fields.wholes("prompt_ids", {0, INT32_MAX});
    count_unread(row, {"prompt_ids"}, unread);
    return {ids.begin(), ids.end()};
  }
  if (fields.find("messages") != nullptr) {
    count_unread(row, {"messages", "tools"}, unread);
    return model.encode_chat(parse_chat(row.dump()), raw);
  }
  const char* key = fields.find("instruction") != nullptr ? "instruction" : "prompt";
  count_unread(row, {key, "input", "output", "completion"}, unread);
  return model.encode_prompt(fields.required_text(key), fields.text("input").value_or(""), raw);
}

}  // namespace

std::vector<std::vector<int32_t>> read_prompts(const std::string& path, const Model& model,
                                               bool raw) {
  std::vector<std::vector<int32_t>> all;
  Unread unread;
  for_each_json_line(path, [&](const nlohmann::ordered_json& row, int64_t) {
    all.push_back(prompt_of_row(row, model, raw, unread));
  });
  if (all.empty()) fail("{}: holds no prompts; expected rows {{\"prompt\"}}", path);
  if (!unread.empty()) log_warning("{}: not asked: {}", path, unread_text(unread));
  return all;
}

}  // namespace falconer
