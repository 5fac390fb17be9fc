// The program itself, checked on this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "falconer/error.h"

namespace falconer {

struct SelfTestOptions {
  std::string only;     // one line, computed in this process; empty: all, each in one of its own
  std::string program;  // the falconer to start; empty: the program that runs now
  int threads = 0;      // of the processes that are started; 0: all cores
};
struct SelfTestLine {
  std::string name;                                // "scalar", "AVX2", "cuda:0", ...
  std::string state;                               // "ok", "failed", "absent"
  std::string detail;                              // what failed, or why it is absent
  double difference_f32 = 0, difference_bf16 = 0;  // the largest, as a share of the largest number
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
};
struct SelfTestReport {
  std::vector<SelfTestLine> lines;
  bool passed = false;  // no line failed
  std::string text, json;
};
/// Computes logits, losses, gradients, training steps with every method and a greedy answer of a
/// small built-in model on every backend and instruction set of this machine, and compares them with
/// built-in numbers. Needs no file.
SelfTestReport selftest(const SelfTestOptions& options);
/// The built-in numbers: a JSON object with lists "f32" and "bf16" of {"name", "values"}.
std::string selftest_numbers();

}  // namespace falconer
