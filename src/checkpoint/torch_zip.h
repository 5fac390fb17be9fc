// Reading what torch.save writes: a zip file with a pickle that describes the tensors, and one
// entry for the bytes of each storage.
#pragma once

#include <memory>

#include "base/file.h"
#include "checkpoint/tensor_file.h"

namespace falconer {

/// The tensors of the state dict: of the file's dict itself, or of its "model" or "state_dict"
/// entry. Entries that are stored uncompressed are used where they lie in the map. Error: names the
/// file, what was expected and what was found.
FileContent read_torch_zip(std::shared_ptr<const MappedFile> file);

}  // namespace falconer
