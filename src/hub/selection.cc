#include "hub/selection.h"

#include <fnmatch.h>

#include <algorithm>

#include "base/row_file.h"

namespace falconer::hub {
namespace {

using Names = std::vector<std::string>;

bool matches(const std::string& name, const std::string& pattern) {
  const std::string whole = pattern.ends_with('/') ? pattern + "*" : pattern;
  return ::fnmatch(whole.c_str(), name.c_str(), 0) == 0;
}

bool matches_any(const std::string& name, const Names& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(name, pattern); });
}

bool any_matches(const Names& names, const std::string& pattern) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return matches(name, pattern); });
}

// Weights, and the list of their shards.
struct Weights {
  const char* pattern;
  const char* index;
};
constexpr Weights kModelWeights[] = {
    {"model.safetensors", ""},
    {"model-[0-9]*-of-[0-9]*.safetensors", "model.safetensors.index.json"},
    {"pytorch_model.bin", ""},
    {"pytorch_model-[0-9]*-of-[0-9]*.bin", "pytorch_model.bin.index.json"}};
constexpr Weights kAdapterWeights[] = {{"adapter_model.safetensors", ""},
                                       {"adapter_model.bin", ""}};

// The first that the repository has: weights come once, and not in each format and precision that
// they were saved in.
template <size_t kCount>
bool add_first(const Names& names, const Weights (&choices)[kCount], Names& patterns) {
  for (const Weights& weights : choices) {
    if (!any_matches(names, weights.pattern)) continue;
    patterns.insert(patterns.end(), {weights.pattern, weights.index});
    return true;
  }
  return false;
}

Names patterns_of(Selection::Purpose purpose, const Names& top) {
  if (purpose == Selection::Purpose::kConfig) return {"config.json"};
  Names patterns = {"config.json",
                    "generation_config.json",
                    "tokenizer*",
                    "chat_template*",
                    "additional_chat_templates/*",
                    "special_tokens_map.json",
                    "added_tokens.json",
                    "vocab.json",
                    "merges.txt"};
  if (purpose == Selection::Purpose::kTokenizer) return patterns;
  if (purpose == Selection::Purpose::kAdapter) patterns.clear();
  patterns.insert(patterns.end(), {"adapter_config.json", "falconer.json"});
  const bool adapter = add_first(top, kAdapterWeights, patterns);
  if (purpose == Selection::Purpose::kAdapter) return patterns;
  const bool model = add_first(top, kModelWeights, patterns);
  if (!model && !adapter) patterns.push_back("*.safetensors");
  return patterns;
}

Names chosen_for(Selection::Purpose purpose, const Names& names) {
  Names chosen;
  if (purpose == Selection::Purpose::kData) {
    std::copy_if(names.begin(), names.end(), std::back_inserter(chosen), is_data_file);
    return chosen;
  }
  // A model's files lie at the top; folders hold the same for other programs.
  Names top;
  std::copy_if(names.begin(), names.end(), std::back_inserter(top),
               [](const std::string& name) { return name.find('/') == std::string::npos; });
  const Names patterns = patterns_of(purpose, top);
  std::copy_if(top.begin(), top.end(), std::back_inserter(chosen),
               [&](const std::string& name) { return matches_any(name, patterns); });
  return chosen;
}

}  // namespace

std::vector<std::string> select(const Names& names, const Selection& selection) {
  Names chosen;
  const auto keep_if = [&](const auto& wanted) {
    std::copy_if(names.begin(), names.end(), std::back_inserter(chosen), wanted);
  };
  if (!selection.files.empty())
    keep_if([&](const std::string& name) {
      return std::find(selection.files.begin(), selection.files.end(), name) !=
             selection.files.end();
    });
  else if (!selection.include.empty())
    keep_if([&](const std::string& name) { return matches_any(name, selection.include); });
  else
    chosen = chosen_for(selection.purpose, names);
  std::erase_if(chosen,
                [&](const std::string& name) { return matches_any(name, selection.exclude); });
  return chosen;
}

Names expected_names(Selection::Purpose purpose) {
  switch (purpose) {
    case Selection::Purpose::kModel:
    case Selection::Purpose::kTokenizer:
      return {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"};
    case Selection::Purpose::kConfig:
      return {"config.json"};
    case Selection::Purpose::kAdapter:
      return {"adapter_config.json", "falconer.json"};
    case Selection::Purpose::kData:
      return {};
  }
  return {};
}

bool is_data_file(const std::string& name) {
  if (name.starts_with('.') || name.find("/.") != std::string::npos) return false;
  for (const char* description : {"dataset_infos.json", "dataset_info.json", "prepare.json"})
    if (name == description) return false;
  return row_file(name).format != RowFormat::kNone;
}

}  // namespace falconer::hub
