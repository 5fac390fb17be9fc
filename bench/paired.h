// An op and what bounds it, timed in turns, so that both see the same machine: a share of the peak
// stays meaningful where others compute on the same cores.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace falconer::bench {

template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// How often both run: at least kRounds times, and for kSeconds.
inline constexpr int kRounds = 5;
inline constexpr double kSeconds = 0.3;

/// Runs both in turns and reports the best time of each: `amount` (operations or bytes) over the
/// op's as `rate` in units of 1e9 a second, and the bound's over the op's as `share`. What an op
/// does once, such as generating code, falls into the first round, which does not count.
template <class Op, class Bound>
void run_paired(benchmark::State& state, double amount, Op&& op, Bound&& bound) {
  double best_op = std::numeric_limits<double>::infinity(), best_bound = best_op;
  op();
  bound();
  for (auto _ : state) {
    double spent = 0;
    for (int round = 0; round < kRounds || spent < kSeconds; ++round) {
      const double mine = seconds(op), theirs = seconds(bound);
      best_op = std::min(best_op, mine);
      best_bound = std::min(best_bound, theirs);
      spent += mine + theirs;
    }
    state.SetIterationTime(best_op);
  }
  state.counters["rate"] = amount / best_op / 1e9;
  state.counters["share"] = best_bound / best_op;
}

}  // namespace falconer::bench
