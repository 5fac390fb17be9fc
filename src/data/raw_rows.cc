#include "data/raw_rows.h"

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/threads.h"
#include "data/complaints.h"
#include "data/csv.h"
#include "data/json_array.h"
#include "data/mapped_text.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

using nlohmann::ordered_json;

constexpr size_t kLongestRow = size_t{256} << 20;

constexpr std::string_view kSpace = " \t\r\n";

/// Whether lines are rows of an array and not rows themselves, whatever the file is called: no row begins
/// with "[", and an array of rows goes on with a row, or ends.
bool holds_array(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos || text[first] != '[') return false;
  const size_t next = text.find_first_not_of(kSpace, first + 1);
  return next != std::string_view::npos && (text[next] == '{' || text[next] == ']');
}

bool is_array_in_one_line(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '[') return false;
  const size_t end = text.find('\n', first);
  return text.find_first_not_of(" \t\r\n", std::min(end, text.size())) == std::string_view::npos;
}

/// Its own line and not the file's is the first.
std::string complaint_of_row(std::string_view text) {
  constexpr std::string_view kFirstLine = "parse error at line 1, ";
  std::string complaint = json_complaint(text);
  if (complaint.starts_with(kFirstLine)) complaint.erase(0, kFirstLine.size());
  return complaint;
}

void deliver_row(const ordered_json& object, int64_t line, const OnRawRow& row,
                 const OnBadRow& bad) {
  if (!object.is_object()) return bad(line, "is not a JSON object");
  try {
    row(object, line);
  } catch (const Error& error) {
    if (error.exit_code() == kExitUsage) throw;  // a flag is wrong, and not the row
    bad(line, error.what());
  } catch (const nlohmann::json::exception& error) {
    bad(line, json_reason(error));
  }
}

/// Parses rows on all cores and delivers them in order, some thousands at a time: what is parsed
/// and not yet delivered stays small.
class RowParser {
 public:
  RowParser(const fs::path& file, const OnRawRow& row, const OnBadRow& bad)
      : file_(file), row_(row), bad_(bad) {}

  /// `text` must live until deliver().
  void add(std::string_view text, int64_t line) {
    if (text.size() > kLongestRow)
      fail(
          "{}: {} {}: the row that begins here has {} MB; expected rows, one a line or in an "
          "array",
          file_.string(), counted_by(file_), line, text.size() >> 20);
    texts_.push_back(text);
    lines_.push_back(line);
    bytes_ += text.size();
  }
  bool full() const { return texts_.size() >= kMostRows || bytes_ >= kMostBytes; }

  /// Parses what was added. False where one of them is no JSON: they may still be delivered. One
  /// whose shape is beyond all bounds is bad, and no fault of the file as a whole.
  bool parse() {
    parsed_.resize(std::max(parsed_.size(), texts_.size()));
    repeated_.assign(texts_.size(), std::nullopt);
    std::atomic<bool> good = true;
    parallel_for(static_cast<int64_t>(texts_.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        parsed_[i] = parse_ordered_json(texts_[i]);
        if (!parsed_[i].is_discarded())
          repeated_[i] = repeated_key(texts_[i], parsed_[i]);
        else if (json_excess(texts_[i], true).empty())
          good = false;
      }
    });
    return good;
  }

  void deliver() {
    for (size_t i = 0; i < texts_.size(); ++i)
      if (parsed_[i].is_discarded()) {
        const std::string excess = json_excess(texts_[i], true);
        bad_(lines_[i],
             excess.empty() ? row_complaint(texts_[i], complaint_of_row(texts_[i])) : excess);
      } else if (repeated_[i]) {
        bad_(lines_[i], repeated_key_text(*repeated_[i]));
      } else {
        deliver_row(parsed_[i], lines_[i], row_, bad_);
      }
    texts_.clear();
    lines_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr size_t kMostRows = 4096, kMostBytes = size_t{1} << 21;
  const fs::path& file_;
  const OnRawRow& row_;
  const OnBadRow& bad_;
  std::vector<std::string_view> texts_;
  std::vector<int64_t> lines_;
  std::vector<ordered_json> parsed_;
  std::vector<std::optional<std::string>> repeated_;  // keys that a row has twice
  size_t bytes_ = 0;
};

void read_json_lines(const fs::path& file, MappedText& mapped, const OnRawRow& row,
                     const OnBadRow& bad) {
  RowParser parser(file, row, bad);
  std::string_view rest = mapped.text();
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = rest.find('\n');
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    parser.add(text, line);
    if (!parser.full()) continue;
    parser.parse();
    parser.deliver();
    mapped.pass(rest.data());
  }
  parser.parse();
  parser.deliver();
}

