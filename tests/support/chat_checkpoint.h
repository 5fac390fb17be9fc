// The demo's tokenizer with markers as special tokens and a chat template: a checkpoint without
// weights, for tests of prompts and data.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace falconer::test {

inline constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Writes tokenizer.json and tokenizer_config.json into `folder`.
inline void write_chat_checkpoint(const std::filesystem::path& folder, const std::string& source,
                                  const std::vector<std::string>& markers = {"<|im_start|>",
                                                                             "<|im_end|>"},
                                  nlohmann::json config = {{"eos_token", "<|endoftext|>"}}) {
  auto tokenizer = nlohmann::json::parse(
      read_text_file(std::string(source_dir()) + "/demo/checkpoint/tokenizer.json"));
  int64_t id = 0;
  for (const auto& [token, known] : tokenizer["model"]["vocab"].items())
    id = std::max(id, known.get<int64_t>());
  for (const std::string& marker : markers)
    tokenizer["added_tokens"].push_back({{"id", ++id},
                                         {"content", marker},
                                         {"single_word", false},
                                         {"lstrip", false},
                                         {"rstrip", false},
                                         {"normalized", false},
                                         {"special", true}});
  write_file(folder / "tokenizer.json", tokenizer.dump());
  if (!source.empty()) config["chat_template"] = source;
  write_file(folder / "tokenizer_config.json", config.dump());
}

}  // namespace falconer::test
