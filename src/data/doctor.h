// What is wrong with a dataset, before anything is trained on it: each thing once, with its rows, how
// grave it is and what to do.
#pragma once

#include <string>
#include <vector>

#include "data/load.h"

namespace falconer {

enum class Severity { kError, kWarning, kNote };
/// "error", "warning", "note"
const char* name_of(Severity severity);

/// A row by its line (or number, see RowStore::counted_by), and another one that it is like.
struct RowPlace {
  int32_t file = 0, like_file = 0;  // numbers in Diagnosis::files
  int64_t line = 0, like_line = 0;  // like_line 0: there is none
};

struct Finding {
  std::string kind;  // "no-targets", ...: for programs
  Severity severity = Severity::kNote;
  std::string what;                   // in a few words
  std::vector<RowPlace> places;       // all, in the order of files and lines
  std::vector<std::string> messages;  // of the first places, where each has its own
  std::string detail;                 // more, as a clause; or empty
  std::string next_step;
};

struct Diagnosis {
  LoadedData data;
  std::vector<std::filesystem::path> files;
  std::vector<Finding> findings;  // errors first
  int64_t median = 0;             // length of a row
  int64_t lost_tokens = 0;

  /// All rows of a file: the first is the one that is trained on.
  const RowStore& rows_of(int32_t file) const {
    return file == 0 ? *data.train.rows : *data.test.rows;
  }
};

struct DoctorOptions {
  LoadOptions load;  // bad rows are always left out and told; skip_bad: they are no error
  std::vector<int32_t> begins, ends;  // ids that begin and end a text, as the model's config says
};

/// Loads `path` as load_dataset() does and says what is odd. Memory: some 100 bytes a row, and 24 for
/// each time that a row is named. Errors: those of load_dataset(), but for bad rows and for rows that
/// teach nothing.
Diagnosis diagnose(const std::filesystem::path& path, const Tokenizer* tokenizer,
                   const DoctorOptions& options);

}  // namespace falconer
