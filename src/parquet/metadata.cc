#include "parquet/metadata.h"

#include "parquet/damage.h"
#include "parquet/thrift.h"

namespace falconer::parquet {
namespace {

using Field = ThriftReader::Field;

Physical physical_of(int64_t number) {
  if (number < 0 || number >= kPhysicalTypes)
    fail_damaged("expected a type of Parquet, 0 to {}, found {}", kPhysicalTypes - 1, number);
  return static_cast<Physical>(number);
}

void read_unit(ThriftReader& in, Field field, LogicalType& type) {
  in.structure(field, [&](Field unit) {
    if (unit.id >= 1 && unit.id <= 3) type.unit = static_cast<int>(unit.id);
    return false;
  });
}

void read_logical_member(ThriftReader& in, Field member, LogicalType& type) {
  const bool timed = type.kind == Logical::kTime || type.kind == Logical::kTimestamp;
  in.structure(member, [&](Field field) {
    if (type.kind == Logical::kDecimal && field.id == 1)
      type.scale = in.small_integer(field);
    else if (type.kind == Logical::kInteger && field.id == 2)
      type.is_signed = in.boolean(field);
    else if (timed && field.id == 1)
      type.utc = in.boolean(field);
    else if (timed && field.id == 2)
      read_unit(in, field, type);
    else
      return false;
    return true;
  });
}

Logical known_logical(int64_t id) {
  const bool known =
      (id >= 1 && id <= 8) || id == 10 || id == 11 || id == 12 || id == 14 || id == 15;
  return known ? static_cast<Logical>(id) : Logical::kNone;
}

LogicalType read_logical(ThriftReader& in, Field field) {
  LogicalType type;
  in.structure(field, [&](Field member) {
    type.kind = known_logical(member.id);
    read_logical_member(in, member, type);
    return true;
  });
  return type;
}

/// What older files say in the place of a logical type.
LogicalType of_converted(int32_t converted, int32_t scale) {
  constexpr int kMilli = 1, kMicro = 2;
  switch (converted) {
    case 0:
      return {.kind = Logical::kText};
    case 1:
    case 2:
      return {.kind = Logical::kMap};
    case 3:
      return {.kind = Logical::kList};
    case 4:
      return {.kind = Logical::kEnum};
    case 5:
      return {.kind = Logical::kDecimal, .scale = scale};
    case 6:
      return {.kind = Logical::kDate};
    case 7:
    case 8:
      return {.kind = Logical::kTime, .unit = converted == 7 ? kMilli : kMicro, .utc = true};
    case 9:
    case 10:
      return {.kind = Logical::kTimestamp, .unit = converted == 9 ? kMilli : kMicro, .utc = true};
    case 11:
    case 12:
    case 13:
    case 14:
      return {.kind = Logical::kInteger, .is_signed = false};
    case 19:
      return {.kind = Logical::kJson};
    default:
      return {};
  }
}

SchemaElement read_element(ThriftReader& in) {
  SchemaElement made;
  int32_t converted = -1, scale = 0;
  in.structure([&](Field field) {
    if (field.id == 1) {
      made.physical = physical_of(in.integer(field));
    } else if (field.id == 2) {
      made.length = in.small_integer(field);
    } else if (field.id == 3) {
      const int64_t repetition = in.integer(field);
      if (repetition < 0 || repetition > 2)
        fail_damaged("expected a repetition, 0 to 2, found {}", repetition);
      made.repetition = static_cast<Repetition>(repetition);
    } else if (field.id == 4) {
      made.name = in.binary(field);
    } else if (field.id == 5) {
      made.children = in.small_integer(field);
    } else if (field.id == 6) {
      converted = in.small_integer(field);
    } else if (field.id == 7) {
      scale = in.small_integer(field);
    } else if (field.id == 10) {
      made.logical = read_logical(in, field);
    } else {
      return false;
    }
    return true;
  });
  if (made.logical.kind == Logical::kNone) made.logical = of_converted(converted, scale);
  return made;
}

void read_chunk_metadata(ThriftReader& in, Field of, ColumnChunk& chunk) {
  int64_t data = -1, dictionary = 0;
  in.structure(of, [&](Field field) {
    if (field.id == 1)
      chunk.physical = physical_of(in.integer(field));
    else if (field.id == 4)
      chunk.codec = in.small_integer(field);
    else if (field.id == 5)
      chunk.values = in.integer(field);
    else if (field.id == 7)
      chunk.bytes = in.integer(field);
    else if (field.id == 9)
      data = in.integer(field);
    else if (field.id == 11)
      dictionary = in.integer(field);
    else
      return false;
    return true;
  });
  chunk.begin = dictionary > 0 && dictionary < data ? dictionary : data;
}

ColumnChunk read_chunk(ThriftReader& in) {
  ColumnChunk chunk;
  bool described = false;
  in.structure([&](Field field) {
    if (field.id == 1) {
      chunk.elsewhere = !in.binary(field).empty();
      return true;
    }
    if (field.id == 8 || field.id == 9) chunk.encrypted = true;
    if (field.id != 3) return false;
    described = true;
    read_chunk_metadata(in, field, chunk);
    return true;
  });
  if (!described && !chunk.encrypted) fail_damaged("a column has no metadata");
  return chunk;
}

}  // namespace

Footer::Footer(std::span<const std::byte> bytes) : bytes_(bytes) {
  ThriftReader in(bytes);
  in.structure([&](Field field) {
    if (field.id == 2) {
      const size_t count = in.list(field, ThriftReader::kStruct);
      if (count > kMostElements)
        fail("has a schema of {} elements, at most {} are read; write fewer columns", count,
             kMostElements);
      schema_.reserve(count);
      for (size_t i = 0; i < count; ++i) schema_.push_back(read_element(in));
    } else if (field.id == 3) {
      rows_ = in.integer(field);
    } else if (field.id == 4) {
      const size_t count = in.list(field, ThriftReader::kStruct);
      groups_.reserve(count);
      for (size_t i = 0; i < count; ++i) {
        groups_.push_back(in.position());
        in.skip_structure();
      }
    } else {
      return false;
    }
    return true;
  });
}

RowGroup Footer::row_group(size_t index, size_t columns) const {
  ThriftReader in(bytes_.subspan(groups_.at(index)));
  RowGroup group;
  in.structure([&](Field field) {
    if (field.id == 1) {
      const size_t count = in.list(field, ThriftReader::kStruct);
      if (count != columns) fail_damaged("has {} columns, and the schema has {}", count, columns);
      group.columns.reserve(count);
      for (size_t i = 0; i < count; ++i) group.columns.push_back(read_chunk(in));
    } else if (field.id == 3) {
      group.rows = in.integer(field);
    } else {
      return false;
    }
    return true;
  });
  if (group.rows < 0) fail_damaged("has {} rows", group.rows);
  if (group.columns.size() != columns) fail_damaged("names none of its {} columns", columns);
  return group;
}

PageHeader read_page_header(std::span<const std::byte> bytes) {
  ThriftReader in(bytes);
  PageHeader made;
  int32_t kind = -1;
  made.unpacked = made.packed = made.values = -1;
  const auto of_data = [&](Field field) {
    if (field.id == 1)
      made.values = in.small_integer(field);
    else if (field.id == 2)
      made.encoding = in.small_integer(field);
    else if (field.id == 3)
      made.definition_encoding = in.small_integer(field);
    else if (field.id == 4)
      made.repetition_encoding = in.small_integer(field);
    else
      return false;
    return true;
  };
  const auto of_data_v2 = [&](Field field) {
    if (field.id == 1)
      made.values = in.small_integer(field);
    else if (field.id == 4)
      made.encoding = in.small_integer(field);
    else if (field.id == 5)
      made.definition_bytes = in.small_integer(field);
    else if (field.id == 6)
      made.repetition_bytes = in.small_integer(field);
    else if (field.id == 7)
      made.is_packed = in.boolean(field);
    else
      return false;
    return true;
  };
  in.structure([&](Field field) {
    if (field.id == 1)
      kind = in.small_integer(field);
    else if (field.id == 2)
      made.unpacked = in.small_integer(field);
    else if (field.id == 3)
      made.packed = in.small_integer(field);
    else if (field.id == 4)
      made.crc = static_cast<uint32_t>(in.small_integer(field));
    else if (field.id == 5)
      in.structure(field, of_data);
    else if (field.id == 7)  // a dictionary's begins as a page's does
      in.structure(field, [&](Field of) { return of.id <= 2 && of_data(of); });
    else if (field.id == 8)
      in.structure(field, of_data_v2);
    else
      return false;
    return true;
  });
  if (kind < 0 || kind > 3)
    fail_damaged("expected the header of a page, found one of kind {}", kind);
  made.kind = static_cast<PageKind>(kind);
  if (made.kind == PageKind::kIndex && made.values < 0) made.values = 0;
  if (made.unpacked < 0 || made.packed < 0 || made.values < 0 || made.definition_bytes < 0 ||
      made.repetition_bytes < 0)
    fail_damaged("the header of a page lacks a size, or has one below 0");
  made.bytes = in.position();
  return made;
}

const char* name_of(Physical physical) {
  constexpr const char* kNames[] = {"BOOLEAN", "INT32",  "INT64",      "INT96",
                                    "FLOAT",   "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
  return kNames[static_cast<int>(physical)];
}

std::string name_of_encoding(int32_t encoding) {
  constexpr const char* kNames[] = {"PLAIN",
                                    nullptr,
                                    "PLAIN_DICTIONARY",
                                    "RLE",
                                    "BIT_PACKED",
                                    "DELTA_BINARY_PACKED",
                                    "DELTA_LENGTH_BYTE_ARRAY",
                                    "DELTA_BYTE_ARRAY",
                                    "RLE_DICTIONARY",
                                    "BYTE_STREAM_SPLIT"};
  if (encoding >= 0 && encoding < 10 && kNames[encoding] != nullptr) return kNames[encoding];
  return fmt::format("encoding {}", encoding);
}

}  // namespace falconer::parquet
