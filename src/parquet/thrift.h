// Thrift's compact protocol, in which Parquet's footer and the headers of its pages are written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace falconer::parquet {

/// Reads values in the order in which they stand. Errors: the bytes break off, a value is of another type
/// than is asked for, structures are nested beyond all bounds.
class ThriftReader {
 public:
  enum Type : uint8_t {
    kTrue = 1,
    kFalse = 2,
    kByte = 3,
    kInt64 = 6,  // and 4 and 5, which are written alike
    kDouble = 7,
    kBinary = 8,
    kList = 9,
    kSet = 10,
    kMap = 11,
    kStruct = 12,
    kUuid = 13
  };
  struct Field {
    int64_t id = 0;
    uint8_t type = 0;
  };

  explicit ThriftReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  size_t position() const { return at_; }

  /// `on_field` reads the value of a field, or returns false: then it is passed over.
  template <class OnField>
  void structure(OnField&& on_field) {
    enter();
    for (Field field = next_field({}); field.type != 0; field = next_field(field))
      if (!on_field(field)) skip(field.type);
    leave();
  }
  /// The same of a field that is a structure.
  template <class OnField>
  void structure(Field field, OnField&& on_field) {
    expect(field.type == kStruct, "a structure", field.type);
    structure(on_field);
  }
  void skip_structure() { skip(kStruct); }

  int64_t integer(Field field);
  int32_t small_integer(Field field);  // error: beyond 32 bits
  bool boolean(Field field);
  std::string_view binary(Field field);
  /// How many elements of that type follow. There are no more than bytes left.
  size_t list(Field field, uint8_t element);

 private:
  void expect(bool good, const char* what, uint8_t found);
  void enter();
  void leave() { --depth_; }
  Field next_field(Field last);
  void skip(uint8_t type);
  uint8_t byte();
  uint64_t varint();
  int64_t zigzag();
  std::span<const std::byte> take(size_t count);

  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace falconer::parquet
