// What a LoRA is, in the words of the flags that would make it.

#include <algorithm>
#include <cmath>
#include <set>

#include "base/joined.h"
#include "method/lora.h"
#include "method/lora_targets.h"

namespace falconer {
namespace {

// "q", "v" where the blocks are those of q and v; the module's last name where they are the whole.
std::vector<std::string> targets_of(const LoraHook::Spec& spec) {
  std::vector<std::string> names;
  for (const SitePart& part : spec.site->parts())
    for (const LoraBlock& block : spec.blocks)
      if (block.rows.begin == part.rows.front().begin &&
          block.rows.count == part.rows.front().count)
        names.push_back(part.name);
  if (!names.empty()) return names;
  return {target_of(*spec.site)};
}

}  // namespace

std::map<std::string, std::string> Lora::settings() const {
  std::vector<std::string> targets;
  std::set<int64_t> ranks;
  std::set<double> alphas;
  for (const auto& hook : hooks_) {
    const LoraHook::Spec& spec = hook->spec();
    for (const std::string& name : targets_of(spec))
      if (std::find(targets.begin(), targets.end(), name) == targets.end()) targets.push_back(name);
    const int64_t rank = spec.blocks.front().rank_count;
    const double r = static_cast<double>(rank);
    ranks.insert(rank);
    // Up to the last bits, which a division and a product may change.
    alphas.insert(
        std::stod(fmt::format("{:.9g}", spec.scale * (options_.lora_rs ? std::sqrt(r) : r))));
  }
  if (const BaseChanges::EmbeddingLora& table = changes_.embedding(); table.rank > 0) {
    targets.push_back(table.module.substr(table.module.rfind('.') + 1));
    ranks.insert(table.rank);
    const double r = static_cast<double>(table.rank);
    alphas.insert(
        std::stod(fmt::format("{:.9g}", table.scale * (options_.lora_rs ? std::sqrt(r) : r))));
  }
  std::map<std::string, std::string> said = {
      {"lora_r", joined(ranks, ",")},
      {"lora_alpha", joined(alphas, ",")},
      {"lora_dropout", fmt::format("{}", options_.lora_dropout)},
      {"lora_targets", joined(targets, ",")},
      {"lora_rs", options_.lora_rs ? "true" : "false"},
      {"lora_dora", options_.lora_dora ? "true" : "false"}};
  if (tokens_ != nullptr && tokens_->grew()) said["resize_embeddings"] = "true";
  return said;
}

}  // namespace falconer
