// Weights that lie in mapped files, as pages that are read ahead and forgotten: with --low-memory
// little more than one layer of a model is resident, at the price of reading it again.
#pragma once

#include "model/params.h"

namespace falconer {

/// The matrices of a layer, or one matrix. What is not mapped stays.
void read_layer_ahead(const Weights& weights, int64_t layer);
void forget_layer(const Weights& weights, int64_t layer);
void forget(const Param& param);
/// The most bytes that are mapped at one time where each is forgotten after its use.
size_t largest_resident(const Weights& weights);

}  // namespace falconer
