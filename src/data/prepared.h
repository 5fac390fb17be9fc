// Rows that `prepare` wrote: ids mean something to the tokenizer alone that they came from.
#pragma once

#include <filesystem>
#include <string>

namespace falconer {

class Tokenizer;

/// What prepare.json says of how its rows were made. Error: it is no object, or says so with something else than text.
struct PrepareRecord {
  std::string prompt_style, prompt_template, tokenizer, checkpoint;
};
PrepareRecord read_prepare_record(const std::filesystem::path& path);

/// Whether `data` is a folder that `prepare` wrote, or its train.jsonl or test.jsonl.
bool is_prepared(const std::filesystem::path& data);

/// `data` may be any; those that are not prepared are not looked at.
/// Error: its rows were tokenized by another tokenizer than `tokenizer`, which is that of
/// `checkpoint`; a warning where `any`. A warning too where the folder is from before tokenizers were
/// recorded. Without a tokenizer nothing can be compared.
void check_prepared(const std::filesystem::path& data, const Tokenizer* tokenizer,
                    const std::string& checkpoint, bool any);

}  // namespace falconer
