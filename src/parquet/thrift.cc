#include "parquet/thrift.h"

#include "parquet/damage.h"

namespace falconer::parquet {
namespace {

constexpr int kDeepestThrift = 32;

}  // namespace

void ThriftReader::expect(bool good, const char* what, uint8_t found) {
  if (!good)
    fail_damaged("byte {} of its metadata: expected {}, found type {} of Thrift", at_, what, found);
}

void ThriftReader::enter() {
  if (++depth_ > kDeepestThrift)
    fail_damaged("its metadata nests structures more than {} deep", kDeepestThrift);
}

uint8_t ThriftReader::byte() { return static_cast<uint8_t>(take(1)[0]); }

std::span<const std::byte> ThriftReader::take(size_t count) {
  if (count > bytes_.size() - at_)
    fail_damaged("its metadata breaks off: expected {} bytes more, found {}", count,
                 bytes_.size() - at_);
  at_ += count;
  return bytes_.subspan(at_ - count, count);
}

uint64_t ThriftReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t next = byte();
    value |= static_cast<uint64_t>(next & 0x7F) << shift;
    if (next < 0x80) return value;
  }
  fail_damaged("byte {} of its metadata: a number has more than 64 bits", at_);
}

int64_t ThriftReader::zigzag() {
  const uint64_t value = varint();
  return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
}

ThriftReader::Field ThriftReader::next_field(Field last) {
  const uint8_t head = byte();
  if (head == 0) return {};
  const int64_t step = head >> 4;
  Field field{.id = last.id + step, .type = static_cast<uint8_t>(head & 15)};
  if (step == 0) field.id = static_cast<int16_t>(zigzag());
  expect(field.type != 0, "a field", 0);
  return field;
}

int64_t ThriftReader::integer(Field field) {
  expect(field.type >= kByte && field.type <= kInt64, "a whole number", field.type);
  return field.type == kByte ? static_cast<int8_t>(byte()) : zigzag();
}

int32_t ThriftReader::small_integer(Field field) {
  const int64_t value = integer(field);
  if (value != static_cast<int32_t>(value))
    fail_damaged("byte {} of its metadata: expected a number of 32 bits, found {}", at_, value);
  return static_cast<int32_t>(value);
}

bool ThriftReader::boolean(Field field) {
  expect(field.type == kTrue || field.type == kFalse, "true or false", field.type);
  return field.type == kTrue;
}

std::string_view ThriftReader::binary(Field field) {
  expect(field.type == kBinary, "a text", field.type);
  const auto bytes = take(varint());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

size_t ThriftReader::list(Field field, uint8_t element) {
  expect(field.type == kList || field.type == kSet, "a list", field.type);
  const uint8_t head = byte();
  const uint64_t count = head >> 4 == 15 ? varint() : head >> 4;
  expect(count == 0 || (head & 15) == element, "a list of another type", head & 15);
  if (count > bytes_.size() - at_)
    fail_damaged("its metadata has a list of {} values in {} bytes", count, bytes_.size() - at_);
  return count;
}

// Every value but true and false of a field takes a byte at least, so that the work is bounded by the bytes.
void ThriftReader::skip(uint8_t type) {
  switch (type) {
    case kTrue:
    case kFalse:
      return;
    case kByte:
      byte();
      return;
    case 4:
    case 5:
    case kInt64:
      varint();
      return;
    case kDouble:
      take(8);
      return;
    case kUuid:
      take(16);
      return;
    case kBinary:
      take(varint());
      return;
    case kStruct:
      return structure([](Field) { return false; });
    default:
      break;
  }
  expect(type == kList || type == kSet || type == kMap, "a type of Thrift", type);
  enter();
  const auto element = [&](uint8_t of) { of == kTrue || of == kFalse ? void(byte()) : skip(of); };
  if (type == kMap) {
    const uint64_t count = varint();
    const uint8_t types = count == 0 ? 0 : byte();
    for (uint64_t i = 0; i < count; ++i) {
      element(types >> 4);
      element(types & 15);
    }
  } else {
    const uint8_t head = byte();
    const uint64_t count = head >> 4 == 15 ? varint() : head >> 4;
    for (uint64_t i = 0; i < count; ++i) element(head & 15);
  }
  leave();
}

}  // namespace falconer::parquet
