// What a trainer says, and refuses to save.
#include <cmath>

#include "base/joined.h"
#include "base/log.h"
#include "base/plural.h"
#include "train/trainer.h"

namespace falconer {

std::string Trainer::rows_text(int64_t number) const {
  std::vector<int64_t> lines;
  for (const auto& micro : plan_.step(number))
    for (int64_t row : micro) lines.push_back(rows_.line(row));
  if (lines.size() > 16) lines.resize(16);
  return fmt::format("{}s {}{}", rows_.counted_by(), joined(lines, ", "),
                     lines.size() == 16 ? ", ..." : "");
}

// What is saved must be fit to go on from, and to be used.
void Trainer::refuse_not_finite(const char* what) const {
  const auto found = not_finite(session_);
  if (!found) return;
  fail(
      "step {}: its update made {} infinite or NaN, and {} is not saved. Train with a lower --lr, "
      "a "
      "smaller --grad-clip, or --precision f32{}",
      state_.step, *found, what, saved_text());
}

std::string Trainer::saved_text() const {
  const auto saved = list_checkpoints(options_.out);
  if (saved.empty()) return {};
  return worded("; {} is as it was before, and --resume goes on from it", saved.front().string());
}

// Where each of the last evaluations gained, and the last of them no little of what the run's evaluations gained on
// average, the end of the run came before that of the gain. Held-out rows are the same ones always: they have no
// noise of their own.
void Trainer::say_still_falling() const {
  constexpr size_t kLooked = 3;
  constexpr double kShare = 0.2, kLeast = 0.002;
  const size_t n = held_out_losses_.size();
  if (n < kLooked || state_.best_step != state_.step) return;
  const double a = held_out_losses_[n - 3], b = held_out_losses_[n - 2],
               c = held_out_losses_[n - 1];
  const double usual = (held_out_losses_.front() - c) / static_cast<double>(n - 1);
  if (!(b < a && b - c >= kShare * usual && b - c >= kLeast * b)) return;
  log_info("the held-out loss was still falling ({:.4f}, {:.4f}, {:.4f}): more {} may help", a, b,
           c, spelled_name(options_.batches.max_steps > 0 ? "--max-steps" : "--epochs"));
}

// The first numbers of each trainable tensor, to tell later whether it moved.
std::vector<std::vector<float>> Trainer::first_numbers() const {
  std::vector<std::vector<float>> samples;
  for (const Param* param : session_.method()->params()) {
    const View& value = param->own_value ? param->own_value : param->value;
    const View all = value.reshape(1, value.size());
    samples.push_back(host_values(all.col_range(0, std::min<int64_t>(all.cols, 65536))));
  }
  return samples;
}

// A trainable tensor that training did not change is a bug or a learning rate of 0: never silent.
void Trainer::warn_unmoved(const std::vector<std::vector<float>>& before) const {
  const auto& params = session_.method()->params();
  const auto after = first_numbers();
  std::vector<double> moved(params.size(), 0);
  for (size_t i = 0; i < params.size(); ++i) moved[i] = before[i] == after[i] ? 0 : 1;
  // Of a tensor that ranks have divided, some rank's piece.
  const std::vector<double> all = numbers_of_all(session_.options().ranks, moved);
  std::vector<std::string> unmoved;
  for (size_t i = 0; i < moved.size(); ++i) {
    double somewhere = 0;
    for (size_t at = i; at < all.size(); at += moved.size()) somewhere += all[at];
    if (somewhere == 0) unmoved.push_back(params[i]->name);
  }
  if (!unmoved.empty())
    log_warning("{} of {} trainable {} did not change in this run, the first is {}", unmoved.size(),
                params.size(), plural(params.size(), "tensor"), unmoved.front());
}

}  // namespace falconer
