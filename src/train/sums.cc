#include "train/sums.h"

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSumsName = "SHA256SUMS";
constexpr size_t kDigits = 64;

std::string hash_of(const fs::path& path) {
  const MappedFile file(path);
  Digest hash = Digest::sha256();
  constexpr size_t kPiece = 16 << 20;
  const std::span<const std::byte> all = file.bytes();
  for (size_t at = 0; at < all.size(); at += kPiece) {
    const auto piece = all.subspan(at, std::min(kPiece, all.size() - at));
    hash.update(piece);
    forget_pages(piece);  // a checkpoint may be larger than what is left of memory
  }
  return hash.finish();
}

}  // namespace

void write_sums(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() != kSumsName)
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names)
    text += fmt::format("{}  {}\n", hash_of(folder / name), name);
  write_file(folder / kSumsName, text);
}

std::optional<std::vector<std::string>> check_sums(const fs::path& folder) {
  if (!fs::exists(folder / kSumsName)) return {};
  std::vector<std::string> wrong;
  const std::string text = read_text_file(folder / kSumsName, 1 << 20);
  for (size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    const std::string name = line.size() > kDigits + 2 ? line.substr(kDigits + 2) : "";
    if (name.empty() || name.find('/') != std::string::npos || line.substr(kDigits, 2) != "  ")
      fail("{}: \"{}\" is no line of hashes", (folder / kSumsName).string(), printable(line));
    if (!fs::is_regular_file(folder / name))
      wrong.push_back(name + " is missing");
    else if (hash_of(folder / name) != line.substr(0, kDigits))
      wrong.push_back(name + " reads differently than when it was saved");
  }
  return wrong;
}

}  // namespace falconer
