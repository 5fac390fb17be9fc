// Rows of the commands that score, tokenize and generate.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/output.h"

namespace falconer {

/// Calls `row` with each JSON object of a JSONL file ("-": standard input) and its line; by its ending an array,
/// a table or a file that is compressed or Parquet is read as data/raw_rows.h says. Errors name file and line, or row.
void for_each_json_line(const std::string& path,
                        const std::function<void(const nlohmann::ordered_json& row, int64_t)>& row);

/// Where results go: a file that appears whole at commit() and is marked as Falconer's own, something
/// that is no file and is written through, or standard output for "-" and "".
class ResultWriter {
 public:
  /// `rule` knows what the command reads; `flag` names the file. Error: the rule's.
  ResultWriter(const std::string& path, OutputRule& rule, const char* flag = "--output");
  ~ResultWriter();
  /// Error: OutputError.
  void write(const nlohmann::ordered_json& row);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace falconer
