// The flags that generate and chat share.
#pragma once

#include "cli/command.h"
#include "falconer/use.h"

namespace falconer::cli {

inline void add_prompt_style(CLI::App& app, ModelOptions& model) {
  app.add_option("--prompt-style", model.prompt_style,
                 "alpaca, alpaca-colon, falcon, falcon-instruct, raw or chat, the checkpoint's own "
                 "template (default: as recorded with the adapter, else chat where there is one)");
  add_parse_special(app, model.parse_special, "prompts");
}

inline void add_sampling_flags(CLI::App& app, SamplingSettings& s) {
  app.add_option("--max-new-tokens", s.max_new_tokens, "longest answer")->capture_default_str();
  app.add_option("--temperature", s.temperature, "0: always the most likely token")
      ->capture_default_str();
  app.add_option("--top-k", s.top_k, "draw from the k most likely tokens; 0: from all")
      ->capture_default_str();
  app.add_option("--top-p", s.top_p, "draw from the most likely tokens with this share")
      ->capture_default_str();
  app.add_option("--seed", s.seed, "of the draws")->capture_default_str();
  app.add_option("--stop", s.stop, "text that ends an answer (may be given again)")
      ->allow_extra_args(false);
}

}  // namespace falconer::cli
