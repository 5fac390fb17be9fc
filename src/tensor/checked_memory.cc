#include "tensor/checked_memory.h"

// GCC and clang say by different names that AddressSanitizer is here.
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)

#include <sanitizer/asan_interface.h>

#include <cstring>

namespace falconer {

void forbid_memory(std::byte* data, size_t bytes) { __asan_poison_memory_region(data, bytes); }

void hand_out_memory(std::byte* data, size_t bytes) {
  __asan_unpoison_memory_region(data, bytes);
  if (bytes > 0) std::memset(data, 0xff, bytes);  // what is not written reads as NaN, or -1
}

void give_back_memory(std::byte* data, size_t bytes) { __asan_unpoison_memory_region(data, bytes); }

}  // namespace falconer

#elif defined(FALCONER_MEMCHECK)

#include <valgrind/memcheck.h>

namespace falconer {

void forbid_memory(std::byte* data, size_t bytes) { VALGRIND_MAKE_MEM_NOACCESS(data, bytes); }
void hand_out_memory(std::byte* data, size_t bytes) { VALGRIND_MAKE_MEM_UNDEFINED(data, bytes); }
void give_back_memory(std::byte*, size_t) {}

}  // namespace falconer

#else

namespace falconer {

void forbid_memory(std::byte*, size_t) {}
void hand_out_memory(std::byte*, size_t) {}
void give_back_memory(std::byte*, size_t) {}

}  // namespace falconer

#endif
