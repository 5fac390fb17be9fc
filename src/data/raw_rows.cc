#include "data/raw_rows.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "data/csv.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

void deliver(const nlohmann::json& object, int64_t line, const OnRawRow& row, const OnBadRow& bad) {
  if (!object.is_object()) return bad(line, "is not a JSON object");
  try {
    row(object, line);
  } catch (const Error& error) {
    bad(line, error.what());
  } catch (const nlohmann::json::exception& error) {
    bad(line, error.what());
  }
}

void read_json_lines(const fs::path& file, const OnRawRow& row, const OnBadRow& bad) {
  std::ifstream input(file);
  std::string text;
  for (int64_t line = 1; std::getline(input, text); ++line) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto object = nlohmann::json::parse(text, nullptr, false);
    if (object.is_discarded())
      bad(line, "is not valid JSON");
    else
      deliver(object, line, row, bad);
  }
}

// The lines on which the elements of a JSON array begin. `text` is valid JSON.
std::vector<int64_t> element_lines(const std::string& text) {
  std::vector<int64_t> lines;
  int64_t line = 1, depth = 0;
  bool quoted = false, waiting = false;  // for the first character of an element
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      continue;
    }
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (waiting && c != ']') lines.push_back(line);
    waiting = depth == (c == '[' ? 0 : 1) && (c == '[' || c == ',');
    quoted = c == '"';
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
  }
  return lines;
}

void read_json_array(const fs::path& file, const std::string& text, const OnRawRow& row,
                     const OnBadRow& bad) {
  nlohmann::json all;
  try {
    all = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: is not valid JSON: {}", file.string(), error.what());
  }
  if (!all.is_array())
    fail("{}: expected a JSON array of rows, or JSON lines in a .jsonl file", file.string());
  const std::vector<int64_t> lines = element_lines(text);
  FALCONER_CHECK(lines.size() == all.size());
  for (size_t i = 0; i < all.size(); ++i) deliver(all[i], lines[i], row, bad);
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
    deliver(object, record.line, row, bad);
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
