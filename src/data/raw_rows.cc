#include "data/raw_rows.h"

#include <atomic>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "data/csv.h"
#include "data/json_array.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

void deliver_row(const nlohmann::json& object, int64_t line, const OnRawRow& row,
                 const OnBadRow& bad) {
  if (!object.is_object()) return bad(line, "is not a JSON object");
  try {
    row(object, line);
  } catch (const Error& error) {
    bad(line, error.what());
  } catch (const nlohmann::json::exception& error) {
    bad(line, error.what());
  }
}

/// Parses rows on all cores and delivers them in order, some thousands at a time: what is parsed
/// and not yet delivered stays small.
class RowParser {
 public:
  RowParser(const OnRawRow& row, const OnBadRow& bad) : row_(row), bad_(bad) {}

  /// `text` must live until deliver().
  void add(std::string_view text, int64_t line) {
    texts_.push_back(text);
    lines_.push_back(line);
    bytes_ += text.size();
  }
  bool full() const { return texts_.size() >= kMostRows || bytes_ >= kMostBytes; }

  /// Parses what was added. False where one of them is no JSON: they may still be delivered.
  bool parse() {
    parsed_.resize(std::max(parsed_.size(), texts_.size()));
    std::atomic<bool> good = true;
    parallel_for(static_cast<int64_t>(texts_.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        parsed_[i] = nlohmann::json::parse(texts_[i], nullptr, false);
        if (parsed_[i].is_discarded()) good = false;
      }
    });
    return good;
  }

  void deliver() {
    for (size_t i = 0; i < texts_.size(); ++i)
      if (parsed_[i].is_discarded())
        bad_(lines_[i], "is not valid JSON");
      else
        deliver_row(parsed_[i], lines_[i], row_, bad_);
    texts_.clear();
    lines_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr size_t kMostRows = 4096, kMostBytes = size_t{1} << 21;
  const OnRawRow& row_;
  const OnBadRow& bad_;
  std::vector<std::string_view> texts_;
  std::vector<int64_t> lines_;
  std::vector<nlohmann::json> parsed_;
  size_t bytes_ = 0;
};

void read_json_lines(const fs::path& file, const OnRawRow& row, const OnBadRow& bad) {
  std::ifstream input(file);
  RowParser parser(row, bad);
  std::deque<std::string> texts;  // a line stays in its place while others come
  const auto flush = [&] {
    parser.parse();
    parser.deliver();
    texts.clear();
  };
  std::string text;
  for (int64_t line = 1; std::getline(input, text); ++line) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    parser.add(texts.emplace_back(std::move(text)), line);
    if (parser.full()) flush();
  }
  flush();
}

/// Finds the rows of an array and parses them apart. False where `text` is not a valid array: rows
/// that were delivered by then do no harm, since that is an error.
bool deliver_elements(const std::string& text, const OnRawRow& row, const OnBadRow& bad) {
  const auto elements = json_array_elements(text);
  if (!elements) return false;
  RowParser parser(row, bad);
  int64_t line = 1;
  const char* counted = text.data();
  for (const std::string_view element : *elements) {
    const char* begin =
        element.data() + std::min(element.find_first_not_of(" \t\r\n"), element.size());
    line += std::count(counted, begin, '\n');
    counted = begin;
    parser.add(element, line);
    if (!parser.full()) continue;
    if (!parser.parse()) return false;
    parser.deliver();
  }
  if (!parser.parse()) return false;
  parser.deliver();
  return true;
}

void read_json_array(const fs::path& file, const std::string& text, const OnRawRow& row,
                     const OnBadRow& bad) {
  if (deliver_elements(text, row, bad)) return;
  // Parsed at once, the whole says what is wrong with it.
  nlohmann::json all;
  try {
    all = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: is not valid JSON: {}", file.string(), error.what());
  }
  if (!all.is_array())
    fail("{}: expected a JSON array of rows, or JSON lines in a .jsonl file", file.string());
  FALCONER_CHECK(!"an array whose elements were not found, or not valid");
}

void read_csv(const fs::path& file, const OnRawRow& row, const OnBadRow& bad) {
  const std::vector<CsvRecord> records = parse_csv(read_text_file(file));
  if (records.empty()) return;
  const std::vector<std::string>& header = records.front().fields;
  for (size_t i = 1; i < records.size(); ++i) {
    const CsvRecord& record = records[i];
    if (record.fields.size() != header.size()) {
      bad(record.line,
          fmt::format("has {} fields, and the header has {}", record.fields.size(), header.size()));
      continue;
    }
    nlohmann::json object = nlohmann::json::object();
    for (size_t f = 0; f < header.size(); ++f) object[header[f]] = record.fields[f];
    deliver_row(object, record.line, row, bad);
  }
}

}  // namespace

void read_raw_rows(const fs::path& file, const OnRawRow& row, const OnBadRow& bad) {
  if (!fs::exists(file)) fail("{}: no such file; give a .json, .jsonl or .csv file", file.string());
  const std::string ending = file.extension().string();
  if (ending == ".csv") return read_csv(file, row, bad);
  if (ending == ".jsonl") return read_json_lines(file, row, bad);
  if (ending != ".json")
    fail("{}: expected a file that ends in .json, .jsonl or .csv", file.string());
  const std::string text = read_text_file(file);
  const size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (first != std::string::npos && text[first] == '{') return read_json_lines(file, row, bad);
  read_json_array(file, text, row, bad);
}

}  // namespace falconer
