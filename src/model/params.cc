#include "model/params.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "base/file.h"
#include "base/joined.h"
#include "base/random.h"
#include "model/arch/architecture.h"
#include "model/weight_pages.h"
#include "ops/fill.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

View flat(const View& view) { return view.reshape(1, view.size()); }

Param* add(Weights& weights, std::string name, std::vector<int64_t> shape, int64_t layer) {
  auto param = std::make_unique<Param>();
  param->name = std::move(name);
  param->shape = std::move(shape);
  param->layer = layer;
  weights.params.push_back(std::move(param));
  return weights.params.back().get();
}

// "[4, 64]"
std::string text_of(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", joined(shape, ", "));
}

void check_names(const Weights& weights, const Architecture& arch, const TensorFiles& files) {
  std::set<std::string, std::less<>> known;
  for (const auto& param : weights.params) known.insert(param->name);
  for (const auto& [name, stored] : files.tensors())
    if (!known.contains(name) && !arch.ignores(name))
      fail(
          "{}: holds the tensor {} that a {} model does not have; expected {} and the like. Is "
          "config.json that of another model?",
          stored.file.string(), name, arch.name, weights.params.front()->name);
}

const StoredTensor& find_checked(const Param& param, const TensorFiles& files) {
  const StoredTensor* stored = files.find(param.name);
  if (stored == nullptr)
    fail(
        "{}: the tensor {} {} is missing; the download may be incomplete, or config.json is that "
        "of another model",
        files.files().front().string(), param.name, text_of(param.shape));
  if (stored->shape != param.shape)
    fail("{}: {} is {}, and the model's settings ask for {}", stored->file.string(), param.name,
         stored->shape_text(), text_of(param.shape));
  stored->check_float();
  return *stored;
}

// Products widen bf16 and f16 as they read it: in an f32 run a copy would only take memory. Vectors are
// copied even where they are f32 already: a few kilobytes buy aligned, private memory.
bool stays_as_stored(const Param& param, Dtype stored, Dtype wanted) {
  const bool as_stored = stored == wanted || stored == Dtype::kBF16 ||
                         (stored == Dtype::kF16 && wanted == Dtype::kF32);
  return as_stored && !param.vector();
}

// Products read blocks as they are. On a device, and where ranks divide a matrix element by element, it is numbers.
bool stays_in_blocks(const Param& param, std::optional<Dtype> blocks, const Arena& fixed) {
  return blocks && !param.vector() && fixed.device() == nullptr && !param.division.weights();
}

// Embedding and head stay as they are stored: what they lose would be in every token.
std::optional<Dtype> quantised_to(const Param& param, std::optional<Dtype> quantise,
                                  const Arena& fixed) {
  if (!quantise || param.layer == ModuleId::kOutside || !stays_in_blocks(param, quantise, fixed))
    return {};
  return fitting_format(*quantise, param.cols());
}

// What is divided from the start: of the rows that this rank's pieces lie in.
void load_own_piece(Param& param, const StoredTensor& stored, Dtype dtype, Arena& fixed) {
  param.own_value = fixed.push(1, param.own_count(), dtype);
  param.in_arena = true;
  if (fixed.measuring()) return;
  const int64_t cols = param.cols();
  for (const Band& band : param.bands()) {
    if (band.count == 0) continue;
    const int64_t first = band.begin / cols, last = (band.begin + band.count - 1) / cols + 1;
    const Tensor rows(last - first, cols, dtype);
    stored.copy_rows_to(band.row + first, rows.view());
    copy_converted(flat(rows.view()).col_range(band.begin - first * cols, band.count),
                   param.own_value.col_range(band.own, band.count));
  }
  stored.forget();
}

// Within a device by way of the host, which is seldom: of random weights.
void copy_piece(const View& from, const View& to) {
  if (from.device == nullptr || to.device == nullptr) return copy_converted(from, to);
  set_values(to, host_values(from));
}

// Of a value that is there as a whole.
void keep_own_piece(Param& param, Dtype dtype, Arena& arena) {
  const View whole = param.value;
  param.own_value = arena.push(1, param.own_count(), dtype);
  if (!arena.measuring() && whole) {
    for (const Band& band : param.bands())
      if (band.count > 0)
        copy_piece(piece_of(whole, band), param.own_value.col_range(band.own, band.count));
    if (param.mapped) forget(param);
  }
  param.value = {};
  param.in_arena = true;
  param.mapped = false;
}

}  // namespace

