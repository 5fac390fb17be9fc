#include "data/raw_rows.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/row_file.h"
#include "data/complaints.h"
#include "data/csv_rows.h"
#include "data/json_rows.h"
#include "data/text_window.h"
#include "parquet/rows.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

/// What a file of JSON holds.
struct JsonShape {
  bool array = false;
  bool by_row = false;  // its lines tell nothing

  JsonShape(RowFile kind, const TextWindow& window) {
    const std::string_view text = window.text();
    const size_t first = text.find_first_not_of(" \t\r\n");
    const bool row_first = first != std::string_view::npos && text[first] == '{';
    array = kind.format == RowFormat::kJson ? !row_first : holds_array(text);
    if (array && begins_with_messages(text)) array = false;
    // Of what is unpacked the lines are nobody's to look at.
    by_row = array && (kind.packing != Packing::kNone || is_array_in_one_line(text));
  }
};

}  // namespace

void refuse_file_kind(const fs::path& file) {
  const std::string name = file.string();
  if (file.extension() == ".gz" || file.extension() == ".zst")
    fail(
        "{}: compressed are read .json, .jsonl, .ndjson, .csv and .tsv, with .gz or .zst behind "
        "it; "
        "unpack it first",
        name);
  fail("{}: expected a file that ends in {}, or in .txt", name, kRowEndings);
}

void refuse_standard_input(const fs::path& file) {
  if (file == "-")
    fail_usage(
        "-: rows of standard input are not read here, where they are read more than once; write "
        "them to a file "
        "that ends in {}",
        kRowEndings);
}

std::string_view counted_by(const fs::path& file, const ReadAs& as) {
  const RowFile kind = row_file(file.string());
  if (kind.format == RowFormat::kParquet) return "row";
  if (kind.format == RowFormat::kNone || kind.is_table() || !is_plain_file(file)) return "line";
  return JsonShape(kind, TextWindow(file, kind.packing, as.encoding)).by_row ? "row" : "line";
}

std::string_view text_counted_by(std::string_view given) {
  return JsonShape({RowFormat::kJsonLines}, TextWindow::of(given)).by_row ? "row" : "line";
}

void read_raw_rows(const fs::path& name, std::string_view text, const OnRawRow& row,
                   const OnBadRow& bad) {
  TextWindow window = TextWindow::of(text);
  const JsonShape shape({RowFormat::kJsonLines}, window);
  if (shape.array) return read_json_array(name, window, shape.by_row, row, bad);
  read_json_lines(name, window, row, bad);
}

void read_raw_rows(const fs::path& file, const OnRawRow& row, const OnBadRow& bad,
                   const ReadAs& as) {
  const std::string name = file.string();
  refuse_standard_input(file);
  if (!is_there(file))
    fail("{}: {}", name, not_found_text(file, "a .json, .jsonl, .csv or .parquet file"));
  if (file.extension() == ".txt")
    fail("{}: is plain text, and rows are expected: {}", name, kRowEndings);
  const RowFile kind = row_file(name);
  if (is_folder(file))
    fail("{}: is a folder; give one of its files, as {}", name, (file / "test.jsonl").string());
  if (kind.format == RowFormat::kNone) refuse_file_kind(file);
  if (kind.is_table()) return read_csv(file, kind, as, row, bad);
  if (kind.format == RowFormat::kParquet)
    return parquet::read_rows(
        file, {.row = [&](const nlohmann::ordered_json& object,
                          int64_t number) { deliver_row(object, number, row, bad); },
               .bad = bad});
  TextWindow window(file, kind.packing, as.encoding);
  if (const std::string wrong = file_complaint(window.text()); !wrong.empty())
    fail("{}: {}", name, wrong);
  const JsonShape shape(kind, window);
  if (shape.array && kind.format == RowFormat::kJsonLines)
    log_info(
        "{}: is a JSON array, though its name says that it holds JSON lines; it is read as one",
        name);
  if (shape.array) return read_json_array(file, window, shape.by_row, row, bad);
  read_json_lines(file, window, row, bad);
}

}  // namespace falconer
