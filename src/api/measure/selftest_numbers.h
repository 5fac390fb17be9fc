// What a backend computes with a small model that is made from a seed: the numbers by which it is
// held against those that are built in.
#pragma once

#include <string>
#include <vector>

#include "method/session.h"

namespace falconer {

/// Numbers of one kind. Their differences count by the largest value of them.
struct SelfTestNumbers {
  std::string name;
  std::vector<double> values;
  bool exact = false;  // token ids
};

struct SelfTestBackend {
  std::string device = "cpu";
  const Kernels* kernels = nullptr;  // null: the device's
};

/// Loss and logits, the gradients and losses of two training steps with each method, and the ids of a
/// greedy answer: the same list for every backend. `precision` is f32 or bf16.
std::vector<SelfTestNumbers> self_test_numbers(const SelfTestBackend& backend, Precision precision);

/// The model: of Falcon-7B's kind, one key and value head.
ModelConfig self_test_model();
constexpr uint64_t kSelfTestSeed = 8;

/// What the numbers have to be. Where they come from: selftest_golden.cc.
const std::vector<SelfTestNumbers>& golden_numbers(Precision precision);

/// How far one of them may be off, as a share of the largest of its kind.
double self_test_tolerance(Precision precision);

/// The largest difference as that share; above every tolerance where exact numbers, names or counts
/// differ, or where one is not finite. `worst` receives its name.
double largest_difference(const std::vector<SelfTestNumbers>& got,
                          const std::vector<SelfTestNumbers>& want, std::string& worst);

}  // namespace falconer
