// Attention of sequences that grow by one token: each query with a cache that is read as it lies.
#pragma once

#include "ops/attention.h"

namespace falconer::cpu {

/// attention_forward for the spans of one query; the others are passed over.
void decode_attention(const AttentionForward& args);

}  // namespace falconer::cpu
