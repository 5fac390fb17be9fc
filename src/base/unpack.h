// Compressed data read as a stream: gzip and zstd, of files and of the pages within them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace falconer {

enum class Packing { kNone, kGzip, kZstd };

/// Unpacks `packed`, which must outlive it: one part after the other, with nothing beside it than the
/// window of the format, 128 MB at most. Several streams that follow each other are one, as gzip and zstd say.
class Unpacker {
 public:
  Unpacker(Packing packing, std::span<const std::byte> packed);
  Unpacker(Unpacker&&) noexcept;
  ~Unpacker();

  /// Fills `out` as far as there is anything left; returns how many bytes were written, less than its size
  /// at the end alone. Errors: the data is damaged, breaks off or needs a larger window.
  size_t read(std::span<std::byte> out);
  /// How much of `packed` is not needed any more.
  size_t position() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace falconer
