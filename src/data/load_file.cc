// The rows of a file, or of several that are one: read, rendered, tokenized on all cores, some thousands at a time.

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/spelling.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "data/complaints.h"
#include "data/encode.h"
#include "data/examine.h"
#include "data/formats.h"
#include "data/load.h"
#include "data/mapped_text.h"
#include "data/message_keys.h"
#include "data/raw_rows.h"
#include "data/report.h"
#include "data/splits.h"
#include "data/text_file.h"
#include "data/text_window.h"
#include "text/prompt_encoder.h"
#include "text/tokenizer.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostExamples = 4096, kMostBytes = size_t{4} << 20;  // that wait to be tokenized

size_t bytes_of(const Conversation& conversation) {
  size_t bytes = 0;
  for (const Message& message : conversation.messages)
    bytes += message.content.size() + message.input.size();
  return bytes;
}

/// Of a plain text, which is cut into rows where all of it is there.
std::string whole_text(const fs::path& file, const std::string& encoding) {
  TextWindow window(file, Packing::kNone, encoding);
  std::string text;
  for (;;) {
    text += window.text();
    if (window.ended()) return text;
    window.pass(window.text().data() + window.text().size());
    window.more(1);
  }
}

class FileLoader {
 public:
  FileLoader(const std::vector<fs::path>& files, const Tokenizer* tokenizer,
             const LoadOptions& options, DataReport& report)
      : files_(files),
        file_(files.front()),
        tokenizer_(tokenizer),
        options_(options),
        report_(report),
        watch_(options.watch),
        parser_(find_data_format(options.format), options.vocab, Columns::parse(options.columns)),
        store_(std::make_unique<RowStore>(
            options.scratch.empty() ? fs::temp_directory_path() : options.scratch,
            options.memory_bytes)) {}

  std::unique_ptr<RowStore> run() {
    if (watch_ != nullptr) watch_->file(name_of_split(files_));
    if (!options_.text && file_.extension() == ".txt")
      read_text();
    else
      read_rows();
    report_.duplicates += std::ssize(repeats_in(*store_));
    return std::move(store_);
  }

  RenderedAs rendered() const {
    RenderedAs made;
    made.format = format_;
    if (style_) {
      made.prompt_style = style_->name();
      made.prompt_template = style_->source();
    }
    return made;
  }

 private:
  void read_text() {
    if (!is_there(file_)) fail("{}: {}", file_.string(), not_found_text(file_, "a .txt file"));
    need_tokenizer();
    if (!options_.format.empty() && options_.format != "auto" && options_.format != "text")
      fail_usage("{}: is plain text, and --data-format is {}", file_.string(), options_.format);
    choose_style("text", true, false);
    std::string decoded;
    if (!options_.read_as.encoding.empty()) decoded = whole_text(file_, options_.read_as.encoding);
    MappedText text = decoded.empty() ? MappedText(file_) : MappedText::of(decoded);
    if (const std::string wrong = file_complaint(text.text()); !wrong.empty())
      fail("{}: {}", file_.string(), wrong);
    if (const std::string wrong = line_end_complaint(text.text()); !wrong.empty())
      fail("{}: {}", file_.string(), wrong);
    const auto on_row = [&](const Row& row) {
      if (const std::string wrong = beyond_model(row); !wrong.empty())
        fail("{}: line {}: {}", file_.string(), row.line, wrong);
      RowFacts facts;
      if (watch_ != nullptr) facts = watch_->examiner.of_text(row);
      keep(row, facts);
    };
    // `check` reports such bytes itself. Each becomes U+FFFD where that is asked for.
    OnNoText no_text;
    if (watch_ == nullptr && !options_.skip_bad)
      no_text = [this](std::string_view part, int64_t line) { refuse_no_text(part, line); };
    read_text_rows(text, *tokenizer_, options_.encode, on_row, no_text);
  }

  [[noreturn]] void refuse_no_text(std::string_view part, int64_t line) const {
    const size_t good = valid_utf8_prefix(part);
    const size_t begin = part.rfind('\n', good) + 1;  // 0 where the first line has it
    fail("{}: line {}: {}; with --skip-bad such bytes become U+FFFD", file_.string(),
         line + std::count(part.begin(), part.begin() + static_cast<ptrdiff_t>(good), '\n'),
         utf8_complaint(part.substr(begin)));
  }