/// Finds the rows of an array and parses them apart. False where the text is not a valid array: rows
/// that were delivered by then do no harm, since that is an error.
bool deliver_elements(const fs::path& file, MappedText& mapped, const OnRawRow& row,
                      const OnBadRow& bad) {
  JsonArrayScanner scanner(mapped.text());
  RowParser parser(file, row, bad);
  const bool by_row = is_array_in_one_line(mapped.text());
  int64_t line = by_row ? 0 : 1;
  const char* counted = mapped.text().data();
  while (const auto element = scanner.next()) {
    const char* begin =
        element->data() + std::min(element->find_first_not_of(" \t\r\n"), element->size());
    line += by_row ? 1 : std::count(counted, begin, '\n');
    counted = begin;
    parser.add(*element, line);
    if (!parser.full()) continue;
    if (!parser.parse()) return false;
    parser.deliver();
    mapped.pass(counted);
  }
  if (!scanner.whole() || !parser.parse()) return false;
  parser.deliver();
  return true;
}

void read_json_array(const fs::path& file, MappedText& mapped, const OnRawRow& row,
                     const OnBadRow& bad) {
  if (deliver_elements(file, mapped, row, bad)) return;
  // Read once more in one go, the whole says what is wrong with it.
  if (const std::string wrong = json_complaint(mapped.text()); !wrong.empty())
    fail("{}: is not valid JSON: {}", file.string(), wrong);
  const size_t first = mapped.text().find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || mapped.text()[first] != '[')
    fail("{}: expected a JSON array of rows, or JSON lines in a .jsonl file", file.string());
  FALCONER_CHECK(!"an array whose elements were not found, or not valid");
}

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

void read_csv(const fs::path& file, MappedText& mapped, const OnRawRow& row, const OnBadRow& bad) {
  CsvReader reader(mapped.text());
  CsvRecord header, record;
  if (!reader.next(header)) return;
  std::vector<std::string> names;
  refuse_open_quote(file, header);
  const std::vector<size_t> places = places_of(file, header, names);
  while (reader.next(record)) {
    refuse_open_quote(file, record);
    mapped.pass(mapped.text().data() + reader.position());
    if (const std::string wrong = wrong_with(record, header.fields.size()); !wrong.empty()) {
      bad(record.line, wrong);
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

}  // namespace

void refuse_file_kind(const fs::path& file) {
  const std::string ending = file.extension().string(), name = file.string();
  if (ending == ".parquet")
    fail(
        "{}: Parquet is not read here (its library, Apache Arrow, is in neither Debian 12 nor "
        "Ubuntu 22.04). With Python it becomes JSON lines in one command:\n"
        "  python3 -c \"import pandas; "
        "pandas.read_parquet('{}').to_json('{}', orient='records', lines=True)\"",
        name, name, fs::path(file).replace_extension(".jsonl").string());
  fail("{}: expected a file that ends in .json, .jsonl, .csv or .txt", name);
}

std::string_view counted_by(const fs::path& file) {
  const std::string ending = file.extension().string();
  if ((ending != ".json" && ending != ".jsonl") || !is_plain_file(file)) return "line";
  const MappedText mapped(file);
  const bool array = ending == ".json" || holds_array(mapped.text());
  return array && is_array_in_one_line(mapped.text()) ? "row" : "line";
}

std::string_view text_counted_by(std::string_view given) {
  const MappedText mapped = MappedText::of(given);
  const std::string_view text = mapped.text();
  return holds_array(text) && is_array_in_one_line(text) ? "row" : "line";
}

void read_raw_rows(const fs::path& name, std::string_view text, const OnRawRow& row,
                   const OnBadRow& bad) {
  MappedText mapped = MappedText::of(text);
  if (holds_array(mapped.text())) return read_json_array(name, mapped, row, bad);
  read_json_lines(name, mapped, row, bad);
}

void read_raw_rows(const fs::path& file, const OnRawRow& row, const OnBadRow& bad) {
  if (!is_there(file))
    fail("{}: {}", file.string(), not_found_text(file, "a .json, .jsonl or .csv file"));
  const std::string ending = file.extension().string();
  if (ending == ".txt")
    fail("{}: is plain text, and rows are expected: .json, .jsonl or .csv", file.string());
  if (ending != ".csv" && ending != ".jsonl" && ending != ".json") refuse_file_kind(file);
  MappedText mapped(file);
  if (const std::string wrong = file_complaint(mapped.text()); !wrong.empty())
    fail("{}: {}", file.string(), wrong);
  if (ending == ".csv") return read_csv(file, mapped, row, bad);
  const bool array = ending == ".jsonl" && holds_array(mapped.text());
  if (array)
    log_info("{}: is a JSON array, though its name ends in .jsonl; it is read as one",
             file.string());
  if (ending == ".jsonl" && !array) return read_json_lines(file, mapped, row, bad);
  const size_t first = mapped.text().find_first_not_of(" \t\r\n");
  if (first != std::string::npos && mapped.text()[first] == '{')
    return read_json_lines(file, mapped, row, bad);
  read_json_array(file, mapped, row, bad);
}

}  // namespace falconer
