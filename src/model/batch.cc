#include "model/batch.h"

#include <algorithm>

namespace falconer {
namespace {

Tensor make_ids(int64_t count) { return Tensor(1, count, Dtype::kI32); }

void take_range(Batch& batch, std::span<const int32_t> ids) {
  for (const int32_t id : ids) {
    batch.least_id = std::min(batch.least_id, id);
    batch.most_id = std::max(batch.most_id, id);
  }
}

Tensor copy_of(const std::vector<int32_t>& values) {
  Tensor made = make_ids(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), made.view().row<int32_t>(0));
  return made;
}

}  // namespace

BatchBuffer BatchBuffer::for_training(std::span<const Sequence> sequences) {
  BatchBuffer made;
  std::vector<int32_t> ids, positions, rows, targets;
  for (const Sequence& sequence : sequences) {
    const int64_t begin = static_cast<int64_t>(ids.size());
    const int64_t count = static_cast<int64_t>(sequence.ids.size());
    made.batch_.spans.push_back({begin, count, begin, count});
    made.batch_.states.push_back({.begin = begin, .count = count});
    for (int64_t i = 0; i < count; ++i) {
      ids.push_back(sequence.ids[i]);
      positions.push_back(static_cast<int32_t>(i));
      if (sequence.labels.empty() || i + 1 >= count || sequence.labels[i + 1] < 0) continue;
      rows.push_back(static_cast<int32_t>(begin + i));
      targets.push_back(sequence.labels[i + 1]);
    }
  }
  take_range(made.batch_, ids);
  take_range(made.batch_, targets);
  made.ids_ = copy_of(ids);
  made.positions_ = copy_of(positions);
  made.target_rows_ = copy_of(rows);
  made.targets_ = copy_of(targets);
  made.batch_.ids = made.ids_.view();
  made.batch_.positions = made.positions_.view();
  made.batch_.target_rows = made.target_rows_.view();
  made.batch_.targets = made.targets_.view();
  return made;
}

BatchBuffer BatchBuffer::for_generation(std::span<const Continuation> sequences) {
  BatchBuffer made;
  std::vector<int32_t> ids, positions, cache_rows;
  for (const Continuation& sequence : sequences) {
    const int64_t count = std::ssize(sequence.ids), end = sequence.past + count;
    const AttentionSpan span{.q_begin = std::ssize(ids),
                             .q_count = count,
                             .kv_count = end,
                             .first_page = std::ssize(made.batch_.pages)};
    FALCONER_CHECK(end <= std::ssize(sequence.pages) * kPageRows);
    made.batch_.pages.insert(made.batch_.pages.end(), sequence.pages.begin(), sequence.pages.end());
    made.batch_.spans.push_back(span);
    made.batch_.states.push_back({.begin = span.q_begin,
                                  .count = count,
                                  .slot = sequence.slot,
                                  .first = sequence.past == 0,
                                  .copy_after = sequence.copy_after,
                                  .copy_slot = sequence.copy_slot});
    made.batch_.lengths.push_back(sequence.length);
    for (int64_t i = sequence.past; i < end; ++i) {
      ids.push_back(sequence.ids[static_cast<size_t>(i - sequence.past)]);
      positions.push_back(static_cast<int32_t>(i));
      cache_rows.push_back(static_cast<int32_t>(key_row(span, made.batch_.pages.data(), i)));
    }
  }
  take_range(made.batch_, ids);
  made.ids_ = copy_of(ids);
  made.positions_ = copy_of(positions);
  made.cache_rows_ = copy_of(cache_rows);
  made.batch_.ids = made.ids_.view();
  made.batch_.positions = made.positions_.view();
  made.batch_.cache_rows = made.cache_rows_.view();
  return made;
}

Batch measuring_batch(int64_t tokens, int64_t targets, int64_t sequences) {
  // Addresses that are never read: a dry run looks at shapes alone.
  Arena nowhere;
  Batch batch;
  batch.ids = nowhere.push(1, tokens, Dtype::kI32);
  batch.positions = nowhere.push(1, tokens, Dtype::kI32);
  batch.spans = {{0, tokens, 0, tokens}};
  // Cut so that there are as many chunks of a scan as can be.
  for (int64_t i = 1; i < std::min(sequences, tokens); ++i)
    batch.states.push_back({.begin = i - 1, .count = 1});
  const int64_t rest = std::ssize(batch.states);
  batch.states.push_back({.begin = rest, .count = tokens - rest});
  batch.target_rows = nowhere.push(1, targets, Dtype::kI32);
  batch.targets = nowhere.push(1, targets, Dtype::kI32);
  return batch;
}

}  // namespace falconer
