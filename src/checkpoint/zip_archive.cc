#include "checkpoint/zip_archive.h"

#include <zip.h>

#include <cstring>
#include <map>
#include <set>

#include "base/error.h"

namespace falconer {
namespace {

struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

/// Reads little-endian numbers from a file and never past its end: then ok() turns false and every
/// further number is 0.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, uint64_t at) : bytes_(bytes), at_(at) {}

  uint64_t number(size_t size) {
    uint64_t value = 0;
    if (const auto part = take(size); !part.empty()) std::memcpy(&value, part.data(), size);
    return value;
  }
  std::string_view text(size_t size) {
    const auto part = take(size);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  std::span<const std::byte> take(size_t size) {
    ok_ = ok_ && at_ <= bytes_.size() && size <= bytes_.size() - at_;
    if (!ok_) return {};
    at_ += size;
    return bytes_.subspan(at_ - size, size);
  }
  uint64_t at() const { return at_; }
  bool ok() const { return ok_; }

 private:
  std::span<const std::byte> bytes_;
  uint64_t at_;
  bool ok_ = true;
};

constexpr uint64_t kEndMark = 0x06054b50, kEnd64Mark = 0x06064b50, kLocator64Mark = 0x07064b50;
constexpr uint64_t kDirectoryMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr uint64_t kNo32 = 0xFFFFFFFF;  // the value stands in the zip64 fields

/// Where the central directory begins, and its number of entries. libzip does not tell where an
/// entry's bytes lie, so the directory is walked once more for that.
std::optional<std::pair<uint64_t, uint64_t>> find_directory(std::span<const std::byte> bytes) {
  if (bytes.size() < 22) return std::nullopt;
  const uint64_t lowest = bytes.size() < 22 + 0xFFFF ? 0 : bytes.size() - 22 - 0xFFFF;
  for (uint64_t end = bytes.size() - 22;; --end) {
    Cursor cursor(bytes, end);
    if (cursor.number(4) == kEndMark) {
      cursor.take(6);
      uint64_t count = cursor.number(2);
      cursor.take(4);
      uint64_t begin = cursor.number(4);
      if (end >= 20 && Cursor(bytes, end - 20).number(4) == kLocator64Mark) {
        Cursor locator(bytes, end - 12);
        Cursor end64(bytes, locator.number(8));
        if (end64.number(4) != kEnd64Mark) return std::nullopt;
        end64.take(28);
        count = end64.number(8);
        end64.take(8);
        begin = end64.number(8);
      }
      return std::pair(begin, count);
    }
    if (end == lowest) return std::nullopt;
  }
}

/// The offset of the local header in the zip64 extra field, behind the sizes that are there too.
uint64_t offset_from_extra(Cursor extra, uint64_t size, bool sizes_too[2]) {
  while (extra.ok() && size >= 4) {
    const uint64_t id = extra.number(2), length = extra.number(2);
    if (id == 1) {
      for (int i = 0; i < 2; ++i)
        if (sizes_too[i]) extra.number(8);
      return extra.number(8);
    }
    extra.take(length);
    size -= std::min(size, 4 + length);
  }
  return UINT64_MAX;
}

}  // namespace

struct ZipArchive::State {
  zip_t* archive = nullptr;
  std::map<std::string, uint64_t, std::less<>> local_headers;
  ~State() {
    if (archive != nullptr) zip_discard(archive);
  }