int64_t Param::rows() const {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

int64_t Param::cols() const { return shape.empty() ? 1 : shape.back(); }

// Bands begin where blocks of moments do, so that what is kept of a tensor is the same whatever it was divided into.
std::vector<Band> Param::bands() const {
  const int64_t all = rows(), wide = cols();
  const int64_t step = kPieceBlock / std::gcd(kPieceBlock, wide);
  const int64_t most = division.many() ? std::max(step, division.band / wide / step * step)
                                       : std::max<int64_t>(all, 1);
  std::vector<Band> made;
  int64_t own = 0;
  for (int64_t row = 0; row < all; row += most) {
    Band band{.row = row, .rows = std::min(most, all - row), .first = row * wide, .own = own};
    band.pieces = {band.rows * wide, division.ranks};
    band.begin = band.pieces.begin(division.rank);
    band.count = band.pieces.count(division.rank);
    own += band.count;
    made.push_back(band);
  }
  return made;
}

int64_t Param::own_count() const {
  const std::vector<Band> all = bands();
  return all.empty() ? 0 : all.back().own + all.back().count;
}

View piece_of(const View& whole, const Band& band) {
  return flat(whole).col_range(band.first + band.begin, band.count);
}

View Param::own_value_of(const Band& band) const {
  if (own_value) return own_value.col_range(band.own, band.count);
  return piece_of(value, band);
}

View Param::own_grad_of(const Band& band) const {
  if (own_grad) return own_grad.col_range(band.own, band.count);
  return piece_of(whole_grad, band);
}

void make_trainable(Param& param, Arena& arena, Dtype matrix) {
  if (param.trainable()) return;
  param.learns = true;
  const Dtype dtype = param.vector() ? Dtype::kF32 : matrix;
  if (!param.own_value && param.division.weights()) {
    keep_own_piece(param, dtype, arena);
  } else if (!param.own_value && (!param.in_arena || param.value.dtype != dtype)) {
    const View value = arena.push(param.rows(), param.cols(), dtype);
    if (!arena.measuring() && param.value) {
      copy_converted(param.value, value);
      if (param.mapped) forget(param);  // of the file; what was read of it is not needed again
    }
    param.value = value;
    param.in_arena = true;
    param.mapped = false;  // or its pages, now our own, would be forgotten for good
  }
  if (!param.division.many()) {
    param.grad = arena.push(param.rows(), param.cols(), Dtype::kF32);
    if (!arena.measuring()) clear(param.grad);
    return;
  }
  // Its gradient is made and sent band by band.
  View& home = param.division.optimizer() ? param.own_grad : param.whole_grad;
  home = param.division.optimizer() ? arena.push(1, param.own_count(), Dtype::kF32)
                                    : arena.push(param.rows(), param.cols(), Dtype::kF32);
  if (!arena.measuring()) clear(home);
}

void own_value(Param& param, Arena& arena) {
  FALCONER_CHECK(param.vector() && param.value.dtype == Dtype::kF32 && !param.trainable());
  const View value = arena.push(param.rows(), param.cols(), Dtype::kF32);
  if (!arena.measuring()) set_values(value, host_values(param.value));
  param.value = value;
  param.in_arena = true;
  param.mapped = false;
}

const Module* Weights::find(const ModuleId& id) const {
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [&](const Module& module) { return module.id == id; });
  return found == modules.end() ? nullptr : &*found;
}

const Module& Weights::at(const ModuleId& id) const {
  const Module* const found = find(id);
  FALCONER_CHECK(found != nullptr);
  return *found;
}

Weights declare_weights(const ModelConfig& config, const Division& division) {
  const ModuleNames names = architecture(config.family).names(config);
  Weights weights;
  int32_t linear = 0;
  declare_modules(config, [&](const ModuleShape& shape) {
    const int64_t layer = shape.id.layer;
    Module module{
        .id = shape.id, .kind = shape.kind, .name = names(shape.id), .parts = shape.parts};
    if (shape.kind == ModuleKind::kLinear) module.number = linear++;
    module.w = shape.tied
                   ? weights.embedding
                   : add(weights, module.name + weight_end(shape.kind), weight_shape(shape), layer);
    if (shape.bias) module.b = add(weights, module.name + ".bias", {shape.out}, layer);
    if (shape.id.role == Role::kEmbedding) weights.embedding = module.w;
    weights.modules.push_back(std::move(module));
  });
  for (const auto& param : weights.params)
    if (!param->vector()) param->division = division;
  return weights;
}

namespace {

// What a state space mixer's heads decay and step by: a number that is none would be lost in its exponentials, and
// answers be finite all the same.
void check_vectors(const Weights& weights, const TensorFiles& files) {
  for (const Module& module : weights.modules) {
    if (module.kind != ModuleKind::kVector) continue;
    const std::vector<float> values = host_values(module.w->value);
    for (size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values[i]))
        fail(
            "{}: {} holds {} at {}, and nothing can be computed with that; fetch the file again, "
            "or "
            "take another checkpoint of the run that made it",
            files.find(module.w->name)->file.string(), module.w->name, values[i], i);
  }
}

}  // namespace

