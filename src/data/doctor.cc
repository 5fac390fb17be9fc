#include "data/doctor.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <tuple>

#include "base/row_file.h"
#include "base/spelling.h"
#include "base/utf8.h"
#include "data/csv_rows.h"
#include "data/examine.h"
#include "data/finding_kinds.h"
#include "data/mapped_text.h"
#include "text/tokenizer.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::pair<uint32_t, FindingKind>, 8> kKindOfMark = {
    {{kNoEnd, kMissingEnd},
     {kOpenText, kTextOpen},
     {kTwoBegins, kDoubleBegin},
     {kCut, kTruncated},
     {kLostAnswer, kAnswerLost},
     {kEmptyAnswer, kAnswerEmpty},
     {kShortAnswer, kAnswerShort},
     {kRepeatedRole, kRoleTwice}}};

struct CharacterMark {
  uint32_t mark;
  const char* what;
};
constexpr std::array<CharacterMark, 4> kCharacterMarks = {
    {{kInvalidUtf8, "bytes that are no UTF-8, read as U+FFFD,"},
     {kReplacement, "U+FFFD, which stands for bytes that were lost,"},
     {kNul, "NUL"},
     {kControl, "control characters"}}};

constexpr size_t kMostListed = 1000;

/// A row as far as it is compared with others.
struct Compared {
  uint64_t prompt = 0, ids = 0;
  int32_t file = 0;
  int64_t line = 0;
};

/// Where what is far above the rest begins: nowhere among few rows.
int64_t outlier_length(std::vector<int64_t>& lengths) {
  constexpr size_t kFew = 20;
  constexpr int64_t kTimes = 4, kAlwaysUsual = 64;
  if (lengths.size() < kFew) return INT64_MAX;
  const auto most = lengths.begin() + static_cast<ptrdiff_t>((lengths.size() - 1) * 95 / 100);
  std::nth_element(lengths.begin(), most, lengths.end());
  return std::max(kTimes * *most, kAlwaysUsual);
}

class Doctor {
 public:
  Doctor(const Tokenizer* tokenizer, const DoctorOptions& options)
      : tokenizer_(tokenizer),
        options_(options),
        examiner_(tokenizer, options.load.encode, options.begins, options.ends),
        watch_{.examiner = examiner_,
               .file = [this](const fs::path& file) { begin_file(file); },
               .row = [this](const RowFacts& facts) { note(facts); },
               .bad = [this](int64_t line, const std::string& what) { bad(line, what); }} {}

  Diagnosis run(const fs::path& path) {
    LoadOptions load = options_.load;
    load.skip_bad = true;
    load.must_teach = false;
    load.watch = &watch_;
    made_.data = load_dataset(path, tokenizer_, load);
    for (int32_t file = 0; file < static_cast<int32_t>(made_.files.size()); ++file)
      look_at_rows(file);
    look_at_lengths();
    compare_rows();
    for (size_t kind = 0; kind < kKinds; ++kind) tell(static_cast<FindingKind>(kind));
    std::stable_sort(made_.findings.begin(), made_.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
    return std::move(made_);
  }

 private:
  /// What is kept of a row's facts.
  struct Kept {
    uint64_t prompt = 0;
    uint32_t marks = 0;
  };

  int32_t last_file() const { return static_cast<int32_t>(made_.files.size()) - 1; }
  FindingKind bad_kind() const { return options_.load.skip_bad ? kLeftOut : kBadRow; }
  FindingKind special_kind() const {
    return options_.load.encode.parse_special ? kControlToken : kSpecialText;
  }

  void add(FindingKind kind, const RowPlace& place) { places_[kind].push_back(place); }

  void begin_file(const fs::path& file) {
    made_.files.push_back(file);
    kept_.emplace_back();
    if (file.extension() == ".txt" && fs::exists(file)) look_at_lines(file);
    const RowFile kind = row_file(file.string());
    if (kind.is_table() && fs::exists(file)) look_at_fields(file, kind);
  }

  // A quote that is closed too late takes rows into its field, and what is read of it is no bad row.
  void look_at_fields(const fs::path& file, RowFile kind) {
    constexpr int64_t kFew = 2;  // one line may be like a row by chance
    CsvFile csv(file, kind);
    CsvRecord header, record;
    if (!csv.next(header)) return;
    const size_t columns = header.fields.size();
    while (csv.next(record))
      if (!record.open && rows_in_field(record, columns, csv.separator()) >= kFew &&
          wrong_with(record, columns, csv.separator()).empty())
        add(kRowsInField, {.file = last_file(), .line = record.line});
  }

  // The rows of a plain text have no text of their own.
  void look_at_lines(const fs::path& file) {
    MappedText mapped(file);
    std::string_view rest = mapped.text();
    for (int64_t line = 1; !rest.empty(); ++line) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      RowFacts facts;
      examiner_.look_at_text(rest.substr(0, end), facts);
      count_text(facts);
      mark_text(facts.marks, {.file = last_file(), .line = line});
      rest.remove_prefix(std::min(end + 1, rest.size()));
      mapped.pass(rest.data());
    }
  }

