#include "data/json_rows.h"

#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/json_file.h"
#include "base/json_text.h"
#include "base/threads.h"
#include "base/trim.h"
#include "data/complaints.h"
#include "data/json_array.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::string_view kSpace = " \t\r\n";

/// Its own line and not the file's is the first.
std::string complaint_of_row(std::string_view text) {
  constexpr std::string_view kFirstLine = "parse error at line 1, ";
  std::string complaint = json_complaint(text);
  if (complaint.starts_with(kFirstLine)) complaint.erase(0, kFirstLine.size());
  return complaint;
}

/// Parses rows on all cores and delivers them in order, some thousands at a time: what is parsed
/// and not yet delivered stays small.
class RowParser {
 public:
  /// `counted` is what its numbers are.
  RowParser(const fs::path& file, std::string_view counted, const OnRawRow& row,
            const OnBadRow& bad)
      : file_(file), counted_(counted), row_(row), bad_(bad) {}

  /// `text` must live until deliver().
  void add(std::string_view text, int64_t line) {
    if (text.size() > TextWindow::kLongestRow)
      fail(
          "{}: {} {}: the row that begins here has {} MB; expected rows, one a line or in an "
          "array",
          file_.string(), counted_, line, text.size() >> 20);
    texts_.push_back(text);
    lines_.push_back(line);
    bytes_ += text.size();
  }
  bool empty() const { return texts_.empty(); }
  bool full() const { return texts_.size() >= kMostRows || bytes_ >= kMostBytes; }

  /// Parses what was added. False where one of them is no JSON: they may still be delivered. One
  /// whose shape is beyond all bounds is bad, and no fault of the file as a whole.
  bool parse() {
    parsed_.resize(std::max(parsed_.size(), texts_.size()));
    repeated_.assign(texts_.size(), std::nullopt);
    std::atomic<bool> good = true;
    parallel_for(static_cast<int64_t>(texts_.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        parsed_[i] = parse_ordered_json(texts_[i]);
        if (!parsed_[i].is_discarded())
          repeated_[i] = repeated_key(texts_[i], parsed_[i]);
        else if (json_excess(texts_[i], true).empty())
          good = false;
      }
    });
    return good;
  }

  /// What is wrong with the first that is no JSON.
  std::string complaint() const {
    for (size_t i = 0; i < texts_.size(); ++i)
      if (parsed_[i].is_discarded() && json_excess(texts_[i], true).empty())
        return fmt::format("{} {}: {}", counted_, lines_[i], complaint_of_row(texts_[i]));
    return "";
  }

  void deliver() {
    for (size_t i = 0; i < texts_.size(); ++i)
      if (parsed_[i].is_discarded()) {
        const std::string excess = json_excess(texts_[i], true);
        bad_(lines_[i],
             excess.empty() ? row_complaint(texts_[i], complaint_of_row(texts_[i])) : excess);
      } else if (repeated_[i]) {
        bad_(lines_[i], repeated_key_text(*repeated_[i]));
      } else {
        deliver_row(parsed_[i], lines_[i], row_, bad_);
      }
    texts_.clear();
    lines_.clear();
    bytes_ = 0;
  }

 private:
  static constexpr size_t kMostRows = 4096, kMostBytes = size_t{1} << 21;
  const fs::path& file_;
  std::string_view counted_;
  const OnRawRow& row_;
  const OnBadRow& bad_;
  std::vector<std::string_view> texts_;
  std::vector<int64_t> lines_;
  std::vector<ordered_json> parsed_;
  std::vector<std::optional<std::string>> repeated_;  // keys that a row has twice
  size_t bytes_ = 0;
};

