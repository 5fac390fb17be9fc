// Whether an adapter and a checkpoint belong together.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tensor/dtype.h"
#include "text/tokenizer.h"

namespace falconer {

using Hashes = std::map<std::string, std::string>;

/// "base" and "tokenizer" of a checkpoint, as ModelRecord::hashes has them. `tokenizer` is the
/// checkpoint's; null where it has none.
Hashes base_hashes(const std::string& checkpoint, const Tokenizer* tokenizer);

/// Error: falconer.json in `adapter` (a folder; "" and a single file are not looked at) says that it
/// was trained on a model with other weights or another tokenizer than `checkpoint`. With `any` a
/// warning. Adapters of other programs record nothing, and nothing is checked.
void check_base(const std::string& adapter, const std::string& checkpoint,
                const Tokenizer* tokenizer, bool any);
/// The same without the tokenizer at hand: it is read where it is needed.
void check_base(const std::string& adapter, const std::string& checkpoint, bool any);
/// The same where base_hashes() of the checkpoint were made.
void check_base(const std::string& adapter, const std::string& checkpoint, const Hashes& found,
                bool any);

/// What the matrices of a checkpoint's layers are in blocks of, "NF4" or "Q4_K, Q6_K", with those that --quantize makes;
/// empty: of nothing.
std::string quantisation_of(const std::string& checkpoint, std::optional<Dtype> quantise);
/// Warns where `adapter` was trained on a base in other blocks, naming both.
void warn_of_quantisation(const std::string& adapter, const std::string& checkpoint,
                          std::optional<Dtype> quantise);

/// Writes into the record of `adapter` that it belongs to the model in the folder `checkpoint`, which
/// will be called `name`.
void name_base(const std::string& adapter, const std::string& checkpoint, const std::string& name);

}  // namespace falconer