  void read_rows() {
    const OnRawRow on_row = [&](const RowObject& object, int64_t line) { take(object, line); };
    const OnBadRow on_bad = [&](int64_t line, const std::string& what) { bad(line, what); };
    if (files_.size() > 1) {
      read_parts();
    } else if (options_.text) {
      store_->set_counted_by(text_counted_by(*options_.text));
      read_raw_rows(file_, *options_.text, on_row, on_bad);
    } else {
      store_->set_counted_by(counted_by(file_, options_.read_as));
      read_raw_rows(file_, on_row, on_bad, options_.read_as);
    }
    flush();
    if (parser_.format() != nullptr) format_ = parser_.format()->name;
    report_.columns = parser_.columns();
    report_.unread = parser_.unread();
    if (parser_.format() != nullptr)
      message_keys_.count_unread(parser_.format()->key, report_.unread);
    report_.json_answers = parser_.json_answers();
    if (options_.strict_columns && !report_.unread.empty())
      fail("{}: {}", name_of_split(files_).string(), strict_columns_text(report_.unread));
  }

  /// All rows are counted, those that are bad too, whatever each file counts by.
  void read_parts() {
    store_->set_counted_by("row");
    for (const fs::path& file : files_) {
      first_.push_back(rows_seen_);
      int64_t seen = 0;  // the line of the row that was counted last
      const auto number_of = [&](int64_t line) {
        if (line != seen) ++rows_seen_;
        seen = line;
        return rows_seen_;
      };
      read_raw_rows(
          file, [&](const RowObject& object, int64_t line) { take(object, number_of(line)); },
          [&](int64_t line, const std::string& what) { bad(number_of(line), what); },
          options_.read_as);
    }
  }

  /// "row 7"; of several files "train-00001-of-00002.parquet: row 7".
  std::string place_of(int64_t line) const {
    if (first_.empty()) return fmt::format("{} {}", store_->counted_by(), line);
    const auto part = std::lower_bound(first_.begin(), first_.end(), line) - first_.begin() - 1;
    const auto at = static_cast<size_t>(part);
    return fmt::format("{}: row {}", files_[at].filename().string(), line - first_[at]);
  }

  void bad(int64_t line, const std::string& what) {
    const std::string place = place_of(line);
    if (!options_.skip_bad)
      throw RowError(worded(
          "{}: {}; mend the row, or leave such rows out with --skip-bad",
          first_.empty() ? file_.string() + ": " + place : (file_.parent_path() / place).string(),
          what));
    if (watch_ != nullptr) watch_->bad(line, what);
    if (report_.bad++ == 0) report_.first_bad = fmt::format("{}: {}", place, what);
  }

  void need_tokenizer() const {
    if (tokenizer_ == nullptr)  // nothing is wrong with the row
      throw RowError(
          worded("{}: its rows are text, and the checkpoint has no tokenizer; copy the model's "
                 "tokenizer.json into its folder, or give rows of token ids (\"input_ids\")",
                 name_of_split(files_).string()));
  }

  void take(const RowObject& object, int64_t line) {
    ParsedRow parsed = parser_.parse(object);
    if (Row* row = std::get_if<Row>(&parsed)) {
      row->line = line;
      const int64_t lost = cut(*row);
      RowFacts facts;
      if (watch_ != nullptr) facts = watch_->examiner.of_ids(*row, lost);
      return keep(*row, facts);
    }
    need_tokenizer();
    const DataFormat& format = *parser_.format();
    choose_style(format.name, format.stands, format.chat);
    drop_spelled_ends(std::get<Example>(parsed).conversation, *tokenizer_);
    examples_.push_back(std::move(std::get<Example>(parsed)));
    examples_.back().line = line;
    bytes_ += bytes_of(examples_.back().conversation);
    if (examples_.size() >= kMostExamples || bytes_ >= kMostBytes) flush();
  }

  void choose_style(const std::string& format, bool stands, bool chat) {
    if (style_) return;
    format_ = format;
    std::string name = options_.prompt_style;
    if (stands && !name.empty() && name != "raw")
      fail_usage(
          "{}: rows of format {} stand as they are, and --prompt-style is {}; leave it out, or "
          "give rows with an instruction or with messages",
          file_.string(), format, name);
    if (stands) name = "raw";
    if (name.empty() && chat)
      name = PromptStyle::has_chat_template(options_.checkpoint) ? "chat" : "falcon";
    if (name.empty()) name = "alpaca";
    style_.emplace(PromptStyle::of_checkpoint(name, options_.checkpoint));
    encoder_.emplace(*tokenizer_, *style_, options_.encode.parse_special,
                     options_.encode.joint_tokenization);
  }

