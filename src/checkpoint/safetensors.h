// Reading safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "checkpoint/tensor_file.h"

namespace falconer {

/// All tensors of a mapped file. Everything that the header says is checked against the file before
/// it is used: lengths, shapes, dtypes, and that the tensors lie one behind the other without gap
/// or overlap. Error: names the file, what was expected and what was found.
FileContent read_safetensors(std::shared_ptr<const MappedFile> file);

/// "F32" and so on, as safetensors spells them. Nothing for one that Falconer has no type for.
std::optional<Dtype> dtype_from_safetensors(std::string_view name);
std::string_view safetensors_name(Dtype dtype);

}  // namespace falconer
