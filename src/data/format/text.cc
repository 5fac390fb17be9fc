#include "data/format/text.h"

namespace falconer {

ParsedRow parse_text(const RowObject& object, RowContext&) {
  Example example{.chunked = true};
  example.conversation.messages.push_back(
      {.role = "assistant", .content = text_field(object, "text"), .input = {}, .more = {}});
  return example;
}

}  // namespace falconer