  void note(const RowFacts& facts) {
    kept_.back().push_back({facts.prompt_hash, facts.marks});
    made_.lost_tokens += facts.lost_tokens;
    count_text(facts);
  }

  void count_text(const RowFacts& facts) {
    std::vector<int32_t> spelled = facts.spelled;
    std::sort(spelled.begin(), spelled.end());
    spelled.erase(std::unique(spelled.begin(), spelled.end()), spelled.end());
    for (const int32_t id : spelled) ++spelled_[id];
    for (size_t i = 0; i < kCharacterMarks.size(); ++i)
      characters_[i] += (facts.marks & kCharacterMarks[i].mark) != 0;
  }

  void bad(int64_t line, const std::string& what) {
    add(bad_kind(), {.file = last_file(), .line = line});
    if (messages_.size() < kMostListed)
      messages_.insert({{last_file(), line}, to_valid_utf8(what)});
  }

  void mark_text(uint32_t marks, const RowPlace& place) {
    if (marks & kSpelledSpecial) add(special_kind(), place);
    if (marks & (kInvalidUtf8 | kReplacement | kNul | kControl)) add(kCharacters, place);
  }

  void look_at_rows(int32_t file) {
    const RowStore& store = made_.rows_of(file);
    const std::vector<Kept>& kept = kept_[static_cast<size_t>(file)];
    for (int64_t i = 0; i < store.size(); ++i) {
      uint32_t marks = kept[static_cast<size_t>(i)].marks;
      const RowPlace place{.file = file, .line = store.line(i)};
      if (store.targets(i) == 0) {
        add(kNoTargets, place);
        cut_before_answer_ += (marks & kLostAnswer) != 0;
        marks &= ~static_cast<uint32_t>(kLostAnswer);
      }
      for (const auto& [mark, kind] : kKindOfMark)
        if (marks & mark) add(kind, place);
      mark_text(marks, place);
    }
    for (const Repeat& repeat : repeats_in(store))
      add(kRepeatedRow, {.file = file,
                         .like_file = file,
                         .line = store.line(repeat.row),
                         .like_line = store.line(repeat.first)});
  }

  void look_at_lengths() {
    const RowView rows = made_.data.rows();
    if (rows.empty()) return;
    std::vector<int64_t> lengths(static_cast<size_t>(rows.size()));
    for (int64_t i = 0; i < rows.size(); ++i) lengths[static_cast<size_t>(i)] = rows.length(i);
    const int64_t most = outlier_length(lengths);
    const auto middle = lengths.begin() + std::ssize(lengths) / 2;
    std::nth_element(lengths.begin(), middle, lengths.end());
    made_.median = *middle;
    for (int64_t i = 0; i < rows.size(); ++i) {
      train_tokens_ += rows.length(i);
      if (rows.length(i) <= most) continue;
      outlier_tokens_ += rows.length(i);
      add(kOutlier, {.file = 0, .line = rows.line(i)});
    }
  }

  std::vector<Compared> compared(const RowPart& part, int32_t file) const {
    std::vector<Compared> all;
    const int64_t n = part.view().size();
    all.reserve(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = part.order ? (*part.order)[static_cast<size_t>(i)] : i;
      all.push_back({kept_[static_cast<size_t>(file)][static_cast<size_t>(row)].prompt,
                     part.rows->hash(row), file, part.rows->line(row)});
    }
    return all;
  }

  void compare_rows() {
    std::vector<Compared> train = compared(made_.data.train, 0);
    const std::vector<Compared> held_out = compared(made_.data.test, last_file());
    std::vector<bool> told(held_out.size());
    const auto by_ids = [](const Compared& a, const Compared& b) {
      return std::tie(a.ids, a.line) < std::tie(b.ids, b.line);
    };
    std::sort(train.begin(), train.end(), by_ids);
    for (size_t i = 0; i < held_out.size(); ++i) {
      const auto like =
          std::lower_bound(train.begin(), train.end(), Compared{.ids = held_out[i].ids}, by_ids);
      told[i] = like != train.end() && like->ids == held_out[i].ids;
      if (told[i]) add_pair(kHeldOutRow, held_out[i], *like);
    }
    const auto by_prompt = [](const Compared& a, const Compared& b) {
      return std::tie(a.prompt, a.line) < std::tie(b.prompt, b.line);
    };
    std::sort(train.begin(), train.end(), by_prompt);
    for (size_t i = 0; i < held_out.size(); ++i) {
      if (told[i] || held_out[i].prompt == 0) continue;
      const auto like = std::lower_bound(train.begin(), train.end(),
                                         Compared{.prompt = held_out[i].prompt}, by_prompt);
      if (like != train.end() && like->prompt == held_out[i].prompt)
        add_pair(kHeldOutPrompt, held_out[i], *like);
    }
    find_other_answers(train);
  }

