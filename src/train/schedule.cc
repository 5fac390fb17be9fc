#include "train/schedule.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/nearest.h"

namespace falconer {

Schedule parse_schedule(const std::string& name) {
  if (name == "constant") return Schedule::kConstant;
  if (name == "linear") return Schedule::kLinear;
  if (name == "cosine") return Schedule::kCosine;
  fail_choice("--schedule", name, {"constant", "linear", "cosine"});
}

std::string name_of(Schedule schedule) {
  switch (schedule) {
    case Schedule::kConstant:
      return "constant";
    case Schedule::kLinear:
      return "linear";
    case Schedule::kCosine:
      return "cosine";
  }
  return "";
}

double schedule_factor(Schedule schedule, int64_t step, int64_t warmup, int64_t total) {
  if (warmup > 0 && step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
  if (schedule == Schedule::kConstant || total <= warmup) return 1;
  const double done = static_cast<double>(step - warmup) / static_cast<double>(total - warmup);
  if (schedule == Schedule::kLinear) return 1 - done;
  return (1 + std::cos(std::numbers::pi * done)) / 2;
}

}  // namespace falconer
