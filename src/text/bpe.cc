#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <queue>

#include "base/error.h"
#include "base/utf8.h"
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

/// The same through a queue of candidates over a linked list: n log n. A candidate is its rank and
/// its place in one number, so that the smallest is the next: of equal ranks the leftmost.
class LongMerger {
 public:
  LongMerger(const MergeTable& merges, std::vector<int32_t>& ids) : merges_(merges), ids_(ids) {
    const size_t count = ids.size();
    if (count >= kNone) fail("a word of {} bytes is too long to be tokenized", count);
    next_.resize(count);
    previous_.resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      next_[i] = i + 1 < count ? i + 1 : kNone;
      previous_[i] = i > 0 ? i - 1 : kNone;
    }
    std::vector<uint64_t> candidates;
    candidates.reserve(count);
    for (uint32_t i = 0; i + 1 < count; ++i)
      if (const auto merge = find(i); merge.rank >= 0) candidates.push_back(key(merge.rank, i));
    queue_ = Queue(std::greater<>(), std::move(candidates));
  }

  void run() {
    while (!queue_.empty()) {
      const uint64_t top = queue_.top();
      queue_.pop();
      const auto at = static_cast<uint32_t>(top);
      // The tokens may have changed since; no other pair has the rank.
      const auto merge = ids_[at] >= 0 && next_[at] != kNone ? find(at) : MergeTable::Merge();
      if (merge.rank < 0 || key(merge.rank, at) != top) continue;
      const uint32_t right = next_[at], behind = next_[right];
      ids_[at] = merge.merged;
      ids_[right] = -1;
      next_[at] = behind;
      if (behind != kNone) previous_[behind] = at;
      if (previous_[at] != kNone) consider(previous_[at]);
      if (behind != kNone) consider(at);
    }
    std::erase(ids_, -1);
  }

 private:
  using Queue = std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>>;
  static constexpr uint32_t kNone = ~uint32_t{0};

  static uint64_t key(int32_t rank, uint32_t at) { return static_cast<uint64_t>(rank) << 32 | at; }
  MergeTable::Merge find(uint32_t at) const { return merges_.find(ids_[at], ids_[next_[at]]); }
  void consider(uint32_t at) {
    if (const auto merge = find(at); merge.rank >= 0) queue_.push(key(merge.rank, at));
  }

  const MergeTable& merges_;
  std::vector<int32_t>& ids_;
  std::vector<uint32_t> next_, previous_;
  Queue queue_;
};

bool is_unset(const nlohmann::json& model, const char* key) {
  const auto it = model.find(key);
  return it == model.end() || it->is_null() || *it == false || *it == "" || *it == 0.0;
}

void check_settings(const nlohmann::json& model) {
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (!is_unset(model, key)) fail("its model sets \"{}\", which Falconer does not have", key);
}

std::string read_side(std::string_view spelling, bool byte_level) {
  if (!byte_level) return std::string(spelling);
  auto bytes = unspell_bytes(spelling);
  if (!bytes) fail("its merge of \"{}\" is not spelled in the byte-level alphabet", spelling);
  return *std::move(bytes);
}

