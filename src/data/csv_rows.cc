#include "data/csv_rows.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "data/complaints.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

/// Where each field of a record goes. An object finds a key by looking through all of them, so that
/// this is asked once and not for each row. Columns without a name may be many, and the last counts.
std::vector<size_t> places_of(const fs::path& file, const CsvRecord& header,
                              std::vector<std::string>& names) {
  std::unordered_map<std::string_view, size_t> known;
  std::vector<size_t> places;
  for (const std::string& name : header.fields) {
    const auto [at, added] = known.try_emplace(name, names.size());
    if (added) names.push_back(name);
    if (!added && !name.empty())
      fail("{}: line {}: the header has the column \"{}\" twice; rename one of them", file.string(),
           header.line, printable(name));
    places.push_back(at->second);
  }
  return places;
}

/// All rows behind such a quote would be lost in one field: no row alone is bad.
void refuse_open_quote(const fs::path& file, const CsvRecord& record) {
  size_t bytes = 0;
  for (const std::string& field : record.fields) bytes += field.size();
  if (bytes > kLongestCsvField)
    fail("{}: line {}: the row that begins here has {} MB; a quote may not be closed",
         file.string(), record.line, bytes >> 20);
  if (record.open)
    fail(
        "{}: line {}: a quote opens here and is not closed until the end of the file, line "
        "{}; close it where its field ends",
        file.string(), record.quote_line, record.last_line);
}

std::optional<std::string> field_that_is_no_text(const CsvRecord& record) {
  for (const std::string& field : record.fields)
    if (valid_utf8_prefix(field) < field.size()) return utf8_complaint(field);
  return {};
}

}  // namespace

CsvFile::CsvFile(const fs::path& file, RowFile kind, const ReadAs& as)
    : separator_(as.delimiter != 0                ? as.delimiter
                 : kind.format == RowFormat::kTsv ? '\t'
                                                  : ','),
      window_(file, kind.packing, as.encoding),
      reader_(window_.text(), separator_) {}

bool CsvFile::next(CsvRecord& record) {
  for (;;) {
    window_.pass(reader_.place());
    const CsvReader before = reader_;
    const bool found = reader_.next(record);
    // A record that ends with what is there may have more behind it.
    if (window_.ended() || !reader_.at_end()) return found;
    window_.more(before.line());
    reader_ = before;
    reader_.go_on_in(window_.text());
  }
}

void read_csv(const fs::path& file, RowFile kind, const ReadAs& as, const OnRawRow& row,
              const OnBadRow& bad) {
  CsvFile csv(file, kind, as);
  if (const std::string wrong = file_complaint(csv.begin()); !wrong.empty())
    fail("{}: {}", file.string(), wrong);
  if (const std::string wrong = line_end_complaint(csv.begin()); !wrong.empty())
    fail("{}: {}", file.string(), wrong);
  CsvRecord header, record;
  if (!csv.next(header)) return;
  std::vector<std::string> names;
  refuse_open_quote(file, header);
  const std::vector<size_t> places = places_of(file, header, names);
  while (csv.next(record)) {
    refuse_open_quote(file, record);
    if (const std::string wrong = wrong_with(record, header.fields.size(), csv.separator());
        !wrong.empty()) {
      bad(record.line, wrong);
      continue;
    }
    if (const auto wrong = field_that_is_no_text(record); wrong) {
      bad(record.line, *wrong);
      continue;
    }
    ordered_json object = ordered_json::object();
    auto& members = object.get_ref<ordered_json::object_t&>();
    for (const std::string& name : names) members.push_back({name, nullptr});
    for (size_t f = 0; f < places.size(); ++f)
      std::next(members.begin(), static_cast<std::ptrdiff_t>(places[f]))->second =
          std::move(record.fields[f]);
    deliver_row(object, record.line, row, bad);
  }
}

}  // namespace falconer
