// The learning rate over a run, counted in optimizer steps.
#pragma once

#include <cstdint>
#include <string>

namespace falconer {

enum class Schedule { kConstant, kLinear, kCosine };

/// "constant", "linear", "cosine". Error (usage): anything else.
Schedule parse_schedule(const std::string& name);
std::string name_of(Schedule schedule);

/// The factor of step s = 1 .. S with warm-up W: min(1, s/W) times, after warm-up,
///   constant 1      linear (S - s) / (S - W)      cosine (1 + cos(pi (s - W) / (S - W))) / 2
double schedule_factor(Schedule schedule, int64_t step, int64_t warmup, int64_t total);

}  // namespace falconer