/// Finds the rows of an array and parses them apart. False where the text is not a valid array: rows
/// that were delivered by then do no harm, since that is an error. `complaint` is then of a row, or empty.
bool deliver_elements(const fs::path& file, TextWindow& window, bool by_row, const OnRawRow& row,
                      const OnBadRow& bad, std::string& complaint) {
  JsonArrayScanner scanner(window.text(), window.ended());
  RowParser parser(file, by_row ? "row" : "line", row, bad);
  int64_t line = by_row ? 0 : 1;
  const char* counted = window.text().data();
  const auto deliver = [&] {
    if (!parser.parse()) {
      complaint = parser.complaint();
      return false;
    }
    parser.deliver();
    return true;
  };
  const auto count_to = [&](const char* place) {
    if (!by_row) line += std::count(counted, place, '\n');
    counted = place;
  };
  for (;;) {
    const auto element = scanner.next();
    if (!element && scanner.wants_more()) {
      if (!deliver()) return false;
      count_to(scanner.place());
      window.pass(scanner.place());
      window.more(line + by_row, by_row ? "row" : "line");
      scanner.go_on_in(window.text(), window.ended());
      counted = window.text().data();
      continue;
    }
    if (!element) break;
    const char* begin =
        element->data() + std::min(element->find_first_not_of(kSpace), element->size());
    count_to(begin);
    line += by_row;
    parser.add(*element, line);
    if (!parser.full()) continue;
    if (!deliver()) return false;
    window.pass(counted);
  }
  return scanner.whole() && deliver();
}

}  // namespace

/// Whether lines are rows of an array and not rows themselves, whatever the file is called: no row begins
/// with "[", and an array of rows goes on with a row, or ends.
bool holds_array(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos || text[first] != '[') return false;
  const size_t next = text.find_first_not_of(kSpace, first + 1);
  return next != std::string_view::npos && (text[next] == '{' || text[next] == ']');
}

bool begins_with_messages(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return false;
  // In one line: what goes over several lines is an array of rows.
  const std::string_view line = text.substr(first, text.find('\n', first) - first);
  if (!line.starts_with('[') || !trimmed(line).ends_with(']')) return false;
  const auto element = JsonArrayScanner(line).next();
  if (!element) return false;
  const auto message = parse_ordered_json(*element);
  return !message.is_discarded() && is_list_of_messages(nlohmann::ordered_json::array({message}));
}

bool is_array_in_one_line(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] != '[') return false;
  const size_t end = text.find('\n', first);
  return text.find_first_not_of(" \t\r\n", std::min(end, text.size())) == std::string_view::npos;
}

void read_json_lines(const fs::path& file, TextWindow& window, const OnRawRow& row,
                     const OnBadRow& bad) {
  RowParser parser(file, "line", row, bad);
  std::string_view rest = window.text();
  const auto deliver = [&] {
    parser.parse();
    parser.deliver();
    window.pass(rest.data());
  };
  for (int64_t line = 1;;) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos && !window.ended()) {  // a part of a line
      deliver();
      window.more(line);
      rest = window.text();
      continue;
    }
    if (rest.empty()) break;
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (text.find_first_not_of(" \t\r") != std::string_view::npos) parser.add(text, line);
    ++line;
    if (parser.full()) deliver();
  }
  deliver();
}

void read_json_array(const fs::path& file, TextWindow& window, bool by_row, const OnRawRow& row,
                     const OnBadRow& bad) {
  const bool all_here = window.ended();
  const std::string_view all = window.text();
  std::string complaint;
  if (deliver_elements(file, window, by_row, row, bad, complaint)) return;
  if (!all_here)
    fail("{}: is not valid JSON: {}", file.string(),
         complaint.empty() ? "its array breaks off, or something stands behind it" : complaint);
  // Read once more in one go, the whole says what is wrong with it.
  if (const std::string wrong = json_complaint(all); !wrong.empty())
    fail("{}: is not valid JSON: {}", file.string(), wrong);
  const size_t first = all.find_first_not_of(kSpace);
  if (first == std::string_view::npos || all[first] != '[')
    fail("{}: expected a JSON array of rows, or JSON lines in a .jsonl file", file.string());
  FALCONER_CHECK(!"an array whose elements were not found, or not valid");
}

}  // namespace falconer
