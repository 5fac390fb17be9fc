// A Parquet file of one column and one page that a test makes, with whatever it claims of itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace falconer::test {

/// A structure of Thrift's compact protocol, its fields in rising order.
class ThriftStructure {
 public:
  ThriftStructure& integer(int id, int64_t value) {
    return put(id, 6,
               varint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63)));
  }
  ThriftStructure& text(int id, const std::string& value) {
    return put(id, 8, varint(value.size()) + value);
  }
  ThriftStructure& structure(int id, const ThriftStructure& value) {
    return put(id, 12, value.end());
  }
  ThriftStructure& structures(int id, const std::vector<ThriftStructure>& values) {
    std::string all(1, static_cast<char>(values.size() << 4 | 12));
    for (const ThriftStructure& value : values) all += value.end();
    return put(id, 9, all);
  }
  std::string end() const { return bytes_ + '\0'; }

  static std::string varint(uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    return bytes + static_cast<char>(value);
  }

 private:
  ThriftStructure& put(int id, int type, const std::string& value) {
    bytes_ += static_cast<char>((id - last_) << 4 | type);
    bytes_ += value;
    last_ = id;
    return *this;
  }

  std::string bytes_;
  int last_ = 0;
};

/// -1: what is true.
struct MadeParquet {
  int type = 1, length = 0, repetition = 0;  // INT32, required
  int codec = 0, encoding = 0;
  std::string page;  // levels and values
  int64_t unpacked = -1, packed = -1;
  int64_t values = 1;  // of the page
  int64_t chunk_values = -1, chunk_begin = -1, chunk_bytes = -1;
  int64_t group_rows = 1, file_rows = -1;
  int64_t dictionary_values = -1;  // there is a dictionary that says so
  std::string dictionary;

  static std::string page_header(int kind, int field, int64_t unpacked, int64_t packed,
                                 const ThriftStructure& of_kind) {
    return ThriftStructure()
        .integer(1, kind)
        .integer(2, unpacked)
        .integer(3, packed)
        .structure(field, of_kind)
        .end();
  }

  std::string file() const {
    const auto size = static_cast<int64_t>(page.size());
    std::string pages;
    if (dictionary_values >= 0) {
      const auto bytes = static_cast<int64_t>(dictionary.size());
      pages += page_header(2, 7, bytes, bytes,
                           ThriftStructure().integer(1, dictionary_values).integer(2, 0)) +
               dictionary;
    }
    const auto data_at = static_cast<int64_t>(4 + pages.size());
    pages += page_header(
        0, 5, unpacked < 0 ? size : unpacked, packed < 0 ? size : packed,
        ThriftStructure().integer(1, values).integer(2, encoding).integer(3, 3).integer(4, 3));
    pages += page;
    ThriftStructure chunk;
    chunk.integer(1, type)
        .integer(4, codec)
        .integer(5, chunk_values < 0 ? values : chunk_values)
        .integer(7, chunk_bytes < 0 ? static_cast<int64_t>(pages.size()) : chunk_bytes)
        .integer(9, chunk_begin < 0 ? data_at : chunk_begin);
    if (dictionary_values >= 0) chunk.integer(11, 4);
    const std::string footer =
        ThriftStructure()
            .integer(1, 1)
            .structures(
                2, {ThriftStructure().text(4, "schema").integer(5, 1), ThriftStructure()
                                                                           .integer(1, type)
                                                                           .integer(2, length)
                                                                           .integer(3, repetition)
                                                                           .text(4, "c")})
            .integer(3, file_rows < 0 ? group_rows : file_rows)
            .structures(4, {ThriftStructure()
                                .structures(1, {ThriftStructure().structure(3, chunk)})
                                .integer(3, group_rows)})
            .end();
    std::string made = "PAR1" + pages + footer;
    for (int shift = 0; shift < 32; shift += 8) made += static_cast<char>(footer.size() >> shift);
    return made + "PAR1";
  }
};

}  // namespace falconer::test
