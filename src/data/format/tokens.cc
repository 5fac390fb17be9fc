#include "data/format/tokens.h"

#include "base/error.h"
#include "base/json_number.h"

namespace falconer {

std::vector<int32_t> read_ids(const RowObject& object, const char* key, int64_t vocab,
                              bool labels) {
  const RowObject* const value = find_field(object, key);
  if (value == nullptr) fail("has no \"{}\"", key);
  if (!value->is_array()) fail("\"{}\" is not a list of token ids", key);
  std::vector<int32_t> ids;
  ids.reserve(value->size());
  for (const RowObject& element : *value) {
    const std::optional<int64_t> id = whole_value(element);
    if (!id && !element.is_number_unsigned())  // those are whole, and beyond all vocabularies
      fail("\"{}\" holds {}, which is no token id", key, kind_of(element));
    const bool ignored = labels && id == kIgnoredLabel;
    if (!ignored && (!id || *id < 0 || *id >= vocab))
      fail("\"{}\" holds {}, expected {}0 to {}", key, kind_of(element),
           labels ? "-100 (ignored) or " : "", vocab - 1);
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

ParsedRow parse_tokens(const RowObject& object, RowContext& context) {
  Row row;
  row.ids = read_ids(object, "input_ids", context.vocab, false);
  if (row.ids.empty()) fail("\"input_ids\" is empty");
  row.labels = find_field(object, "labels") != nullptr
                   ? read_ids(object, "labels", context.vocab, true)
                   : row.ids;
  if (row.labels.size() != row.ids.size())
    fail("has {} labels for {} ids; expected as many of one as of the other", row.labels.size(),
         row.ids.size());
  return row;
}

}  // namespace falconer
