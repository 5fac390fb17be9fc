// Byte pair encoding of one piece, of bytes or of characters: neighbours are merged, the earliest learned pair first.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "text/subword_model.h"
#include "text/vocabulary.h"

namespace falconer {

/// Which pair of tokens becomes which token, and how early it was learned.
class MergeTable {
 public:
  struct Merge {
    int32_t rank = -1, merged = -1;  // rank -1: the pair does not merge
  };
  explicit MergeTable(size_t count);
  /// Of a pair given twice, the later counts, as in `tokenizers`.
  void add(int32_t left, int32_t right, Merge merge);
  Merge find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t pair = ~uint64_t{0};
    Merge merge;
  };
  size_t slot(uint64_t pair) const;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
};

/// A byte or character that has no token becomes those of its bytes, or the unknown token, where the model says so. Else
/// it is left out, and its neighbours may merge.
class BytePairEncoder final : public SubwordModel {
 public:
  /// From the "model" of a tokenizer.json. `vocabulary` has its tokens and must live as long.
  /// With `bytes` they are spelled in the byte-level alphabet. Errors: a setting that is not supported,
  /// a merge of unknown tokens.
  BytePairEncoder(const nlohmann::json& model, const Vocabulary& vocabulary, bool bytes);

 private:
  void encode_piece(std::string_view piece, std::vector<int32_t>& ids) const override;
  /// As encode_piece, always by merging; `ids` gets the result.
  void merge(std::string_view piece, std::vector<int32_t>& ids) const;
  /// What is merged: a token for each character, as far as it has one.
  void append_characters(std::string_view piece, std::vector<int32_t>& ids) const;
  /// The model's own token with these bytes; -1 for an added token or none.
  int32_t find_own(std::string_view bytes) const;
  void read_unknown(const nlohmann::json& model);

  const Vocabulary* vocabulary_;
  MergeTable merges_;
  std::vector<bool> own_;  // by token: whether it is the model's own, not an added one
  std::array<int32_t, 256> byte_ids_;
  std::array<int32_t, 256> fallback_ids_;  // "<0x0A>"; -1 where there is none, or none is used
  bool bytes_, plain_bytes_ = true;        // plain: no byte becomes the unknown token
  bool ignore_merges_ = false;
  int32_t unknown_ = -1;
  bool fuse_unknown_ = false;
  // By token: whether merging its bytes gives that token alone. Found out when first asked for.
  enum Whole : uint8_t { kUnknown, kWhole, kNotWhole };
  std::unique_ptr<std::atomic<uint8_t>[]> whole_;
};

}  // namespace falconer
