// The tokenizer that lies beside an adapter, as transformers' trainer saves it.
#pragma once

#include <optional>
#include <string>

#include "checkpoint/gguf_tokenizer.h"
#include "text/tokenizer.h"

namespace falconer {

/// The tokenizer in an adapter's folder, where it gives other ids than the base's, or another end of text;
/// nothing where there is none, or it is the base's (null: that has none). Says so once where it is another one.
std::optional<Tokenizer> own_tokenizer(const std::string& adapter, const Tokenizer* base);

/// The tokenizer that a model is used with: the adapter's own, else the checkpoint's; nothing where there is
/// none. `adapter` may be empty.
std::optional<Tokenizer> find_tokenizer(const std::string& checkpoint, const std::string& adapter);

/// Error: the adapter that is trained on has its own tokenizer, by which the rows would not be read. With `any` a
/// warning.
void check_init_tokenizer(const std::string& adapter, const std::optional<Tokenizer>& base,
                          bool any);

/// The files that go along with a model into which an adapter was merged: the checkpoint's, and in their place
/// those of an adapter that has a tokenizer or a chat template of its own.
SideFiles side_files(const std::string& checkpoint, const std::string& adapter);

}  // namespace falconer
