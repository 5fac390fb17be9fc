// The values of a page, whatever they are encoded by.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "parquet/metadata.h"

namespace falconer::parquet {

/// Of BOOLEAN, INT32 and INT64 the integer, of FLOAT and DOUBLE the real, of all others the bytes.
struct Value {
  int64_t integer = 0;
  double real = 0;
  std::string_view bytes;
};

class ValueReader {
 public:
  virtual ~ValueReader() = default;
  /// The next that is not null; its bytes are there until the one behind it. Errors: the page has no more,
  /// or what it has cannot be.
  virtual Value next() = 0;
};

/// The values in `bytes`, which must outlive them. `dictionary` is null where the column has none; it must
/// have one where the values are indices. Error: an encoding that is not known, or not for such values.
std::unique_ptr<ValueReader> make_value_reader(int32_t encoding, Physical physical, int32_t length,
                                               std::span<const std::byte> bytes,
                                               const std::vector<Value>* dictionary);

/// No value has more bytes: one of a row's is longer than rows may be.
inline constexpr size_t kLongestValue = size_t{256} << 20;

}  // namespace falconer::parquet
