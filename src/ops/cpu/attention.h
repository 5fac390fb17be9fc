// Attention in tiles of query rows by f32 products.
#pragma once

#include "ops/attention.h"
#include "ops/prefix_attention.h"

namespace falconer::cpu {

void attention_forward(const AttentionForward& args);
void attention_delta(const AttentionDelta& args);
void attention_backward(const AttentionBackward& args);
void prefix_attention_forward(const PrefixAttentionForward& args);
void prefix_attention_backward(const PrefixAttentionBackward& args);

}  // namespace falconer::cpu
