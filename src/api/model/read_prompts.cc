// Prompts from a file of rows.
#include <algorithm>
#include <map>
#include <set>

#include "api/data/read_rows.h"
#include "api/model/chat.h"
#include "base/error.h"
#include "base/json_number.h"
#include "base/log.h"
#include "data/format/messages.h"
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
                                   Unread& unread, MessageKeys& keys) {
  const JsonFields fields(row, "");
  if (fields.find("prompt_ids") != nullptr) {
    const std::vector<int64_t> ids = fields.wholes("prompt_ids", {0, INT32_MAX});
    count_unread(row, {"prompt_ids"}, unread);
    return {ids.begin(), ids.end()};
  }
  if (fields.find("messages") != nullptr) {
    count_unread(row, {"messages", "system", "system_prompt", "tools"}, unread);
    RowContext context;
    const ParsedRow parsed = parse_messages(row, context);
    const Conversation& conversation = std::get<Example>(parsed).conversation;
    const Chat chat = chat_of(conversation, conversation.messages.size());
    for (const std::string& name : std::set(context.unread.begin(), context.unread.end()))
      ++unread[name];
    keys.add(extra_keys(chat, keys.read(), model, raw));
    return model.encode_chat(chat, raw);
  }
  if (fields.find({"instruction", "prompt"}) == nullptr)
    fail("has none of \"prompt\", \"instruction\", \"messages\" and \"prompt_ids\"");
  const char* key = fields.find("instruction") != nullptr ? "instruction" : "prompt";
  count_unread(row, {key, "input", "output", "completion"}, unread);
  return model.encode_prompt(fields.required_text(key), fields.text("input").value_or(""), raw);
}

}  // namespace

std::vector<std::vector<int32_t>> read_prompts(const std::string& path, const Model& model,
                                               bool raw) {
  std::vector<std::vector<int32_t>> all;
  Unread unread;
  MessageKeys keys;
  for_each_json_line(path, [&](const nlohmann::ordered_json& row, int64_t) {
    all.push_back(prompt_of_row(row, model, raw, unread, keys));
  });
  if (all.empty()) fail("{}: holds no prompts; expected rows {{\"prompt\"}}", path);
  keys.count_unread("messages", unread);
  if (!unread.empty()) log_warning("{}: not asked: {}", path, unread_text(unread));
  return all;
}

}  // namespace falconer
