// What there is to say of a single row, found while it becomes ids: for those who look for what is
// wrong with data.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/encode.h"

namespace falconer {

/// What a row may be remarkable for. As bits of RowFacts::marks.
enum RowMark : uint32_t {
  kNoEnd = 1 << 0,           // an answer is not followed by a token that stops a model
  kOpenText = 1 << 1,        // ids that are all learned, and no end-of-text behind them
  kTwoBegins = 1 << 2,       // begins with two begin-of-text tokens
  kCut = 1 << 3,             // longer than --max-seq-length
  kLostAnswer = 1 << 4,      // no token of an answer is left
  kEmptyAnswer = 1 << 5,     // nothing but the token that ends it
  kShortAnswer = 1 << 6,     // one token
  kRepeatedRole = 1 << 7,    // two messages of the user or of the model, one after the other
  kSpelledSpecial = 1 << 8,  // its text spells a special token
  kInvalidUtf8 = 1 << 9,
  kReplacement = 1 << 10,  // U+FFFD: what another program made of bytes that it could not read
  kNul = 1 << 11,
  kControl = 1 << 12,  // other control characters than tab and line end
};

struct RowFacts {
  uint32_t marks = 0;
  uint64_t prompt_hash = 0;  // of the ids before the last answer; 0: none are before it
  int64_t lost_tokens = 0, lost_answers = 0;
  std::vector<int32_t> spelled;  // special tokens
};

/// Looks at one row at a time; safe from many threads.
class Examiner {
 public:
  /// `tokenizer` may be null where all rows are token ids. `begins` and `ends`: ids that begin and
  /// end a text beside those that the tokenizer knows.
  Examiner(const Tokenizer* tokenizer, EncodeOptions options, std::vector<int32_t> begins,
           std::vector<int32_t> ends);

  RowFacts of_example(const Example& example, const EncodedRows& encoded) const;
  /// A row that was ids, of which `lost` were cut.
  RowFacts of_ids(const Row& row, int64_t lost) const;
  /// A part of a plain text.
  RowFacts of_text(const Row& row) const;
  /// Marks of characters, and special tokens that are spelled.
  void look_at_text(std::string_view text, RowFacts& facts) const;

 private:
  void look_at_characters(std::string_view text, RowFacts& facts) const;
  bool begins_twice(const std::vector<int32_t>& ids) const;
  bool ends_text(int32_t id) const;

  const Tokenizer* tokenizer_;
  EncodeOptions options_;
  std::vector<int32_t> begins_, ends_;
};

/// Is told of everything that load_dataset() reads, file by file and in order.
struct RowWatch {
  const Examiner& examiner;
  std::function<void(const std::filesystem::path&)> file;  // rows of it follow
  std::function<void(const RowFacts&)> row;                // one that is kept
  std::function<void(int64_t line, const std::string& what)> bad;
};

}  // namespace falconer
