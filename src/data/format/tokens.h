// {"input_ids", "labels"?}: token ids already; -100 is not learned.
#pragma once

#include "data/formats.h"

namespace falconer {

ParsedRow parse_tokens(const RowObject& object, RowContext& context);

/// The list of ids below `vocab` under `key`, of `labels` also -100: the one reader of ids for every
/// command. Error: it is missing, or holds what is no id (2.5, true, "3").
std::vector<int32_t> read_ids(const RowObject& object, const char* key, int64_t vocab, bool labels);

}  // namespace falconer
