// LoRA at one site: its mathematics.
#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/threads.h"
#include "method/lora.h"
#include "method/peft_config.h"
#include "model/visits.h"
#include "ops/affine.h"
#include "ops/dora.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/residual.h"

namespace falconer {
namespace {

// Some rows of a matrix, which ranks may have divided.
template <class Use>
void for_rows_of(Run& run, const Param& param, const RowRange& rows, const Use& use) {
  for_bands_of(run, param, VisitFor::kForward, [&](const Band& band, const View& w, const View&) {
    const int64_t begin = std::max(rows.begin, band.row),
                  end = std::min(rows.begin + rows.count, band.row + band.rows);
    if (begin < end) use(RowRange{begin, end - begin}, w.row_range(begin - band.row, end - begin));
  });
}

View block_of(const View& b, const LoraBlock& block) {
  return b.row_range(block.rows.begin, block.rows.count)
      .col_range(block.rank_begin, block.rank_count);
}
View rows_of(const View& y, const LoraBlock& block) {
  return y.col_range(block.rows.begin, block.rows.count);
}
View ranks_of(const View& a, const LoraBlock& block) {
  return a.col_range(block.rank_begin, block.rank_count);
}

}  // namespace

LoraHook::LoraHook(Spec spec) : spec_(std::move(spec)) {
  const std::string base = std::string(kPeftPrefix) + spec_.site->module();
  a_ = {.name = base + ".lora_A.weight", .shape = {spec_.rank, spec_.site->in()}};
  b_ = {.name = base + ".lora_B.weight", .shape = {spec_.site->out(), spec_.rank}};
  m_ = {.name = base + ".lora_magnitude_vector", .shape = {spec_.site->out()}};
}

void LoraHook::allocate(Run& run, Arena& fixed, bool training) {
  for (Param* param : {&a_, &b_, &m_}) {
    if (param == &m_ && !spec_.dora) continue;
    param->value = fixed.push(param->rows(), param->cols(), Dtype::kF32);
    param->in_arena = true;
    if (!fixed.measuring()) clear(param->value);
    if (training) make_trainable(*param, fixed);
  }
  if (!training && run.activation != Dtype::kF32) {
    narrow_a_ = fixed.push(spec_.rank, spec_.site->in(), run.activation);
    narrow_b_ = fixed.push(spec_.site->out(), spec_.rank, run.activation);
  }
  if (!spec_.dora) return;
  if (!training) factor_ = fixed.push(1, spec_.site->out(), Dtype::kF32);
  w_squares_ = fixed.push(1, spec_.site->out(), Dtype::kF32);
  if (!spec_.site->weight().value) return;
  if (fixed.measuring())
    row_norms(run, w_squares_);  // what the first magnitude will take of scratch
  else
    row_squares(run, {.w = spec_.site->weight().value, .out = w_squares_});
}

// A as torch's Linear is initialised (Kaiming with a = sqrt 5): U(-1/sqrt K, 1/sqrt K). B is 0: the
// start is the base.
void LoraHook::initialise(uint64_t seed) {
  const RandomStream stream(seed, RandomPurpose::kInit, 1,
                            static_cast<uint32_t>(spec_.site->number()));
  const double bound = 1 / std::sqrt(static_cast<double>(a_.cols()));
  std::vector<float> a;
  for (int64_t i = 0; i < a_.size(); ++i)
    a.push_back(static_cast<float>((2.0 * stream.uniform(static_cast<uint64_t>(i)) - 1) * bound));
  set_values(a_.value, a);
  clear(b_.value);
}

void LoraHook::reset_magnitude(Run& run) { row_norms(run, m_.value); }

void LoraHook::prepare_inference(Run& run) {
  if (narrow_a_) {
    copy(run, a_.value, narrow_a_);
    copy(run, b_.value, narrow_b_);
  }
  if (!factor_ || !spec_.site->weight().value) return;  // a session of the adapter alone
  row_norms(run, factor_);
  divide(run, {.a = m_.value, .b = factor_, .out = factor_});
}

int64_t LoraHook::trainable_count() const {
  int64_t total = a_.size() + (spec_.dora ? m_.size() : 0);
  for (const LoraBlock& block : spec_.blocks) total += block.rows.count * block.rank_count;
  return total;
}

// The mask is recomputed from its name (seed, step, site, element), never kept.
View LoraHook::dropped(Run& run, const View& x) const {
  if (!run.training || spec_.dropout == 0) return x;
  const View y = run.scratch->push(x.rows, x.cols, x.dtype);
  dropout(run, {.x = x,
                .y = y,
                .p = static_cast<float>(spec_.dropout),
                .stream = RandomStream(run.seed, RandomPurpose::kDropout, run.step,
                                       static_cast<uint32_t>(spec_.site->number())),
                .first = static_cast<uint64_t>(run.first_row * x.cols)});
  return y;
}

// In bands of W's rows: of a large rank, A W' alone would be as large as B.
void LoraHook::row_norms(Run& run, const View& norms) const {
  constexpr int64_t kMostNumbers = int64_t{1} << 25;  // in a band
  const ArenaScope scope(*run.scratch);
  const bool sum = spec_.rank > spec_.site->in();  // W + s B A is then less than A A' and A W'
  View gram;
  if (!sum) {
    gram = run.scratch->push(spec_.rank, spec_.rank, Dtype::kF32);
    linear_forward(run, {.x = a_.value, .w = a_.value, .y = gram});
  }
  const int64_t rows = spec_.site->out(), most = std::max(spec_.rank, spec_.site->in());
  const int64_t band = std::clamp<int64_t>(kMostNumbers / most, 1, rows);
  for (int64_t row = 0; row < rows; row += band) {
    const RowRange range{row, std::min(band, rows - row)};
    if (sum)
      norms_of_sum(run, range, norms.col_range(range.begin, range.count));
    else
      norms_by_gram(run, range, gram, norms.col_range(range.begin, range.count));
  }
}

void LoraHook::norms_by_gram(Run& run, const RowRange& rows, const View& gram,
                             const View& norms) const {
  for_rows_of(run, spec_.site->weight(), rows, [&](const RowRange& some, const View& w) {
    const ArenaScope scope(*run.scratch);
    const View u = run.scratch->push(spec_.rank, some.count, Dtype::kF32);
    linear_forward(run, {.x = a_.value, .w = w, .y = u});
    dora_norms(run, {.w_squares = w_squares_.col_range(some.begin, some.count),
                     .u = u,
                     .gram = gram,
                     .b = b_.value.row_range(some.begin, some.count),
                     .norms = norms.col_range(some.begin - rows.begin, some.count),
                     .scale = static_cast<float>(spec_.scale)});
  });
}

void LoraHook::norms_of_sum(Run& run, const RowRange& rows, const View& norms) const {
  for_rows_of(run, spec_.site->weight(), rows, [&](const RowRange& some, const View& w) {
    const ArenaScope scope(*run.scratch);
    const View sum = run.scratch->push(some.count, w.cols, Dtype::kF32);
    const View wide = run.scratch->push(some.count, w.cols, Dtype::kF32);
    const View squares = run.scratch->push(1, some.count, Dtype::kF32);
    linear_backward(run, {.w = a_.value,
                          .dy = b_.value.row_range(some.begin, some.count),
                          .dx = sum,
                          .scale = static_cast<float>(spec_.scale)});
    copy(run, w, wide);
    residual(run, {.x = sum, .a = wide, .y = sum});
    row_squares(run, {.w = sum, .out = squares});
    // Their roots: the norms where a B of one rank is zero.
    const View none = run.scratch->push(1, some.count, Dtype::kF32);
    set_zero(run, none);
    dora_norms(run, {.w_squares = squares,
                     .u = none,
                     .gram = none.col_range(0, 1),
                     .b = none.reshape(some.count, 1),
                     .norms = norms.col_range(some.begin - rows.begin, some.count)});
  });
}

void LoraHook::forward(Run& run, const View& x, const View& y, HookKept& kept) const {
  const bool keep = run.keep && trainable();
  kept.a = run.push(keep, x.rows, spec_.rank);
  if (spec_.dora) kept.b = run.push(keep, y.rows, y.cols);
  if (spec_.dora && !factor_) kept.c = run.store(keep).push(2, y.cols, Dtype::kF32);
  const ArenaScope scope(*run.scratch);
  linear_forward(run, {.x = dropped(run, x), .w = narrow_a_ ? narrow_a_ : a_.value, .y = kept.a});
  const View& b = narrow_b_ ? narrow_b_ : b_.value;
  for (const LoraBlock& block : spec_.blocks)
    linear_forward(run, {.x = ranks_of(kept.a, block),
                         .w = block_of(b, block),
                         .y = rows_of(y, block),
                         .scale = static_cast<float>(spec_.scale) * run.adapter_scale,
                         .add = true});
  if (!spec_.dora) return;
  // The base's bias is outside of the magnitude: scale about it.
  const Param* bias = spec_.site->bias();
  affine_forward(run, {.y = y,
                       .scale = dora_factor(run, kept),
                       .about = bias != nullptr ? bias->value : View{},
                       .a = kept.b});
}

View LoraHook::dora_factor(Run& run, HookKept& kept) const {
  if (factor_) return factor_;
  const View norms = kept.c.row_range(0, 1), factor = kept.c.row_range(1, 1);
  row_norms(run, norms);
  divide(run, {.a = m_.value, .b = norms, .out = factor});
  return factor;
}

void LoraHook::backward_out(Run& run, const View& dy, HookKept& kept) const {
  if (spec_.dora) {
    const ArenaScope scope(*run.scratch);
    const View dfactor = run.scratch->push(1, dy.cols, Dtype::kF32);
    set_zero(run, dfactor);
    affine_backward(run,
                    {.a = kept.b, .scale = kept.c.row_range(1, 1), .d = dy, .dscale = dfactor});
    if (m_.trainable())
      divide(run, {.a = dfactor, .b = kept.c.row_range(0, 1), .out = m_.grad, .add = true});
  }
  const float scale = static_cast<float>(spec_.scale);
  const View da = run.scratch->push(dy.rows, spec_.rank, dy.dtype);
  set_zero(run, da);
  for (const LoraBlock& block : spec_.blocks)
    linear_backward(run, {.x = ranks_of(kept.a, block),
                          .w = block_of(b_.value, block),
                          .dy = rows_of(dy, block),
                          .dx = ranks_of(da, block),
                          .dw = block_of(b_.grad, block),
                          .scale = scale,
                          .add_dx = true});
  kept.a = da;  // backward_in reads it; what it held is no longer needed
  if (!a_.trainable()) return;
  const ArenaScope scope(*run.scratch);
  linear_backward(run, {.x = dropped(run, kept.x), .w = a_.value, .dy = da, .dw = a_.grad});
}

void LoraHook::backward_in(Run& run, const View& dx, HookKept& kept) const {
  const ArenaScope scope(*run.scratch);
  if (!run.training || spec_.dropout == 0) {
    linear_backward(run, {.w = a_.value, .dy = kept.a, .dx = dx, .add_dx = true});
    return;
  }
  const View d = run.scratch->push(dx.rows, dx.cols, dx.dtype);
  linear_backward(run, {.w = a_.value, .dy = kept.a, .dx = d});
  dropout(run, {.x = d,
                .y = dx,
                .p = static_cast<float>(spec_.dropout),
                .stream = RandomStream(run.seed, RandomPurpose::kDropout, run.step,
                                       static_cast<uint32_t>(spec_.site->number())),
                .first = static_cast<uint64_t>(run.first_row * dx.cols),
                .add = true});
}

void LoraHook::merge(const View& w) const {
  const float scale = static_cast<float>(spec_.scale);
  parallel_for(w.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      float* row = w.row<float>(m);
      const float* b = b_.value.row<float>(m);
      for (int64_t r = 0; r < spec_.rank; ++r) {
        if (b[r] == 0) continue;
        const float factor = scale * b[r];
        const float* a = a_.value.row<float>(r);
        for (int64_t k = 0; k < w.cols; ++k) row[k] += factor * a[k];
      }
      if (!spec_.dora) continue;
      double square = 0;
      for (int64_t k = 0; k < w.cols; ++k) square += static_cast<double>(row[k]) * row[k];
      const float rescale = static_cast<float>(m_.value.row<float>(0)[m] / std::sqrt(square));
      for (int64_t k = 0; k < w.cols; ++k) row[k] *= rescale;
    }
  });
}

}  // namespace falconer
