#include "text/bpe.h"

#include <bit>
#include <nlohmann/json.hpp>
#include <queue>

#include "base/error.h"
#include "text/byte_alphabet.h"

namespace falconer {
namespace {

/// Pieces up to this many tokens are searched pair by pair; longer ones get a queue.
constexpr size_t kShortPiece = 32;

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

/// Merges the lowest rank, the leftmost of equals, until nothing merges. Quadratic, but without any
/// allocation.
void merge_short(const MergeTable& merges, int32_t* ids, size_t& count) {
  MergeTable::Merge pairs[kShortPiece];
  for (size_t i = 0; i + 1 < count; ++i) pairs[i] = merges.find(ids[i], ids[i + 1]);
  while (count > 1) {
    size_t best = count;
    for (size_t i = 0; i + 1 < count; ++i)
      if (pairs[i].rank >= 0 && (best == count || pairs[i].rank < pairs[best].rank)) best = i;
    if (best == count) return;
    ids[best] = pairs[best].merged;
    std::copy(ids + best + 2, ids + count, ids + best + 1);
    --count;
    if (best + 1 < count) std::copy(pairs + best + 2, pairs + count, pairs + best + 1);
    if (best > 0) pairs[best - 1] = merges.find(ids[best - 1], ids[best]);
    if (best + 1 < count) pairs[best] = merges.find(ids[best], ids[best + 1]);
  }
}

/// The same through a queue of candidates over a linked list: n log n.
class LongMerger {
 public:
  LongMerger(const MergeTable& merges, std::vector<int32_t>& ids) : merges_(merges), ids_(ids) {
    const auto count = static_cast<int64_t>(ids.size());
    next_.resize(ids.size());
    previous_.resize(ids.size());
    for (int64_t i = 0; i < count; ++i) {
      next_[i] = i + 1 < count ? i + 1 : -1;
      previous_[i] = i - 1;
    }
    for (int64_t i = 0; i < count; ++i) consider(i);
  }

  void run() {
    while (!queue_.empty()) {
      const Candidate top = queue_.top();
      queue_.pop();
      const int64_t right = next_[top.at];
      // Its tokens may have changed since: then a newer candidate stands for the place.
      if (ids_[top.at] != top.left || right < 0 || ids_[right] != top.right) continue;
      ids_[top.at] = top.merged;
      ids_[right] = -1;
      next_[top.at] = next_[right];
      if (next_[right] >= 0) previous_[next_[right]] = top.at;
      if (previous_[top.at] >= 0) consider(previous_[top.at]);
      consider(top.at);
    }
    std::erase(ids_, -1);
  }

 private:
  struct Candidate {
    int32_t rank, left, right, merged;
    int64_t at;
    bool operator<(const Candidate& other) const {  // the queue gives out the largest
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  void consider(int64_t at) {
    if (next_[at] < 0) return;
    const int32_t left = ids_[at], right = ids_[next_[at]];
    const auto merge = merges_.find(left, right);
    if (merge.rank >= 0) queue_.push({merge.rank, left, right, merge.merged, at});
  }

  const MergeTable& merges_;
  std::vector<int32_t>& ids_;
  std::vector<int64_t> next_, previous_;
  std::priority_queue<Candidate> queue_;
};

/// Settings that change what BPE does and that byte-level tokenizers leave alone.
void check_settings(const nlohmann::json& model) {
  if (const auto type = model.value("type", "BPE"); type != "BPE")
    fail("its model is of type \"{}\"; Falconer reads byte-level BPE only", type);
  const auto unset = [&](const char* key) {
    const auto it = model.find(key);
    return it == model.end() || it->is_null() || *it == false || *it == "" || *it == 0.0;
  };
  for (const char* key :
       {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"})
    if (!unset(key)) fail("its model sets \"{}\", which byte-level BPE does not have", key);
}

std::string read_side(std::string_view spelling) {
  auto bytes = unspell_bytes(spelling);
  if (!bytes) fail("its merge of \"{}\" is not spelled in the byte-level alphabet", spelling);
  return *std::move(bytes);
}

/// A merge is written ["a", "b"], or "a b" in older files.
std::pair<std::string, std::string> read_merge(const nlohmann::json& json) {
  if (json.is_array() && json.size() == 2)
    return {read_side(json[0].get_ref<const std::string&>()),
            read_side(json[1].get_ref<const std::string&>())};
  const auto& text = json.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
    fail("its merge \"{}\" is not two tokens with a space between", text);
  return {read_side(std::string_view(text).substr(0, space)),
          read_side(std::string_view(text).substr(space + 1))};
}

}  // namespace

MergeTable::MergeTable(size_t count) : slots_(std::bit_ceil(2 * count + 2)) {}

size_t MergeTable::slot(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  size_t at = (pair * 0x9E3779B97F4A7C15) >> 32 & mask;
  while (slots_[at].merge.rank >= 0 && slots_[at].pair != pair) at = (at + 1) & mask;
  return at;
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = pair_key(left, right);
  slots_[slot(pair)] = {pair, merge};
}

MergeTable::Merge MergeTable::find(int32_t left, int32_t right) const {
  return slots_[slot(pair_key(left, right))].merge;
}

BytePairEncoder::BytePairEncoder(const nlohmann::json& model, const Vocabulary& vocabulary)
    : vocabulary_(&vocabulary),
      merges_(model.at("merges").size()),
      whole_(new std::atomic<uint8_t>[static_cast<size_t>(vocabulary.size())]()) {
  check_settings(model);
  ignore_merges_ = model.value("ignore_merges", false);
  for (int i = 0; i < 256; ++i) {
    const char byte = static_cast<char>(i);
    byte_ids_[i] = vocabulary.find({&byte, 1});
  }
  int32_t rank = 0;
  for (const auto& json : model.at("merges")) {
    const auto [left, right] = read_merge(json);
    const int32_t ids[3] = {vocabulary.find(left), vocabulary.find(right),
                            vocabulary.find(left + right)};
    if (ids[0] < 0 || ids[1] < 0 || ids[2] < 0)
      fail("its merge {} (\"{}\" with \"{}\") names a token that the vocabulary lacks", rank + 1,
           spell_bytes(left), spell_bytes(right));
    merges_.add(ids[0], ids[1], {rank++, ids[2]});
  }
}

void BytePairEncoder::encode(std::string_view piece, std::vector<int32_t>& ids) const {
  thread_local std::vector<int32_t> parts;
  const int32_t id = vocabulary_->find(piece);
  if (id >= 0) {
    auto& state = whole_[static_cast<size_t>(id)];
    uint8_t whole = kWhole;
    if (!ignore_merges_) whole = state.load(std::memory_order_relaxed);
    if (whole == kUnknown) {
      merge(piece, parts);
      whole = parts.size() == 1 && parts[0] == id ? kWhole : kNotWhole;
      state.store(whole, std::memory_order_relaxed);
    }
    if (whole == kWhole) return ids.push_back(id);
  }
  merge(piece, parts);
  ids.insert(ids.end(), parts.begin(), parts.end());
}

void BytePairEncoder::merge(std::string_view piece, std::vector<int32_t>& ids) const {
  ids.clear();
  for (const char byte : piece)
    if (const int32_t id = byte_ids_[static_cast<unsigned char>(byte)]; id >= 0) ids.push_back(id);
  if (ids.size() > kShortPiece) return LongMerger(merges_, ids).run();
  size_t count = ids.size();
  merge_short(merges_, ids.data(), count);
  ids.resize(count);
}

}  // namespace falconer
