#include "model/fingerprint.h"

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "model/params.h"
#include "tensor/buffer.h"

namespace falconer {
namespace {

constexpr int64_t kRows = 16;  // of each tensor

void add_rows(const StoredTensor& stored, Digest& hash) {
  const Tensor values(1, stored.cols(), Dtype::kF32), rounded(1, stored.cols(), Dtype::kBF16);
  const int64_t rows = stored.rows(), count = std::min(rows, kRows);
  for (int64_t i = 0; i < count; ++i) {
    stored.copy_rows_to(count > 1 ? i * (rows - 1) / (count - 1) : 0, values.view());
    copy_converted(values.view(), rounded.view());
    hash.update(rounded.view().data, rounded.view().bytes());
  }
}

}  // namespace

std::string weights_fingerprint(const TensorFiles& files, const ModelConfig& config) {
  const Weights weights = declare_weights(config);
  std::map<std::string, const Param*> by_name;
  for (const auto& param : weights.params)
    by_name[name_in_files(config, param->name)] = param.get();
  Digest hash = Digest::sha256();
  for (const auto& [name, param] : by_name) {
    const StoredTensor* stored = files.find(param->name);
    if (stored == nullptr || stored->shape != param->shape)
      fail("{} is missing from the checkpoint or has another shape", name);
    if (stored->blocks()) return {};
    hash.update(name + stored->shape_text());
    add_rows(*stored, hash);
  }
  return hash.finish();
}

std::string weights_fingerprint(const std::string& path) {
  ModelConfig config = read_model_config(path);
  const TensorFiles files = open_weights(path, config);
  settle_head(path, files, config);
  return weights_fingerprint(files, config);
}

}  // namespace falconer
