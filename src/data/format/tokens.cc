#include "data/format/tokens.h"

#include "base/error.h"

namespace falconer {
namespace {

std::vector<int32_t> id_field(const RowObject& object, const char* key, int64_t vocab,
                              bool labels) {
  const RowObject& value = object[key];
  if (!value.is_array()) fail("\"{}\" is not a list of token ids", key);
  std::vector<int32_t> ids;
  ids.reserve(value.size());
  for (const RowObject& element : value) {
    if (!element.is_number_integer())
      fail("\"{}\" holds {}, which is no token id", key, kind_of(element));
    const int64_t id = element.get<int64_t>();
    const bool ignored = labels && id == kIgnoredLabel;
    if (!ignored && (id < 0 || id >= vocab))
      fail("\"{}\" holds {}, expected {}0 to {}", key, id, labels ? "-100 (ignored) or " : "",
           vocab - 1);
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

}  // namespace

ParsedRow parse_tokens(const RowObject& object, int64_t vocab) {
  if (!object.contains("input_ids")) fail("has no \"input_ids\"");
  Row row;
  row.ids = id_field(object, "input_ids", vocab, false);
  if (row.ids.empty()) fail("\"input_ids\" is empty");
  row.labels =
      find_field(object, "labels") != nullptr ? id_field(object, "labels", vocab, true) : row.ids;
  if (row.labels.size() != row.ids.size())
    fail("has {} labels for {} ids; expected as many of one as of the other", row.labels.size(),
         row.ids.size());
  return row;
}

}  // namespace falconer
