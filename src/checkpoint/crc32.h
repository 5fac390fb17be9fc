// The checksum of zip files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace falconer {

/// CRC-32 (ISO 3309) of what `crc` is of so far (0: of nothing) and these bytes behind it.
uint32_t crc32(uint32_t crc, const void* data, size_t size);

}  // namespace falconer
