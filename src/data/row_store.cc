#include "data/row_store.h"

#include <algorithm>
#include <limits>

#include "base/digest.h"
#include "base/error.h"

namespace falconer {
namespace {

/// Begins and ends of what is learned; nothing where a label is neither its id nor ignored.
std::optional<std::vector<int32_t>> learned_spans(const Row& row) {
  std::vector<int32_t> spans;
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const bool learned = row.labels[i] != kIgnoredLabel;
    if (learned && row.labels[i] != row.ids[i]) return {};
    if (learned != (spans.size() % 2 == 1)) spans.push_back(static_cast<int32_t>(i));
  }
  if (spans.size() % 2 == 1) spans.push_back(static_cast<int32_t>(row.ids.size()));
  return spans;
}

}  // namespace

uint64_t hash_of(std::span<const int32_t> ids) {
  uint64_t hash = 1469598103934665603u;  // FNV-1a
  for (const int32_t id : ids) hash = (hash ^ static_cast<uint32_t>(id)) * 1099511628211u;
  return hash;
}

std::vector<Repeat> repeats_in(const RowStore& rows) {
  std::vector<std::pair<uint64_t, int64_t>> all;
  all.reserve(static_cast<size_t>(rows.size()));
  for (int64_t i = 0; i < rows.size(); ++i) all.emplace_back(rows.hash(i), i);
  std::sort(all.begin(), all.end());
  std::vector<Repeat> repeats;
  for (size_t i = 1, first = 0; i < all.size(); ++i)
    if (all[i].first == all[first].first)
      repeats.push_back({all[i].second, all[first].second});
    else
      first = i;
  std::sort(repeats.begin(), repeats.end(),
            [](const Repeat& a, const Repeat& b) { return a.row < b.row; });
  return repeats;
}

RowStore::RowStore(std::filesystem::path scratch_folder, size_t memory_bytes)
    : scratch_folder_(std::move(scratch_folder)), most_in_memory_(memory_bytes / sizeof(int32_t)) {}

void RowStore::add(const Row& row) {
  FALCONER_CHECK(row.ids.size() == row.labels.size() &&
                 row.ids.size() < static_cast<size_t>(std::numeric_limits<int32_t>::max()));
  index_.push_back({.offset = total_,
                    .line = row.line,
                    .hash = hash_of(row.ids),
                    .length = static_cast<int32_t>(row.ids.size()),
                    .targets = static_cast<int32_t>(row.targets())});
  const size_t before = recent_.size();
  const auto spans = learned_spans(row);
  recent_.push_back(spans ? static_cast<int32_t>(spans->size()) : -1);
  if (spans) recent_.insert(recent_.end(), spans->begin(), spans->end());
  recent_.insert(recent_.end(), row.ids.begin(), row.ids.end());
  if (!spans) recent_.insert(recent_.end(), row.labels.begin(), row.labels.end());
  total_ += recent_.size() - before;
  if (recent_.size() > most_in_memory_) spill();
}

void RowStore::spill() {
  if (!file_) file_ = std::make_unique<ScratchFile>(scratch_folder_);
  file_->append(recent_.data(), recent_.size() * sizeof(int32_t));
  recent_.clear();
}

std::vector<int32_t> RowStore::numbers_of(uint64_t offset, size_t count) const {
  std::vector<int32_t> numbers(count);
  const uint64_t spilled = total_ - recent_.size();
  if (offset < spilled)
    file_->read(offset * sizeof(int32_t), numbers.data(), count * sizeof(int32_t));
  else
    std::copy_n(recent_.begin() + static_cast<ptrdiff_t>(offset - spilled), count, numbers.begin());
  return numbers;
}

Row RowStore::operator[](int64_t i) const {
  const Entry& entry = index_[static_cast<size_t>(i)];
  const uint64_t end = static_cast<size_t>(i) + 1 < index_.size()
                           ? index_[static_cast<size_t>(i) + 1].offset
                           : total_;
  const std::vector<int32_t> numbers =
      numbers_of(entry.offset, static_cast<size_t>(end - entry.offset));
  const bool spans = numbers[0] >= 0;
  const auto ids = numbers.begin() + 1 + (spans ? numbers[0] : 0);
  Row row{.ids = {ids, ids + entry.length}, .labels = {}, .line = entry.line};
  if (!spans) {
    row.labels.assign(ids + entry.length, numbers.end());
    return row;
  }
  row.labels.assign(row.ids.size(), kIgnoredLabel);
  for (auto span = numbers.begin() + 1; span != ids; span += 2)
    std::copy(row.ids.begin() + span[0], row.ids.begin() + span[1], row.labels.begin() + span[0]);
  return row;
}

Row RowStore::at(int64_t i) const {
  FALCONER_CHECK(i >= 0 && i < size());
  return (*this)[i];
}

int64_t RowView::size() const {
  if (ordered_) return std::ssize(order_);
  return rows_ != nullptr ? std::ssize(*rows_) : store_ != nullptr ? store_->size() : 0;
}

Row RowView::operator[](int64_t i) const {
  return rows_ != nullptr ? (*rows_)[static_cast<size_t>(i)] : (*store_)[place(i)];
}
int64_t RowView::length(int64_t i) const {
  return rows_ != nullptr ? std::ssize((*rows_)[static_cast<size_t>(i)].ids)
                          : store_->length(place(i));
}
int64_t RowView::targets(int64_t i) const {
  return rows_ != nullptr ? (*rows_)[static_cast<size_t>(i)].targets() : store_->targets(place(i));
}
int64_t RowView::line(int64_t i) const {
  return rows_ != nullptr ? (*rows_)[static_cast<size_t>(i)].line : store_->line(place(i));
}

std::string fingerprint(const RowView& rows) {
  Digest hash = Digest::sha256();
  for (int64_t i = 0; i < rows.size(); ++i) {
    const Row row = rows[i];
    const int64_t length = std::ssize(row.ids);
    hash.update(&length, sizeof length);
    hash.update(std::span(row.ids));
    hash.update(std::span(row.labels));
  }
  return hash.finish();
}

}  // namespace falconer
