#include "api/model/ranks_at_use.h"

#include <nlohmann/json.hpp>

#include "api/finetune/rank_run.h"
#include "base/digest.h"
#include "base/nearest.h"

namespace falconer {

Division division_for_use(const Ranks* ranks, const std::string& shard) {
  if (shard != ShardName::kNone && shard != ShardName::kAll)
    fail_choice("--shard", shard, {ShardName::kNone, ShardName::kAll});
  if (shard == ShardName::kNone) return {};  // each computes as a process alone does
  return division_of(ranks, shard);
}

RowRange own_rows(int64_t rows, const Ranks* ranks) {
  if (ranks == nullptr) return {0, rows};
  const auto begin = [&](int64_t rank) {
    return (rows * rank + ranks->size() - 1) / ranks->size();
  };
  return {begin(ranks->rank()), begin(ranks->rank() + 1) - begin(ranks->rank())};
}

void refuse_other_prompts(Ranks& ranks, const std::vector<std::vector<int32_t>>& prompts) {
  Digest digest = Digest::sha256();
  for (const auto& ids : prompts) {
    digest.update(std::to_string(ids.size()));
    digest.update(std::span(ids));
  }
  refuse_difference(&ranks, "set of prompts", digest.finish());
}

// CBOR keeps every bit of a number, and text as it is.
std::vector<Completion> completions_of_all(Ranks& ranks, const std::vector<Completion>& mine) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Completion& c : mine)
    rows.push_back({c.prompt_ids, c.ids, c.text, c.finish_reason, c.prefill_tokens_per_second,
                    c.decode_tokens_per_second});
  std::string packed;
  nlohmann::json::to_cbor(rows, packed);
  std::vector<Completion> all;
  for (const std::string& of_rank : ranks.gather_texts(packed))
    for (const nlohmann::json& row : nlohmann::json::from_cbor(of_rank))
      all.push_back({.prompt_ids = row.at(0),
                     .ids = row.at(1),
                     .text = row.at(2),
                     .finish_reason = row.at(3),
                     .prefill_tokens_per_second = row.at(4),
                     .decode_tokens_per_second = row.at(5)});
  return all;
}

std::vector<std::vector<float>> numbers_of_all(Ranks& ranks,
                                               const std::vector<std::vector<float>>& mine) {
  std::string packed;
  nlohmann::json::to_cbor(nlohmann::json(mine), packed);
  std::vector<std::vector<float>> all;
  for (const std::string& of_rank : ranks.gather_texts(packed))
    for (const nlohmann::json& row : nlohmann::json::from_cbor(of_rank))
      all.push_back(row.get<std::vector<float>>());
  return all;
}

}  // namespace falconer
