// falconer merge: an adapter folded into a model of its own, tensor by tensor.
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/resolve.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "checkpoint/safetensors_writer.h"
#include "falconer/falconer.h"
#include "method/session.h"
#include "model/arch/architecture.h"
#include "train/run_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

// The base's values of a tensor of the merged model, as f32: a head that was tied is the embedding,
// a bias that was absent is 0.
Tensor base_values(const Param& wanted, const TensorFiles& files, const Architecture& arch) {
  Tensor values(wanted.rows(), wanted.cols(), Dtype::kF32);
  const StoredTensor* stored = files.find(wanted.name);
  if (stored == nullptr && wanted.name == arch.top.head + ".weight")
    stored = files.find(arch.top.embedding + ".weight");
  if (stored != nullptr) copy_converted(stored->view(), values.view());
  return values;
}

Dtype stored_dtype(const TensorFiles& files, const Architecture& arch) {
  const StoredTensor* embedding = files.find(arch.top.embedding + ".weight");
  return embedding != nullptr ? embedding->dtype : Dtype::kF32;
}

void write_adapter(const fs::path& folder, const SavedAdapter& saved) {
  make_folder(folder);
  write_file(folder / "adapter_config.json", saved.config_json);
  std::vector<NamedView> views;
  for (const SavedTensor& tensor : saved.tensors) {
    const int64_t n = static_cast<int64_t>(tensor.values.size());
    views.push_back({tensor.name,
                     tensor.shape,
                     {const_cast<float*>(tensor.values.data()), 1, n, n, Dtype::kF32}});
  }
  write_safetensors(folder / "adapter_model.safetensors", views);
}

// Largest difference between the logits of two models on a fixed row of ids, beside the size of the
// logits.
struct Difference {
  double logit = 0, size = 0;
};
Tensor logits_of(const SessionOptions& options) {
  const auto session = Session::open(options);
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

Difference compare(const Tensor& a, const Tensor& b) {
  Difference found;
  for (int64_t i = 0; i < a.view().rows; ++i)
    for (int64_t j = 0; j < a.view().cols; ++j) {
      const double x = a.view().row<float>(i)[j], y = b.view().row<float>(i)[j];
      found.logit = std::max(found.logit, std::fabs(x - y));
      found.size = std::max(found.size, std::fabs(x));
    }
  return found;
}

std::string verify(const MergeOptions& options, const std::string& rest, Dtype dtype) {
  const Tensor before = logits_of({.checkpoint = options.checkpoint, .adapter = options.adapter});
  const Tensor after = logits_of({.checkpoint = options.out, .adapter = rest});
  const Difference d = compare(before, after);
  // Rounding weights to bf16's 8 bits moves logits by about a hundredth of their size.
  const double bound = dtype == Dtype::kF32 ? 1e-4 : 3e-2;
  if (!(d.logit <= bound * d.size))
    fail(
        "{}: the merged model's logits differ by {:.3g} from the adapter's (their size is {:.3g}); "
        "do not use it",
        options.out, d.logit, d.size);
  return fmt::format("verified: logits differ by {:.3g} at most, their size is {:.3g}\n", d.logit,
                     d.size);
}

}  // namespace

std::string merge(const MergeOptions& named) {
  if (named.adapter.empty()) fail_usage("--adapter is empty; name the adapter to be merged");
  MergeOptions options = named;
  options.checkpoint = resolve_checkpoint(named.checkpoint);
  options.adapter = resolve_adapter(named.adapter);
  const auto session =
      Session::open({.checkpoint = options.checkpoint, .adapter = options.adapter});
  if (fs::exists(options.out) && !fs::is_empty(options.out))
    fail("{}: is not empty; give --out a new folder", options.out);
  const Method& method = *session->method();
  if (!method.merges())
    fail(
        "{}: an adapter's prompts are no part of any weight and cannot be merged; use it with "
        "--adapter",
        options.adapter);
  const ModelConfig config = method.merged_config(session->config());
  const Architecture& arch = architecture(config.family);
  const TensorFiles files = TensorFiles::open_folder(options.checkpoint);
  const Dtype dtype = stored_dtype(files, arch);
  const Weights weights = declare_weights(config);

  AtomicFolder folder(options.out);
  write_model_folder(folder.folder(), options.checkpoint, config, dtype);
  std::vector<TensorSpec> specs;
  for (const auto& param : weights.params) specs.push_back({param->name, dtype, param->shape});
  SafetensorsWriter writer =
      SafetensorsWriter::sharded(folder.folder(), std::move(specs), kShardBytes);
  for (const auto& param : weights.params) {
    const Tensor values = base_values(*param, files, arch);
    method.merge_tensor(param->name, values.view());
    writer.write(values.view());
  }
  writer.commit();
  const SavedAdapter rest = method.unmerged();
  if (!rest.tensors.empty()) write_adapter(folder.folder() / "rest", rest);
  folder.commit();
  std::string text = fmt::format("merged {} into {}\n", options.adapter, options.out);
  const std::string rest_folder = rest.tensors.empty() ? "" : options.out + "/rest";
  if (!rest_folder.empty())
    text += fmt::format(
        "the prompts of {} cannot be folded into weights: use the merged model with --adapter {}\n",
        method.name(), rest_folder);
  if (options.verify) text += verify(options, rest_folder, dtype);
  return text;
}

}  // namespace falconer