  void add_pair(FindingKind kind, const Compared& row, const Compared& like) {
    add(kind, {.file = row.file, .like_file = like.file, .line = row.line, .like_line = like.line});
  }

  /// `train` is sorted by prompt. Of rows that are the same the first alone is told.
  void find_other_answers(const std::vector<Compared>& train) {
    std::vector<std::pair<uint64_t, size_t>> answers;  // of one prompt, and their rows
    for (size_t begin = 0, end; begin < train.size(); begin = end) {
      for (end = begin + 1; end < train.size() && train[end].prompt == train[begin].prompt;) ++end;
      if (train[begin].prompt == 0 || end == begin + 1) continue;
      answers.clear();
      for (size_t i = begin; i < end; ++i) answers.emplace_back(train[i].ids, i);
      std::sort(answers.begin(), answers.end());
      for (size_t i = 0; i < answers.size(); ++i)
        if ((i == 0 || answers[i].first != answers[i - 1].first) &&
            answers[i].first != train[begin].ids)
          add_pair(kOtherAnswer, train[answers[i].second], train[begin]);
    }
  }

  std::string spelled_tokens() const {
    std::string text;
    for (const auto& [id, rows] : spelled_)
      text += fmt::format("{}{} in {}", text.empty() ? "" : ", ",
                          to_valid_utf8(tokenizer_->token_bytes(id)), rows);
    return text;
  }

  std::string detail_of(FindingKind kind) const {
    const int64_t read = made_.data.report.tokens + made_.data.held_out_report.tokens;
    if (kind == kNoTargets && cut_before_answer_ > 0)
      return fmt::format("cut before their answer: {}", cut_before_answer_);
    if (kind == kTruncated)
      return fmt::format("lost tokens: {}, {:.1f} % of all", made_.lost_tokens,
                         100.0 * static_cast<double>(made_.lost_tokens) /
                             static_cast<double>(std::max<int64_t>(1, read + made_.lost_tokens)));
    if (kind == kOutlier)
      return fmt::format("they hold {:.1f} % of the tokens",
                         100.0 * static_cast<double>(outlier_tokens_) /
                             static_cast<double>(std::max<int64_t>(1, train_tokens_)));
    if (kind == special_kind()) return spelled_tokens();
    if (kind != kCharacters) return "";
    std::string text;
    for (size_t i = 0; i < kCharacterMarks.size(); ++i)
      if (characters_[i] > 0)
        text += fmt::format("{}{} in {}", text.empty() ? "" : ", ", kCharacterMarks[i].what,
                            characters_[i]);
    return text;
  }

  void give_messages(Finding& finding) {
    auto message = messages_.begin();
    for (const RowPlace& place : finding.places) {
      if (message == messages_.end() || message->first != std::pair(place.file, place.line)) return;
      finding.messages.push_back(message++->second);
    }
  }

  void tell(FindingKind kind) {
    std::vector<RowPlace>& places = places_[kind];
    if (places.empty()) return;
    std::stable_sort(places.begin(), places.end(), [](const RowPlace& a, const RowPlace& b) {
      return std::tie(a.file, a.line) < std::tie(b.file, b.line);
    });
    const FindingText& text = text_of(kind);
    made_.findings.push_back({.kind = text.kind,
                              .severity = text.severity,
                              .what = spelled(text.what),
                              .places = std::move(places),
                              .messages = {},
                              .detail = detail_of(kind),
                              .next_step = spelled(text.next_step)});
    if (kind == bad_kind()) give_messages(made_.findings.back());
  }

  const Tokenizer* tokenizer_;
  const DoctorOptions& options_;
  Examiner examiner_;
  RowWatch watch_;
  Diagnosis made_;
  std::vector<std::vector<Kept>> kept_;  // of each file
  std::array<std::vector<RowPlace>, kKinds> places_;
  std::multimap<std::pair<int32_t, int64_t>, std::string>
      messages_;                        // of bad rows, by their places
  std::map<int32_t, int64_t> spelled_;  // rows that spell a special token
  std::array<int64_t, kCharacterMarks.size()> characters_{};
  int64_t cut_before_answer_ = 0, train_tokens_ = 0, outlier_tokens_ = 0;
};

}  // namespace

Diagnosis diagnose(const fs::path& path, const Tokenizer* tokenizer, const DoctorOptions& options) {
  return Doctor(tokenizer, options).run(path);
}

}  // namespace falconer
