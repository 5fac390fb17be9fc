// What AddressSanitizer and valgrind are told of memory that is handed out part by part: to them it
// would be one piece, in which nothing can go wrong. Says nothing in other builds.
#pragma once

#include <cstddef>

namespace falconer {

/// Nobody has these bytes: to touch them is an error.
void forbid_memory(std::byte* data, size_t bytes);
/// Somebody has them, and has to write them before they are read.
void hand_out_memory(std::byte* data, size_t bytes);
/// They go back to the system, which knows nothing of all this.
void give_back_memory(std::byte* data, size_t bytes);

}  // namespace falconer
