// Tokenizing a file of examples once, into train.jsonl and test.jsonl, as Lit-Parrot's prepare
// scripts do.
#pragma once

#include "data/load.h"

namespace falconer {

struct PrepareSettings {
  std::filesystem::path input, out;
  std::string checkpoint;                  // whose tokenizer it is, as the user named it
  std::filesystem::path checkpoint_files;  // the same as a path: they are not written over
  LoadOptions load;
  bool overwrite = false;  // files in `out` that Falconer did not write
};

/// Writes train.jsonl and test.jsonl ({"input_ids", "labels"}) in the split's order and
/// prepare.json, which records the prompt style and the tokenizer. Returns what was read.
LoadedData prepare_dataset(const PrepareSettings& settings, const Tokenizer& tokenizer);

}  // namespace falconer
