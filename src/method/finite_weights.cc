#include "method/finite_weights.h"

#include "tensor/buffer.h"
#include "tensor/finite.h"

namespace falconer {
namespace {

/// On a device by way of some rows in host memory.
std::optional<NotFinite> find_in(const View& values) {
  if (values.device == nullptr) return first_not_finite(values);
  constexpr int64_t kElements = int64_t{4} << 20;
  const int64_t most = std::max<int64_t>(1, kElements / std::max<int64_t>(1, values.cols));
  const Tensor piece(std::min(most, values.rows), values.cols, values.dtype);
  for (int64_t row = 0; row < values.rows; row += most) {
    const View some = piece.view().row_range(0, std::min(most, values.rows - row));
    copy_converted(values.row_range(row, some.rows), some);
    if (auto found = first_not_finite(some)) {
      found->row += row;
      return found;
    }
  }
  return {};
}

}  // namespace

std::optional<std::string> not_finite_weight(Session& session) {
  for (const auto& param : session.weights().params)
    if (const auto found = find_in(param->value))
      return fmt::format(
          "{} holds {} at row {}, column {}; the checkpoint is damaged, or its training diverged: "
          "fetch it again",
          param->name, found->value, found->row, found->col);
  if (session.method() != nullptr)
    for (const SavedTensor& tensor : session.method()->save().tensors) {
      const auto count = static_cast<int64_t>(tensor.values.size());
      if (const auto found = first_not_finite(
              {const_cast<float*>(tensor.values.data()), 1, count, count, Dtype::kF32}))
        return fmt::format(
            "the adapter's {} holds {}; it is damaged, or its training diverged: use an earlier "
            "checkpoint of it",
            tensor.name, found->value);
    }
  return {};
}

std::string why_not_finite(Session& session) {
  if (auto found = not_finite_weight(session)) return *found;
  if (session.run().activation == Dtype::kF32)
    return "all weights are finite, so that what is computed between them grew beyond f32; the "
           "model may be damaged";
  return spelled(
      "all weights are finite, so that what is computed between them grew too large: try "
      "--precision f32");
}

}  // namespace falconer
