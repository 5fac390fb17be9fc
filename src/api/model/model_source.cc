#include "api/model/model_source.h"

#include <cmath>
#include <cstring>
#include <set>

#include "api/model/tensor_watch.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/log.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "tensor/blocks/format.h"
#include "tensor/finite.h"

namespace falconer {
namespace {

constexpr int64_t kBandBytes = 32 << 20;

/// The rows of `order` in bands that are not larger than kBandBytes as f32.
void for_each_band(const std::vector<RowRange>& order, int64_t rows, int64_t cols,
                   const std::function<void(RowRange)>& use) {
  const int64_t most = std::max<int64_t>(1, kBandBytes / 4 / std::max<int64_t>(1, cols));
  const std::vector<RowRange> all = order.empty() ? std::vector<RowRange>{{0, rows}} : order;
  for (const RowRange& range : all)
    for (int64_t at = 0; at < range.count; at += most)
      use({range.begin + at, std::min(most, range.count - at)});
}

/// What a tensor stays in where nothing is asked for.
Dtype kept_dtype(const StoredTensor& stored) {
  if (stored.blocks()) return Dtype::kBF16;
  return stored.dtype == Dtype::kF64 ? Dtype::kF32 : stored.dtype;
}

}  // namespace

ModelSource::ModelSource(const std::string& checkpoint, const std::string& adapter)
    : checkpoint_(checkpoint), config_(read_model_config(checkpoint)) {
  files_ = open_weights(checkpoint, config_);
  settle_head(checkpoint, files_, config_);
  check_weights(declare_weights(config_), config_, files_);
  std::map<Dtype, int64_t> numbers;
  for (const auto& [name, stored] : files_.tensors())
    if (stored.shape.size() > 1) numbers[kept_dtype(stored)] += stored.size();
  for (const auto& [dtype, count] : numbers)
    if (count > numbers[dtype_]) dtype_ = dtype;
  if (!adapter.empty()) {
    session_ = Session::open({.checkpoint = checkpoint, .adapter = adapter, .adapter_only = true});
    if (!session_->method()->merges())
      fail(
          "{}: an adapter's prompts are no part of any weight and cannot be merged; use it with "
          "--adapter",
          adapter);
    config_ = session_->method()->merged_config(config_);
  }
  weights_ = declare_weights(config_);
}

// Files that hold vectors in f32 beside narrower matrices, as a GGUF's, often widened them for that:
// where nothing is lost by it, they are as the rest again.
Dtype ModelSource::dtype_of(const Param& param) const {
  const StoredTensor* stored = find(param);
  if (stored == nullptr) return dtype_;
  const Dtype own = kept_dtype(*stored);
  if (own == dtype_ || !param.vector()) return own;
  const int64_t rows = param.rows(), cols = param.cols();
  const Tensor values(rows, cols, Dtype::kF32), narrow(rows, cols, dtype_);
  stored->copy_to(values.view());
  copy_converted(values.view(), narrow.view());
  const std::vector<float> before = host_values(values.view()), after = host_values(narrow.view());
  return std::memcmp(before.data(), after.data(), values.view().bytes()) == 0 ? dtype_ : own;
}

void ModelSource::say_narrowed() const {
  int64_t doubles = 0, blocks = 0;
  std::set<std::string> formats;
  for (const auto& [name, stored] : files_.tensors()) {
    doubles += stored.dtype == Dtype::kF64;
    if (const auto format = stored.blocks()) {
      ++blocks;
      formats.emplace(label_of(*format));
    }
  }
  if (doubles > 0) log_info("{}: {} tensors are f64, and are written as f32", checkpoint_, doubles);
  if (blocks > 0)
    log_info(
        "{}: {} tensors are {}, and their numbers are rounded to bf16; the command export holds "
        "every "
        "bit with --dtype f32, and the command quantize writes blocks",
        checkpoint_, blocks, joined(formats, ", "));
}

/// Null: a bias that the base does not have. A head that was tied is the embedding.
const StoredTensor* ModelSource::find(const Param& param) const {
  const StoredTensor* stored = files_.find(param.name);
  if (stored == nullptr && &param == weights_.head().w)
    stored = files_.find(weights_.embedding->name);
  return stored;
}

void ModelSource::read_stored(const StoredTensor& stored, const std::vector<RowRange>& order,
                              const UseRows& use) const {
  const int64_t row_bytes = static_cast<int64_t>(stored.bytes.size()) / stored.rows();
  Tensor memory;
  for_each_band(order, stored.rows(), stored.cols(), [&](RowRange band) {
    if (stored.plain()) {
      use(stored.view().row_range(band.begin, band.count), band.begin);
      if (stored.mapped)
        forget_pages(stored.bytes.subspan(static_cast<size_t>(band.begin * row_bytes),
                                          static_cast<size_t>(band.count * row_bytes)));
      return;
    }
    if (!memory || memory.view().rows < band.count)
      memory = Tensor(band.count, stored.cols(), Dtype::kF32);
    const View rows = memory.view().row_range(0, band.count);
    stored.copy_rows_to(band.begin, rows);
    stored.forget();
    use(rows, band.begin);
  });
}

void ModelSource::read(const Param& param, const std::vector<RowRange>& order,
                       const UseRows& use) const {
  const StoredTensor* stored = find(param);
  const bool merged = method() != nullptr && method()->merges_into(param.name);
  if (stored != nullptr && !merged && !param.vector()) return read_stored(*stored, order, use);
  const Tensor values(param.rows(), param.cols(), Dtype::kF32);
  if (stored != nullptr && param.vector()) {
    stored->copy_to(values.view());
  } else if (stored != nullptr) {
    read_stored(*stored, {}, [&](const View& rows, int64_t first) {
      copy_converted(rows, values.view().row_range(first, rows.rows));
    });
  }
  if (merged) method()->merge_tensor(param.name, values.view());
  if (!param.vector())
    return for_each_band(order, param.rows(), param.cols(), [&](RowRange band) {
      use(values.view().row_range(band.begin, band.count), band.begin);
    });
  if (order.empty() || param.shape.size() > 1) return use(values.view(), 0);
  for (const RowRange& range : order)
    use(values.view().col_range(range.begin, range.count), range.begin);
}

std::vector<TensorSpec> specs_of(const std::vector<ExportedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const ExportedTensor& tensor : tensors) specs.push_back(tensor.spec);
  return specs;
}

