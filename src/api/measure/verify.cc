#include "api/measure/verify.h"

#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "method/session.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"

namespace falconer {
namespace {

// f32 shows what the weights are worth and not what activations lose; of blocks it would take a copy of
// four times their size.
Precision precision_for(const std::string& checkpoint) {
  const TensorFiles files = open_weights(checkpoint, read_model_config(checkpoint));
  for (const auto& [name, tensor] : files.tensors())
    if (tensor.blocks()) return Precision::kAuto;
  return Precision::kF32;
}

Tensor logits_of(const ModelFiles& model) {
  const LogLevelHere quiet(
      LogLevel::kWarning);  // in what it computes is no concern of who writes a model
  const auto session = Session::open({.checkpoint = model.checkpoint,
                                      .adapter = model.adapter,
                                      .precision = precision_for(model.checkpoint)});
  const int64_t n = std::min<int64_t>(32, session->config().context);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < n; ++i)
    ids.push_back(static_cast<int32_t>((7919 * (i + 1)) % session->config().vocab));
  const BatchBuffer::Sequence sequence{.ids = ids, .labels = {}};
  const BatchBuffer buffer = BatchBuffer::for_training({&sequence, 1});
  Tensor rows(1, n, Dtype::kI32), logits(n, session->config().vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
  const auto pass = [&](Run& run) {
    session->decoder().logits(run, buffer.batch(), rows.view(), logits.view());
  };
  session->reserve(pass);
  pass(session->run());
  return logits;
}

/// What rounding every weight does to logits, as a share of them, on networks with random weights
/// (twice what was measured on some of four layers: bf16 1.7 %, Q8_0 3 %). A wrong order of rows
/// makes more than all of it; what fewer bits make is said, whatever it is.
double bound_for(Dtype dtype) {
  if (dtype == Dtype::kQ8_0) return 6e-2;
  if (is_blocks(dtype)) return 1;
  return dtype == Dtype::kF32 ? 1e-4 : 3e-2;
}

}  // namespace

std::string compare_logits(const ModelFiles& before, const ModelFiles& after, Dtype dtype,
                           const std::string& out) {
  const Tensor a = logits_of(before), b = logits_of(after);
  double most = 0, squares = 0, differences = 0;
  for (int64_t i = 0; i < a.view().rows; ++i)
    for (int64_t j = 0; j < a.view().cols; ++j) {
      const double x = a.view().row<float>(i)[j], y = b.view().row<float>(i)[j];
      most = std::max(most, std::fabs(x - y));
      differences += (x - y) * (x - y);
      squares += x * x;
    }
  const double share = squares > 0 ? std::sqrt(differences / squares) : differences;
  if (!(share <= bound_for(dtype)))
    fail(
        "{}: the new model's logits are {:.3g} % off those before, by {:.3g} at most; do not use "
        "it",
        out, 100 * share, most);
  return fmt::format("verified: logits differ by {:.3g} at most, {:.2g} % in the mean\n", most,
                     100 * share);
}

}  // namespace falconer