  // Tokenizing is the slow part and rows are independent: all cores, the same result as one.
  void flush() {
    std::vector<EncodedRows> made(examples_.size());
    std::vector<std::string> wrong(examples_.size());
    std::vector<RowFacts> facts(examples_.size());
    std::vector<ExtraKeys> keys(examples_.size());
    parallel_for(static_cast<int64_t>(examples_.size()), 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        try {
          made[i] = encode_example(examples_[i], *tokenizer_, *encoder_, options_.encode);
          keys[i] = extra_keys(examples_[i].conversation, message_keys_.read(),
                               [&](const Conversation& c) { return encoder_->rendered_text(c); });
          if (watch_ != nullptr) facts[i] = watch_->examiner.of_example(examples_[i], made[i]);
        } catch (const Error& error) {
          wrong[i] = error.what();
        }
      }
    });
    const bool stays_text = !options_.encode.parse_special && !options_.encode.joint_tokenization;
    for (size_t i = 0; i < examples_.size(); ++i) {
      for (const Row& row : made[i].rows)
        if (wrong[i].empty()) wrong[i] = beyond_model(row);
      if (!wrong[i].empty()) {
        bad(examples_[i].line, wrong[i]);
        continue;
      }
      message_keys_.add(keys[i]);
      report_.truncated += made[i].lost > 0;
      report_.spelled += stays_text && !made[i].spelled.empty();
      for (const Row& row : made[i].rows) {
        keep(row, facts[i]);
        facts[i] = {};  // of a text that goes on in the next row, once
      }
    }
    examples_.clear();
    bytes_ = 0;
  }

  /// What is wrong with a row that has a token which the model has no row for; "" where all is well.
  std::string beyond_model(const Row& row) const {
    for (const int32_t id : row.ids)
      if (id >= options_.vocab)
        return worded(
            "has the token \"{}\" ({}), and the model has rows for ids 0 to {} only: the tokenizer "
            "was "
            "given tokens that the model was not resized for; finetune's --resize-embeddings adds "
            "rows "
            "for them",
            printable(tokenizer_->token_bytes(id)), id, options_.vocab - 1);
    return {};
  }

  /// Returns how many tokens are lost. A row of ids that ended with end-of-text still does.
  int64_t cut(Row& row) {
    const size_t most = static_cast<size_t>(options_.encode.max_seq_length);
    if (row.ids.size() <= most) return 0;
    const int64_t lost = std::ssize(row.ids) - options_.encode.max_seq_length;
    const int32_t last = row.ids.back();
    const bool ended =
        options_.encode.keep_eos && tokenizer_ != nullptr && tokenizer_->eos_id() == last;
    row.ids.resize(most);
    row.labels.resize(most);
    if (ended) row.labels.back() = row.ids.back() = last;
    ++report_.truncated;
    return lost;
  }

  void keep(const Row& row, const RowFacts& facts) {
    store_->add(row);
    if (watch_ != nullptr) watch_->row(facts);
    const int64_t n = std::ssize(row.ids), targets = store_->targets(store_->size() - 1);
    ++report_.rows;
    report_.tokens += n;
    report_.targets += targets;
    report_.longest = std::max(report_.longest, n);
    report_.without_targets += targets == 0;
    const size_t bucket = std::bit_width(static_cast<uint64_t>(std::max<int64_t>(n, 1))) - 1;
    if (report_.length_histogram.size() <= bucket) report_.length_histogram.resize(bucket + 1);
    ++report_.length_histogram[bucket];
  }

  const std::vector<fs::path>& files_;
  const fs::path& file_;        // the first
  std::vector<int64_t> first_;  // of several files: how many rows are in those before
  int64_t rows_seen_ = 0;
  const Tokenizer* tokenizer_;
  const LoadOptions& options_;
  DataReport& report_;
  const RowWatch* watch_;  // null: nobody looks
  FormatParser parser_;
  MessageKeys message_keys_;
  std::unique_ptr<RowStore> store_;
  std::string format_;
  std::optional<PromptStyle> style_;
  std::optional<PromptEncoder> encoder_;
  std::vector<Example> examples_;  // not tokenized yet
  size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<RowStore> load_rows(const fs::path& file, const Tokenizer* tokenizer,
                                    const LoadOptions& options, DataReport& report,
                                    RenderedAs* rendered) {
  return load_files({file}, tokenizer, options, report, rendered);
}

std::unique_ptr<RowStore> load_files(const std::vector<fs::path>& files, const Tokenizer* tokenizer,
                                     const LoadOptions& options, DataReport& report,
                                     RenderedAs* rendered) {
  FileLoader loader(files, tokenizer, options, report);
  auto store = loader.run();
  if (rendered != nullptr) *rendered = loader.rendered();
  return store;
}

}  // namespace falconer
