// Rows of tables: files of comma- or tab-separated values with a header.
#pragma once

#include <filesystem>

#include "base/row_file.h"
#include "data/csv.h"
#include "data/read_as.h"
#include "data/row_delivery.h"
#include "data/text_window.h"

namespace falconer {

/// Records of a file one by one, of which no more than a part is in memory.
class CsvFile {
 public:
  /// `kind` is a table's. Errors: as TextWindow.
  CsvFile(const std::filesystem::path& file, RowFile kind, const ReadAs& as = {});
  char separator() const { return separator_; }
  /// What it begins with, before the first record was read.
  std::string_view begin() const { return window_.text(); }
  /// False behind the last one. Error: damaged data, or a record longer than a row may be.
  bool next(CsvRecord& record);

 private:
  char separator_;
  TextWindow window_;
  CsvReader reader_;
};

/// Errors: a quote that is never closed, two columns of one name.
void read_csv(const std::filesystem::path& file, RowFile kind, const ReadAs& as,
              const OnRawRow& row, const OnBadRow& bad);

}  // namespace falconer
