#include "base/row_file.h"

#include "base/small_letters.h"

namespace falconer {
namespace {

struct FormatEnding {
  std::string_view ending;
  RowFormat format;
};
constexpr FormatEnding kFormatEndings[] = {
    {".jsonl", RowFormat::kJsonLines},  {".json", RowFormat::kJson},
    {".csv", RowFormat::kCsv},          {".parquet", RowFormat::kParquet},
    {".ndjson", RowFormat::kJsonLines}, {".tsv", RowFormat::kTsv}};

struct PackingEnding {
  std::string_view ending;
  Packing packing;
};
constexpr PackingEnding kPackingEndings[] = {{".gz", Packing::kGzip}, {".zst", Packing::kZstd}};

std::vector<std::string> all_endings() {
  std::vector<std::string> made;
  for (const FormatEnding& one : kFormatEndings) made.emplace_back(one.ending);
  for (const PackingEnding& packed : kPackingEndings)
    for (const FormatEnding& one : kFormatEndings)
      if (one.format != RowFormat::kParquet)
        made.push_back(std::string(one.ending) + std::string(packed.ending));
  return made;
}

}  // namespace

RowFile row_file(std::string_view given) {
  const std::string small = small_letters(given);
  std::string_view name = small;
  RowFile made;
  for (const PackingEnding& packed : kPackingEndings) {
    if (!name.ends_with(packed.ending)) continue;
    name.remove_suffix(packed.ending.size());
    made.packing = packed.packing;
    break;
  }
  for (const FormatEnding& one : kFormatEndings)
    if (name.ends_with(one.ending)) made.format = one.format;
  // Parquet's own pages are compressed: packed as a whole, it could not be read in parts.
  if (made.format == RowFormat::kParquet && made.packing != Packing::kNone)
    made.format = RowFormat::kNone;
  return made;
}

const std::vector<std::string>& row_file_endings() {
  static const std::vector<std::string> all = all_endings();
  return all;
}

}  // namespace falconer
