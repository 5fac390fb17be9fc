#include "data/row_delivery.h"

#include "base/error.h"
#include "base/json_file.h"

namespace falconer {

bool is_list_of_messages(const nlohmann::ordered_json& json) {
  if (!json.is_array() || json.empty()) return false;
  const nlohmann::ordered_json& first = json[0];
  const auto is_text = [&](const char* key) {
    const auto found = first.find(key);
    return found != first.end() && found->is_string();
  };
  return first.is_object() && (is_text("role") || is_text("from"));
}

bool is_list_of_turns(const nlohmann::ordered_json& json) { return json[0].contains("from"); }

void deliver_row(const nlohmann::ordered_json& object, int64_t line, const OnRawRow& row,
                 const OnBadRow& bad) {
  if (is_list_of_messages(object))
    return deliver_row({{is_list_of_turns(object) ? "conversations" : "messages", object}}, line,
                       row, bad);
  if (!object.is_object()) return bad(line, "is not a JSON object");
  try {
    row(object, line);
  } catch (const RowError&) {  // of an earlier row, which waited
    throw;
  } catch (const Error& error) {
    if (error.exit_code() == kExitUsage) throw;  // a flag is wrong, and not the row
    bad(line, error.what());
  } catch (const nlohmann::json::exception& error) {
    bad(line, json_reason(error));
  }
}

}  // namespace falconer
