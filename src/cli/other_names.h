// What other programs call our flags and commands: transformers' Trainer, PEFT, TRL, LitGPT,
// llama.cpp. A name is understood, or answered with what there is instead.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/command.h"

namespace falconer::cli {

struct OtherName {
  const char* theirs;  // with its dashes; '-' for '_'
  const char* ours;    // a flag, "--flag=value" where theirs takes no value; empty: answered
  const char* answer;  // instead, where `ours` is empty
};

/// All of them. One of theirs may stand there several times: the first whose flag a command has is
/// meant.
std::span<const OtherName> other_names();

/// `words` (all behind the program's name) with ours in the place of theirs. A name that `app` or
/// the command has itself stays as it is. Error (usage): a name that is answered.
std::vector<std::string> with_our_names(const Command& app, std::vector<std::string> words);

}  // namespace falconer::cli