/// A merge is written ["a", "b"], or "a b" in older files.
std::pair<std::string, std::string> read_merge(const nlohmann::json& json, bool bytes) {
  if (json.is_array() && json.size() == 2)
    return {read_side(json[0].get_ref<const std::string&>(), bytes),
            read_side(json[1].get_ref<const std::string&>(), bytes)};
  const auto& text = json.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
    fail("its merge \"{}\" is not two tokens with a space between", text);
  return {read_side(std::string_view(text).substr(0, space), bytes),
          read_side(std::string_view(text).substr(space + 1), bytes)};
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

BytePairEncoder::BytePairEncoder(const nlohmann::json& model, const Vocabulary& vocabulary,
                                 bool bytes)
    : vocabulary_(&vocabulary),
      merges_(model.at("merges").size()),
      own_(static_cast<size_t>(vocabulary.size())),
      bytes_(bytes),
      whole_(new std::atomic<uint8_t>[static_cast<size_t>(vocabulary.size())]()) {
  check_settings(model);
  for_each_own_token(model,
                     [&](const std::string&, int64_t id) { own_[static_cast<size_t>(id)] = true; });
  // A piece with an added token's text is none of it; with ignore_merges any other one is whole.
  ignore_merges_ = model.value("ignore_merges", false);
  for (size_t i = 0; i < own_.size(); ++i) whole_[i] = own_[i] ? kUnknown : kNotWhole;
  for (int i = 0; i < 256; ++i) {
    const char byte = static_cast<char>(i);
    byte_ids_[i] = find_own({&byte, 1});
  }
  read_unknown(model);
  int32_t rank = 0;
  for (const auto& json : model.at("merges")) {
    const auto [left, right] = read_merge(json, bytes);
    const int32_t ids[3] = {find_own(left), find_own(right), find_own(left + right)};
    if (ids[0] < 0 || ids[1] < 0 || ids[2] < 0)
      fail("its merge {} (\"{}\" with \"{}\") names a token that the vocabulary lacks", rank + 1,
           bytes ? spell_bytes(left) : left, bytes ? spell_bytes(right) : right);
    merges_.add(ids[0], ids[1], {rank++, ids[2]});
  }
}

int32_t BytePairEncoder::find_own(std::string_view bytes) const {
  const int32_t id = vocabulary_->find(bytes);
  return id >= 0 && own_[static_cast<size_t>(id)] ? id : -1;
}

// Where every byte has its token, nothing is ever unknown to a byte-level model.
void BytePairEncoder::read_unknown(const nlohmann::json& model) {
  fallback_ids_.fill(-1);
  if (bytes_ && std::find(byte_ids_.begin(), byte_ids_.end(), -1) == byte_ids_.end()) return;
  if (!is_unset(model, "byte_fallback")) {
    if (bytes_)
      fail("its model sets \"byte_fallback\", and its pre_tokenizer makes bytes of all text");
    for (int i = 0; i < 256; ++i)
      fallback_ids_[i] = find_own(byte_token(static_cast<unsigned char>(i)));
  }
  if (is_unset(model, "unk_token")) return;
  const auto name = model["unk_token"].get<std::string>();
  unknown_ = find_own(bytes_ ? unspell_bytes(name).value_or(name) : name);
  if (unknown_ < 0)
    fail("its model sets the \"unk_token\" \"{}\", which its vocabulary lacks", name);
  fuse_unknown_ = model.value("fuse_unk", false);
  plain_bytes_ = false;
}

void BytePairEncoder::encode_piece(std::string_view piece, std::vector<int32_t>& ids) const {
  thread_local std::vector<int32_t> parts;
  const int32_t id = vocabulary_->find(piece);
  if (id >= 0) {
    auto& state = whole_[static_cast<size_t>(id)];
    uint8_t whole = state.load(std::memory_order_relaxed);
    if (whole == kUnknown && ignore_merges_) whole = kWhole;
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
  if (bytes_ && plain_bytes_) {
    for (const char byte : piece)
      if (const int32_t id = byte_ids_[static_cast<unsigned char>(byte)]; id >= 0)
        ids.push_back(id);
  } else {
    append_characters(piece, ids);
  }
  if (ids.size() > kShortPiece) return LongMerger(merges_, ids).run();
  size_t count = ids.size();
  merge_short(merges_, ids.data(), count);
  ids.resize(count);
}

// An unknown character waits for the next one that is known: `fuse_unk` makes one of several. The
// bytes of a character do not end the waiting, as in `tokenizers`.
void BytePairEncoder::append_characters(std::string_view piece, std::vector<int32_t>& ids) const {
  bool waiting = false;
  for (size_t at = 0; at < piece.size();) {
    const size_t length = bytes_ ? 1 : decode_utf8(piece, at).length;
    const std::string_view character = piece.substr(at, length);
    at += length;
    const int32_t id =
        length == 1 ? byte_ids_[static_cast<unsigned char>(character[0])] : find_own(character);
    if (id >= 0) {
      if (waiting) ids.push_back(unknown_);
      waiting = false;
      ids.push_back(id);
      continue;
    }
    const auto fallback = [&](char byte) {
      return fallback_ids_[static_cast<unsigned char>(byte)];
    };
    if (std::all_of(character.begin(), character.end(), [&](char c) { return fallback(c) >= 0; })) {
      for (const char byte : character) ids.push_back(fallback(byte));
      continue;
    }
    if (unknown_ < 0) continue;
    if (waiting && !fuse_unknown_) ids.push_back(unknown_);
    waiting = true;
  }
  if (waiting) ids.push_back(unknown_);
}

}  // namespace falconer