  void find_local_headers(std::span<const std::byte> bytes) {
    const auto directory = find_directory(bytes);
    if (!directory) return;
    Cursor cursor(bytes, directory->first);
    for (uint64_t i = 0; i < directory->second && cursor.ok(); ++i) {
      if (cursor.number(4) != kDirectoryMark) return;
      cursor.take(16);
      bool large[2];
      for (const int which : {1, 0}) large[which] = cursor.number(4) == kNo32;
      const uint64_t name = cursor.number(2), extra = cursor.number(2), comment = cursor.number(2);
      cursor.take(8);
      uint64_t offset = cursor.number(4);
      const std::string entry(cursor.text(name));
      if (offset == kNo32) offset = offset_from_extra(Cursor(bytes, cursor.at()), extra, large);
      cursor.take(extra + comment);
      if (cursor.ok()) local_headers[entry] = offset;
    }
  }
};

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file)
    : file_(std::move(file)), state_(std::make_unique<State>()) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file_->data(), file_->size(), 0, &error);
  if (source != nullptr) state_->archive = zip_open_from_source(source, ZIP_RDONLY, &error);
  if (state_->archive == nullptr) {
    const std::string why = zip_error_strerror(&error);
    zip_source_free(source);
    zip_error_fini(&error);
    fail("{}: is not a whole zip file ({}); fetch it again", file_->path().string(), why);
  }
  zip_error_fini(&error);
  state_->find_local_headers(file_->bytes());
  std::set<std::string> seen;
  for (const auto& name : names())
    if (!seen.insert(name).second)
      fail("{}: has two entries \"{}\"; fetch it again", file_->path().string(), printable(name));
}

ZipArchive::~ZipArchive() = default;

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> names;
  const auto count = zip_get_num_entries(state_->archive, 0);
  for (zip_int64_t i = 0; i < count; ++i)
    if (const char* name = zip_get_name(state_->archive, static_cast<zip_uint64_t>(i), 0))
      names.emplace_back(name);
  return names;
}

std::optional<std::span<const std::byte>> ZipArchive::in_place(const std::string& name,
                                                               uint64_t size) const {
  const auto it = state_->local_headers.find(name);
  if (it == state_->local_headers.end()) return std::nullopt;
  Cursor cursor(file_->bytes(), it->second);
  if (cursor.number(4) != kLocalMark) return std::nullopt;
  cursor.take(4);
  const uint64_t method = cursor.number(2);
  cursor.take(16);
  const uint64_t name_size = cursor.number(2), extra = cursor.number(2);
  if (method != 0 || cursor.text(name_size) != name) return std::nullopt;
  cursor.take(extra);
  const auto bytes = cursor.take(size);
  return cursor.ok() ? std::optional(bytes) : std::nullopt;
}

std::span<const std::byte> ZipArchive::read(const std::string& name, size_t alignment, size_t limit,
                                            std::shared_ptr<const void>& owner) const {
  const std::string where = file_->path().string();
  zip_stat_t info;
  if (zip_stat(state_->archive, name.c_str(), 0, &info) != 0 || (info.valid & ZIP_STAT_SIZE) == 0)
    fail("{}: lacks the entry \"{}\"; fetch it again", where, printable(name));
  if ((info.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && info.encryption_method != ZIP_EM_NONE)
    fail("{}: its entry \"{}\" is encrypted; save it without a password", where, printable(name));
  if (info.comp_method == ZIP_CM_STORE)
    if (const auto bytes = in_place(name, info.size);
        bytes && reinterpret_cast<uintptr_t>(bytes->data()) % alignment == 0)
      return *bytes;
  if (info.size > limit)
    fail(
        "{}: its entry \"{}\" says that it unpacks to {} bytes; expected at most {}. If the file "
        "is "
        "to be trusted, save it again with torch.save, which does not compress",
        where, printable(name), info.size, limit);
  return unpack(info.index, info.size, name, owner);
}

std::span<const std::byte> ZipArchive::unpack(uint64_t index, uint64_t size,
                                              const std::string& name,
                                              std::shared_ptr<const void>& owner) const {
  const std::string where = file_->path().string();
  const std::unique_ptr<zip_file_t, CloseEntry> entry(zip_fopen_index(state_->archive, index, 0));
  if (!entry)
    fail("{}: cannot read its entry \"{}\" ({}); fetch it again", where, printable(name),
         zip_strerror(state_->archive));
  const auto copy = std::make_shared<std::vector<double>>(size / sizeof(double) + 1);
  char more = 0;  // reading past the end is what makes libzip compare the checksum
  if (zip_fread(entry.get(), copy->data(), size) != static_cast<zip_int64_t>(size) ||
      zip_fread(entry.get(), &more, 1) != 0)
    fail("{}: its entry \"{}\" is damaged; fetch it again", where, printable(name));
  owner = copy;
  return {reinterpret_cast<const std::byte*>(copy->data()), size};
}

}  // namespace falconer
