#include "checkpoint/zip_writer.h"

#include "base/error.h"
#include "checkpoint/crc32.h"

namespace falconer {
namespace {

constexpr uint64_t kAlignment = 64;  // of an entry's bytes, as torch.save has it
constexpr uint64_t kCrcOffset = 14;  // in a local header
constexpr uint32_t kIn64 = 0xFFFFFFFF;
constexpr uint16_t kZipVersion = 20, kZipVersion64 = 45;  // of the format that a reader must know
constexpr uint16_t kUtf8Names = 1 << 11;
constexpr uint16_t kMidnight = 0, kFirstDay = (1 << 5) | 1;  // 1980-01-01: the same bytes each time

/// Little-endian numbers, one behind the other.
class Fields {
 public:
  Fields& u16(uint64_t value) { return number(value, 2); }
  Fields& u32(uint64_t value) { return number(value, 4); }
  Fields& u64(uint64_t value) { return number(value, 8); }
  Fields& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Fields& number(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  std::string bytes_;
};

}  // namespace

ZipWriter::ZipWriter(const std::filesystem::path& path, uint64_t most32)
    : file_(path), most32_(most32) {}

void ZipWriter::emit(std::string_view bytes) {
  file_.write(bytes);
  at_ += bytes.size();
}

/// With an extra field "FB" of padding, as torch.save writes it, so that the content behind it
/// begins at a multiple of kAlignment.
std::string ZipWriter::local_header(const Entry& entry) const {
  Fields extra;
  if (large(entry.size)) extra.u16(1).u16(16).u64(entry.size).u64(entry.size);
  const uint64_t begin = entry.offset + 30 + entry.name.size() + extra.bytes().size() + 4;
  const uint64_t padding = (kAlignment - begin % kAlignment) % kAlignment;
  extra.text("FB").u16(padding).text(std::string(padding, 'Z'));
  const uint64_t size32 = large(entry.size) ? kIn64 : entry.size;
  return Fields()
      .u32(0x04034b50)
      .u16(large(entry.size) ? kZipVersion64 : kZipVersion)
      .u16(kUtf8Names)
      .u16(0)  // stored
      .u16(kMidnight)
      .u16(kFirstDay)
      .u32(0)  // the checksum, known at the end
      .u32(size32)
      .u32(size32)
      .u16(entry.name.size())
      .u16(extra.bytes().size())
      .text(entry.name)
      .text(extra.bytes())
      .bytes();
}

std::string ZipWriter::directory_entry(const Entry& entry) const {
  Fields in64;
  if (large(entry.size)) in64.u64(entry.size).u64(entry.size);
  if (large(entry.offset)) in64.u64(entry.offset);
  Fields extra;
  if (!in64.bytes().empty()) extra.u16(1).u16(in64.bytes().size()).text(in64.bytes());
  const uint64_t size32 = large(entry.size) ? kIn64 : entry.size;
  const uint16_t version = extra.bytes().empty() ? kZipVersion : kZipVersion64;
  return Fields()
      .u32(0x02014b50)
      .u16(version)
      .u16(version)
      .u16(kUtf8Names)
      .u16(0)
      .u16(kMidnight)
      .u16(kFirstDay)
      .u32(entry.crc)
      .u32(size32)
      .u32(size32)
      .u16(entry.name.size())
      .u16(extra.bytes().size())
      .u16(0)  // comment
      .u16(0)  // disk
      .u16(0)  // attributes
      .u32(0)
      .u32(large(entry.offset) ? kIn64 : entry.offset)
      .text(entry.name)
      .text(extra.bytes())
      .bytes();
}

void ZipWriter::begin(const std::string& name, uint64_t size) {
  FALCONER_CHECK(!open_ && name.size() < 1024);
  entries_.push_back({.name = name, .offset = at_, .size = size});
  emit(local_header(entries_.back()));
  FALCONER_CHECK(at_ % kAlignment == 0);
  open_ = true;
  written_ = 0;
}

void ZipWriter::write(const void* data, size_t size) {
  FALCONER_CHECK(open_ && size <= entries_.back().size - written_);
  entries_.back().crc = crc32(entries_.back().crc, data, size);
  file_.write(data, size);
  at_ += size;
  written_ += size;
}

void ZipWriter::end() {
  const Entry& entry = entries_.back();
  FALCONER_CHECK(open_ && written_ == entry.size);
  file_.write_at(entry.offset + kCrcOffset, &entry.crc, sizeof entry.crc);
  open_ = false;
}

void ZipWriter::add(const std::string& name, std::string_view content) {
  begin(name, content.size());
  write(content.data(), content.size());
  end();
}

void ZipWriter::write_end(uint64_t begin) {
  const uint64_t count = entries_.size(), size = at_ - begin, end64 = at_;
  const bool wide = large(begin) || large(size) || count >= 0xFFFF;
  if (wide) {
    emit(Fields()
             .u32(0x06064b50)
             .u64(44)  // bytes of this record that follow
             .u16(kZipVersion64)
             .u16(kZipVersion64)
             .u32(0)
             .u32(0)
             .u64(count)
             .u64(count)
             .u64(size)
             .u64(begin)
             .bytes());
    emit(Fields().u32(0x07064b50).u32(0).u64(end64).u32(1).bytes());
  }
  emit(Fields()
           .u32(0x06054b50)
           .u16(0)
           .u16(0)
           .u16(wide ? 0xFFFF : count)
           .u16(wide ? 0xFFFF : count)
           .u32(wide ? kIn64 : size)
           .u32(wide ? kIn64 : begin)
           .u16(0)
           .bytes());
}

void ZipWriter::commit() {
  FALCONER_CHECK(!open_);
  const uint64_t begin = at_;
  for (const Entry& entry : entries_) emit(directory_entry(entry));
  write_end(begin);
  file_.commit();
}

}  // namespace falconer
