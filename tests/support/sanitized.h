// Whether the tests were built with a sanitizer, under which all takes some ten times as much time and
// memory.
#pragma once

#ifndef __has_feature  // clang's way to ask
#define __has_feature(name) 0
#endif

namespace falconer::test {

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = kThreadSanitized;
#endif

}  // namespace falconer::test
