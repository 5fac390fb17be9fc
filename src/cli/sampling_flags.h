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

/// Those of answers; what goes on behind an answer's end is generate's alone.
inline void add_sampling_flags(Command& command, SamplingSettings& sampling) {
  for (const Setting& setting : settings_of(sampling))
    if (setting.name != "ignore-eos") add_setting(command, setting);
}

inline void add_ignore_eos(Command& command, SamplingSettings& sampling) {
  for (const Setting& setting : settings_of(sampling))
    if (setting.name == "ignore-eos") add_setting(command, setting);
}

}  // namespace falconer::cli
