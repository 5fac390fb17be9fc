// Stacks that take turns on one thread of the host: what threads of an emulated block are.
#pragma once

#include <ucontext.h>
#if __has_include(<sanitizer/tsan_interface.h>)
#include <sanitizer/tsan_interface.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace falconer::emulated {

// GCC and clang say by different names which sanitizer is here.
#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define FALCONER_THREAD_SANITIZER
#endif

// ThreadSanitizer takes each stack for a thread, and nothing orders them but what happens_before() and
// happens_after() say. What is NOT_WATCHED passes between them without that.
#ifdef FALCONER_THREAD_SANITIZER
#ifdef __clang__
#define FALCONER_NOT_WATCHED __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define FALCONER_NOT_WATCHED __attribute__((no_sanitize("thread"), noinline))
#endif
inline void happens_before(void* meeting) { __tsan_release(meeting); }
inline void happens_after(void* meeting) { __tsan_acquire(meeting); }

class Watched {
 public:
  ~Watched() {
    if (made_) __tsan_destroy_fiber(thread_);
  }
  void begin() {
    if (!made_) thread_ = __tsan_create_fiber(0);
    made_ = true;
  }
  FALCONER_NOT_WATCHED static void change(Watched& from, Watched& to) {
    from.thread_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to.thread_, __tsan_switch_to_fiber_no_sync);
  }

 private:
  void* thread_ = nullptr;
  bool made_ = false;
};
#else
#define FALCONER_NOT_WATCHED
inline void happens_before(void*) {}
inline void happens_after(void*) {}

class Watched {
 public:
  void begin() {}
  static void change(Watched&, Watched&) {}
};
#endif

// AddressSanitizer knows the system's way alone.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)

// Saves what a called function must keep, changes stacks, and takes it back: some nanoseconds, where
// swapcontext asks the system twice.
extern "C" void falconer_switch_stack(void** save, void* load);
asm(R"(
.text
.type falconer_switch_stack, @function
falconer_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size falconer_switch_stack, .-falconer_switch_stack
)");

class Context {
 public:
  /// The next switch to this begins `entry`, which never returns.
  void begin(char* stack, size_t bytes, void (*entry)()) {
    const auto top = reinterpret_cast<uintptr_t>(stack + bytes) / 16 * 16;
    // Six registers, entry, and its return address.
    auto* frame = reinterpret_cast<void**>(top) - 8;
    std::memset(frame, 0, 8 * sizeof(void*));
    frame[6] = reinterpret_cast<void*>(entry);
    pointer_ = frame;
    watched_.begin();
  }
  FALCONER_NOT_WATCHED static void change(Context& from, Context& to) {
    Watched::change(from.watched_, to.watched_);
    falconer_switch_stack(&from.pointer_, to.pointer_);
  }

 private:
  Watched watched_;
  void* pointer_ = nullptr;
};

#else

class Context {
 public:
  void begin(char* stack, size_t bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  static void change(Context& from, Context& to) { swapcontext(&from.context_, &to.context_); }

 private:
  ucontext_t context_;
};

#endif

}  // namespace falconer::emulated
