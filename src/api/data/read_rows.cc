#include "api/data/read_rows.h"

#include <exception>
#include <iostream>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "base/line_reader.h"
#include "base/one_of_many.h"
#include "base/path.h"
#include "base/row_file.h"
#include "base/streams.h"
#include "data/raw_rows.h"

namespace falconer {

namespace {

/// A file that is not read line by line as a pipe is.
void for_each_row(const std::string& path, const OnRawRow& row) {
  std::exception_ptr not_written;  // which is not the row's fault
  read_raw_rows(
      path,
      [&](const nlohmann::ordered_json& object, int64_t number) {
        try {
          row(object, number);
        } catch (const OutputError&) {
          not_written = std::current_exception();
          throw;
        }
      },
      [&](int64_t number, const std::string& what) {
        if (not_written) std::rethrow_exception(not_written);
        fail("{}: {} {}: {}", path, counted_by(path), number, what);
      });
}

}  // namespace

void for_each_json_line(const std::string& path,
                        const std::function<void(const nlohmann::ordered_json&, int64_t)>& row) {
  if (path == "-" && is_one_of_many())
    fail_usage("standard input reaches one rank alone: give all a file of rows");
  const RowFile kind = row_file(path);
  // An array is one row for who reads lines; a pipe is never one.
  const bool array = kind.format == RowFormat::kJson && is_plain_file(path);
  if (array || kind.is_table() || kind.format == RowFormat::kParquet ||
      (kind.format != RowFormat::kNone && kind.packing != Packing::kNone))
    return for_each_row(path, row);
  LineReader input(path);
  std::string line;
  for (int64_t number = 1; input.next(line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto json = parse_ordered_json(line);
    if (json.is_discarded() || !json.is_object()) {
      std::string wrong = array_text(line);
      if (wrong.empty()) wrong = json_complaint(line);
      fail("{}: line {} is not a JSON object{}{}", path, number, wrong.empty() ? "" : ": ", wrong);
    }
    if (const auto key = repeated_key(line, json))
      fail("{}: line {} {}", path, number, repeated_key_text(*key));
    try {
      row(json, number);
    } catch (const nlohmann::json::exception& error) {
      fail("{}: line {}: {}", path, number, json_reason(error));
    } catch (const OutputError&) {
      throw;  // not the row's fault
    } catch (const Error& error) {
      throw Error(fmt::format("{}: line {}: {}", path, number, error.what()), error.exit_code());
    }
  }
}

struct ResultWriter::State {
  std::string path;
  std::optional<AtomicFile> file;
};

ResultWriter::ResultWriter(const std::string& path, OutputRule& rule, const char* flag)
    : state_(std::make_unique<State>()) {
  if (path.empty() || path == "-") return;
  rule.check_result(path, flag);
  state_->path = path;
  state_->file.emplace(path);
}
ResultWriter::~ResultWriter() = default;

void ResultWriter::write(const nlohmann::ordered_json& row) {
  // Bytes that are no UTF-8 cannot be in JSON: they become U+FFFD rather than an exception.
  const std::string text = json_text(row) + "\n";
  if (!state_->file) return print_result(text);
  try {
    state_->file->write(text);
  } catch (const OutputError&) {
    throw;
  } catch (const Error& error) {
    throw OutputError(error.what(), error.exit_code());
  }
}

void ResultWriter::commit() {
  if (!state_->file) return;
  state_->file->commit();
  mark_written(state_->path);
}

}  // namespace falconer
