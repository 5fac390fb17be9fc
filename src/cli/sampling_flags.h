// The flags that generate and chat share.
#pragma once

#include "cli/command.h"
#include "falconer/use.h"

namespace falconer::cli {

inline void add_prompt_style(Command& command, ModelOptions& model) {
  command.add("--prompt-style", &model.prompt_style,
              "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
              "template (default: as recorded with the adapter, else chat where there is one)");
  add_parse_special(command, model.parse_special, "prompts");
}

inline void add_sampling_flags(Command& command, SamplingSettings& s) {
  command.add("--max-new-tokens", &s.max_new_tokens, "longest answer", {.shows_default = true});
  command.add("--temperature", &s.temperature, "0: always the most likely token",
              {.shows_default = true});
  command.add("--top-k", &s.top_k, "draw from the k most likely tokens; 0: from all",
              {.shows_default = true});
  command.add("--top-p", &s.top_p, "draw from the most likely tokens with this share",
              {.shows_default = true});
  command.add("--seed", &s.seed, "of the draws", {.shows_default = true});
  command.add("--stop", &s.stop, "text that ends an answer (may be given again)",
              {.one_each = true});
}

}  // namespace falconer::cli
