#include "data/row_delivery.h"

#include "base/error.h"
#include "base/json_file.h"

namespace falconer {

void deliver_row(const nlohmann::ordered_json& object, int64_t line, const OnRawRow& row,
                 const OnBadRow& bad) {
  if (!object.is_object()) return bad(line, "is not a JSON object");
  try {
    row(object, line);
  } catch (const Error& error) {
    if (error.exit_code() == kExitUsage) throw;  // a flag is wrong, and not the row
    bad(line, error.what());
  } catch (const nlohmann::json::exception& error) {
    bad(line, json_reason(error));
  }
}

}  // namespace falconer
