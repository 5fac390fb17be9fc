#include "data/format/prompt_completion.h"

namespace falconer {

ParsedRow parse_prompt_completion(const RowObject& object, int64_t) {
  return Example::of(text_field(object, "prompt"), {}, text_field(object, "completion"));
}

}  // namespace falconer