void load_weights(Weights& weights, const ModelConfig& config, const TensorFiles& files,
                  Dtype matrix, Arena& fixed, std::optional<Dtype> quantise) {
  const bool on_device = fixed.device() != nullptr;
  const Architecture& arch = architecture(config.family);
  check_names(weights, arch, files);
  bool quantised = false;
  for (const auto& param : weights.params) {
    const StoredTensor& stored = find_checked(*param, files);
    const std::optional<Dtype> blocks = stored.blocks();
    const bool in_blocks = stays_in_blocks(*param, blocks, fixed);
    const std::optional<Dtype> made =
        in_blocks ? std::nullopt : quantised_to(*param, quantise, fixed);
    quantised = quantised || made;
    const Dtype wanted =
        param->vector() ? Dtype::kF32 : made.value_or(in_blocks ? *blocks : matrix);
    const bool as_stored = in_blocks || (!blocks && stays_as_stored(*param, stored.dtype, wanted));
    if (!made && (as_stored || (on_device && !param->vector() && !blocks)) && stored.plain()) {
      param->value = stored.view();
      param->mapped = stored.mapped;
      continue;
    }
    if (param->division.weights()) {
      load_own_piece(*param, stored, wanted, fixed);
      continue;
    }
    param->value = fixed.push(param->rows(), param->cols(), wanted);
    param->in_arena = true;
    if (fixed.measuring()) continue;
    stored.copy_to(param->value);
    stored.forget();
  }
  if (quantise && !quantised && !on_device)
    fail_nothing_in_blocks(files.files().front().string(), label_of(*quantise));
  if (!fixed.measuring()) check_vectors(weights, files);
}

void assume_weights(Weights& weights, Dtype stored, Dtype matrix, Arena& fixed,
                    std::optional<Dtype> quantise) {
  FALCONER_CHECK(fixed.measuring());
  Arena files;
  for (const auto& param : weights.params) {
    const std::optional<Dtype> made = quantised_to(*param, quantise, fixed);
    const Dtype wanted = param->vector() ? Dtype::kF32 : made.value_or(matrix);
    const bool as_stored = !made && stays_as_stored(*param, stored, wanted);
    if (as_stored || (fixed.device() != nullptr && !param->vector())) {
      param->value = files.push(param->rows(), param->cols(), stored);
      param->mapped = true;
    } else if (param->division.weights()) {
      load_own_piece(*param, {}, wanted, fixed);
    } else {
      param->value = fixed.push(param->rows(), param->cols(), wanted);
      param->in_arena = true;
    }
  }
}

void place_weights(Weights& weights, Dtype activation, Arena& fixed) {
  if (fixed.device() == nullptr) return;
  for (const auto& param : weights.params) {
    const bool divided = param->division.weights() && !param->vector();
    if (param->in_arena || divided) continue;
    const View value = fixed.push(param->rows(), param->cols(), activation);
    if (!fixed.measuring()) {
      copy_converted(param->value, value);
      if (param->mapped) forget(*param);
    }
    param->value = value;
    param->in_arena = true;
    param->mapped = false;
  }
}

void divide_mapped(Weights& weights, Dtype activation, Arena& fixed) {
  for (const auto& param : weights.params)
    if (param->division.weights() && !param->in_arena && param->value)
      keep_own_piece(*param, fixed.device() != nullptr ? activation : param->value.dtype, fixed);
}

namespace {

// What vectors begin with, where that is not 0: norms multiply by 1; the heads of a state space mixer decay at rates of
// 1, 2, 3, ... as transformers' class has them.
std::map<const Param*, std::vector<float>> first_values(const Weights& weights,
                                                        const ModelConfig& config) {
  std::map<const Param*, std::vector<float>> made;
  for (const Module& module : weights.modules) {
    const auto count = static_cast<size_t>(module.w->size());
    if (module.kind == ModuleKind::kNorm)
      made[module.w].assign(count, static_cast<float>(1 - config.norm_offset));
    if (module.kind != ModuleKind::kVector) continue;
    std::vector<float>& values = made[module.w];
    values.assign(count, 1.0f);
    if (module.id.role == Role::kSsmDecay)
      for (size_t i = 0; i < count; ++i) values[i] = std::log(static_cast<float>(i + 1));
  }
  return made;
}

}  // namespace

void init_weights(Run& run, Weights& weights, const ModelConfig& config, uint64_t seed, Dtype dtype,
                  Arena& fixed) {
  uint32_t number = 0;
  std::map<const Param*, std::vector<float>> first = first_values(weights, config);
  for (const auto& param : weights.params) {
    const ArenaScope scope(*run.scratch);
    Arena& arena = param->division.weights() ? *run.scratch : fixed;
    param->value = arena.push(param->rows(), param->cols(), param->vector() ? Dtype::kF32 : dtype);
    param->in_arena = true;
    const RandomStream stream(seed, RandomPurpose::kInit, number++);
    if (param->shape.size() > 1)
      fill_normal(run, {.x = param->value, .stream = stream, .std = config.init_std});
    else if (!fixed.measuring())
      set_values(param->value, first.contains(param.get())
                                   ? first.at(param.get())
                                   : std::vector<float>(static_cast<size_t>(param->size())));
    if (param->division.weights()) keep_own_piece(*param, dtype, fixed);
  }
}

void check_weights(const Weights& weights, const ModelConfig& config, const TensorFiles& files) {
  check_names(weights, architecture(config.family), files);
  for (const auto& param : weights.params) find_checked(*param, files);
}

void allocate_vectors(Weights& weights, Arena& fixed) {
  for (const auto& param : weights.params) {
    if (!param->vector()) continue;
    param->value = fixed.push(param->rows(), param->cols(), Dtype::kF32);
    param->in_arena = true;
    if (!fixed.measuring()) clear(param->value);
  }
}

}  // namespace falconer
