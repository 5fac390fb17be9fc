// What a Parquet file says of itself: the footer, its row groups, the headers of pages.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace falconer::parquet {

/// How values are stored; the numbers are the format's.
enum class Physical { kBoolean, kInt32, kInt64, kInt96, kFloat, kDouble, kBytes, kFixedBytes };
inline constexpr int kPhysicalTypes = 8;

/// What they mean; numbers of the format's union. Those that it lacks are as if there were none.
enum class Logical {
  kNone = 0,
  kText = 1,
  kMap = 2,
  kList = 3,
  kEnum = 4,
  kDecimal = 5,
  kDate = 6,
  kTime = 7,
  kTimestamp = 8,
  kInteger = 10,
  kNull = 11,
  kJson = 12,
  kUuid = 14,
  kHalf = 15
};

struct LogicalType {
  Logical kind = Logical::kNone;
  int32_t scale = 0;      // of a decimal: digits behind the point
  int unit = 1;           // of times: 1 milliseconds, 2 microseconds, 3 nanoseconds
  bool utc = false;       // of times
  bool is_signed = true;  // of integers
};

enum class Repetition { kRequired, kOptional, kRepeated };

/// A node of the schema, in depth-first order.
struct SchemaElement {
  std::string name;
  std::optional<Physical> physical;  // none: a group
  int32_t length = 0;                // of kFixedBytes
  int32_t children = 0;
  Repetition repetition = Repetition::kRequired;
  LogicalType logical;
};

struct ColumnChunk {
  Physical physical = Physical::kBytes;
  int32_t codec = 0;
  int64_t values = 0;  // with nulls
  int64_t begin = 0, bytes = 0;
  bool encrypted = false, elsewhere = false;  // in another file
};

struct RowGroup {
  int64_t rows = 0;
  std::vector<ColumnChunk> columns;
};

/// The footer, which stays in the file: a row group is read when it is its turn.
class Footer {
 public:
  /// Errors: as ThriftReader's; a count or a type that cannot be; more elements than kMostElements.
  explicit Footer(std::span<const std::byte> bytes);

  const std::vector<SchemaElement>& schema() const { return schema_; }
  int64_t rows() const { return rows_; }
  size_t row_groups() const { return groups_.size(); }
  /// Error: it has not one chunk for each of `columns`.
  RowGroup row_group(size_t index, size_t columns) const;

  static constexpr size_t kMostElements = 20000;

 private:
  std::span<const std::byte> bytes_;
  std::vector<SchemaElement> schema_;
  std::vector<size_t> groups_;  // where they begin
  int64_t rows_ = 0;
};

enum class PageKind { kData = 0, kIndex = 1, kDictionary = 2, kDataV2 = 3 };

struct PageHeader {
  PageKind kind = PageKind::kIndex;
  int32_t unpacked = 0, packed = 0;  // bytes
  std::optional<uint32_t> crc;
  int32_t values = 0;
  int32_t encoding = 0;
  int32_t definition_encoding = 0, repetition_encoding = 0;  // of kData
  int32_t definition_bytes = 0, repetition_bytes = 0;        // of kDataV2
  bool is_packed = true;                                     // of kDataV2
  size_t bytes = 0;                                          // of the header itself
};

/// The header that begins there. Errors: as ThriftReader's; a number that is negative or missing.
PageHeader read_page_header(std::span<const std::byte> bytes);

/// "INT32", "BYTE_ARRAY", ...
const char* name_of(Physical physical);
/// "DELTA_BINARY_PACKED", ...; of others "encoding 17".
std::string name_of_encoding(int32_t encoding);

}  // namespace falconer::parquet
