#include "model/rotations.h"

#include <algorithm>

#include "ops/rope.h"

namespace falconer {
namespace {

// Rows of a table that are made at once; more are made when they are needed.
constexpr int64_t kFirstPositions = 2048;

}  // namespace

Rotations::Rotations(const ModelConfig& config, Run& run, Arena& fixed, BlockTables& tables)
    : base_(config.rope_base),
      window_base_(config.window_rope_base),
      dims_(config.rope_dims),
      context_(config.context),
      scaling_(config.rope_scaling) {
  const int64_t positions = std::min(context_, kFirstPositions);
  for (const Kind& kind : kinds()) {
    const View table = fixed.push(kind.parts() * positions, dims_, Dtype::kF32);
    if (!fixed.measuring()) fill(run, kind, table);
    tables.*kind.table = table;
  }
}

std::vector<Rotations::Kind> Rotations::kinds() const {
  if (dims_ == 0) return {};
  const bool splits = scaling_.type == RopeType::kLongRope && scaling_.original_context < context_;
  std::vector<Kind> all = {{&BlockTables::rope, &Rotations::longer_, base_, scaling_,
                            splits ? scaling_.original_context : 0}};
  if (window_base_ > 0)
    all.push_back({&BlockTables::window_rope, &Rotations::longer_window_, window_base_, {}, 0});
  return all;
}

void Rotations::fill(Run& run, const Kind& kind, const View& table) const {
  const int64_t rows = table.rows / kind.parts();
  for (int64_t part = 0; part < kind.parts(); ++part) {
    const RopeFrequencies made = rope_frequencies(kind.scaling, kind.base, dims_, context_,
                                                  part == 0 ? 0 : kind.original + 1);
    rope_table(run, table.row_range(part * rows, rows), made.values, made.factor);
  }
}

// Where a table grows it doubles: an answer goes on token by token.
void Rotations::reach(Run& run, const Batch& batch, BlockTables& tables) {
  tables.rope_rows = {};
  if (run.dry || dims_ == 0) return;
  int64_t needed = 0;
  for (const AttentionSpan& span : batch.spans) needed = std::max(needed, span.kv_count);
  FALCONER_CHECK(needed <= context_);
  for (const Kind& kind : kinds()) {
    View& table = tables.*kind.table;
    const int64_t rows = table.rows / kind.parts();
    if (needed > rows) {
      const int64_t grown = std::min(context_, std::max(needed, 2 * rows));
      Tensor longer(kind.parts() * grown, dims_, Dtype::kF32, table.device);
      fill(run, kind, longer.view());
      this->*kind.longer = std::move(longer);
      table = (this->*kind.longer).view();
    }
    if (kind.original > 0) place(batch, kind.original, tables);
  }
}

void Rotations::place(const Batch& batch, int64_t original, BlockTables& tables) {
  const auto half = static_cast<int32_t>(tables.rope.rows / 2);
  bool any = false;
  for (size_t i = 0; i < batch.spans.size(); ++i) any |= batch.length(i) > original;
  if (!any) return;
  rows_ = Tensor(1, batch.tokens(), Dtype::kI32);
  int32_t* const rows = rows_.view().row<int32_t>(0);
  std::copy_n(batch.positions.row<int32_t>(0), batch.tokens(), rows);
  for (size_t i = 0; i < batch.spans.size(); ++i) {
    if (batch.length(i) <= original) continue;
    const AttentionSpan& span = batch.spans[i];
    for (int64_t n = span.q_begin; n < span.q_begin + span.q_count; ++n) rows[n] += half;
  }
  tables.rope_rows = rows_.view();
}

}  // namespace falconer