std::vector<ExportedTensor> tensors_elsewhere(const ModelSource& source, OtherFormat format,
                                              bool tied_head) {
  const Weights& weights = source.weights();
  std::vector<ExportedTensor> tensors;
  for (const OtherModule& module : modules_elsewhere(source.config(), format)) {
    const bool tied = module.parts.front().ours.role == Role::kHead && source.config().tied_head;
    if (tied && !tied_head) continue;
    for (const bool bias : {false, true}) {
      ExportedTensor tensor{.pieces = {},
                            .spec = {.name = bias ? module.bias() : module.weight(), .shape = {}},
                            .form = bias ? ValueForm() : module.form};
      for (const OtherPart& part : module.parts) {
        const Module& ours = weights.at(part.ours);
        const Param* const param = bias ? ours.b : ours.w;
        if (param == nullptr) continue;
        const bool all = part.rows.size() == 1 && part.rows.front().count == param->shape[0];
        tensor.pieces.push_back({param, ours.name + (bias ? ".bias" : weight_end(ours.kind)),
                                 all ? std::vector<RowRange>{} : part.rows, part.folded, bias});
        tensor.spec.shape = param->shape;
      }
      if (tensor.pieces.empty()) continue;
      FALCONER_CHECK(tensor.pieces.size() == module.parts.size());
      tensor.spec.shape[0] = module.rows();
      if (!bias && !module.shape.empty()) tensor.spec.shape = module.shape;
      tensors.push_back(std::move(tensor));
    }
  }
  return tensors;
}

float ExportedPiece::times(int64_t row) const {
  const FoldedRows* const one = folded_at(folded, row);
  return one == nullptr ? 1 : bias ? one->of_bias() : one->of_weight();
}

bool ExportedTensor::vector() const {
  return pieces.empty() ? spec.shape.size() == 1 : pieces.front().source->vector();
}

View formed(const ExportedTensor& tensor, const ExportedPiece& piece, const View& rows,
            int64_t first, Tensor& memory) {
  if (piece.folded.empty() && tensor.form.plain()) return rows;
  memory = Tensor(rows.rows, rows.cols, Dtype::kF32);
  copy_converted(rows, memory.view());
  const bool elements = piece.source->shape.size() == 1;  // are what a vector has for rows
  for (int64_t i = 0; i < rows.rows; ++i) {
    float* const x = memory.view().row<float>(i);
    const float times = elements ? 1 : piece.times(first + i);
    for (int64_t j = 0; j < rows.cols; ++j) {
      const float value = x[j] * (elements ? piece.times(first + j) : times);
      x[j] = tensor.form.stored(value);
      // Rounded to 0 or infinity it could not be read back.
      if (tensor.form.negative_exp && !(std::isfinite(x[j]) && x[j] < 0))
        fail(
            "{} holds {} at {}, and {} in such a file is -e to its power, which f32 rounds to {}; "
            "--format hf holds it",
            piece.source->name, value, elements ? first + j : j, tensor.spec.name, x[j]);
    }
  }
  return memory.view();
}

namespace {

/// A model with such a number computes nothing: it is found before it is passed on.
void refuse_not_finite(const ModelSource& source, const ExportedPiece& piece, const View& rows,
                       int64_t first) {
  const auto found = first_not_finite(rows);
  if (!found) return;
  const std::string& name = piece.source->name;
  const std::string at = piece.rows.empty()
                             ? fmt::format(" at row {}, column {}", first + found->row, found->col)
                             : std::string();
  if (source.method() != nullptr && source.method()->merges_into(name))
    fail(
        "{}: with the adapter folded in, {} holds {}{}; one of the two is damaged, or diverged in "
        "training",
        source.checkpoint(), name, found->value, at);
  fail("{}: {} holds {}{}; the checkpoint is damaged, or its training diverged: fetch it again",
       source.checkpoint(), name, found->value, at);
}

}  // namespace

void write_tensors(const ModelSource& source, const std::vector<ExportedTensor>& tensors,
                   TensorWriter& writer) {
  TensorWatch watch("wrote", tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].values.empty()) {
      const auto count = static_cast<int64_t>(tensors[i].values.size());
      writer.write({const_cast<float*>(tensors[i].values.data()), 1, count, count, Dtype::kF32});
    }
    for (const ExportedPiece& piece : tensors[i].pieces) {
      Tensor memory;
      source.read(*piece.source, piece.rows, [&](const View& rows, int64_t first) {
        watch.look(i);
        refuse_not_finite(source, piece, rows, first);
        writer.write(formed(tensors[i], piece, rows, first, memory));
      });
    }
  }
  writer.commit();
}

}  // namespace falconer
