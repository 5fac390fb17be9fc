#include "data/text_file.h"

#include <algorithm>

#include "base/threads.h"
#include "data/mapped_text.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace falconer {
namespace {

bool begins_with_space(std::string_view text) {
  if (text.empty()) return false;
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return first == ' ' || (first >= 9 && first <= 13);
  return valid_utf8_prefix(text.substr(0, 4)) > 0 && is_space(decode_utf8(text, 0).code);
}

/// Takes ids as they come and gives out rows of `most`.
class Filler {
 public:
  Filler(size_t most, const std::function<void(const Row&)>& row) : most_(most), row_(row) {}

  void add(std::span<const int32_t> ids, int64_t line) {
    for (const int32_t id : ids) {
      filled_.ids.push_back(id);
      filled_.line = line;
      if (filled_.ids.size() == most_) flush();
    }
  }
  void flush() {
    if (filled_.ids.empty()) return;
    filled_.labels = filled_.ids;
    row_(filled_);
    filled_.ids.clear();
  }

 private:
  size_t most_;
  const std::function<void(const Row&)>& row_;
  Row filled_;
};

}  // namespace

std::optional<std::string_view> TextParts::next() {
  if (rest_.empty()) return {};
  size_t end = kUsual;
  for (;;) {
    end = end < rest_.size() ? rest_.find('\n', end) : std::string_view::npos;
    if (end >= kMost) break;  // npos is
    ++end;
    if (!begins_with_space(rest_.substr(end))) break;
  }
  if (end > kMost) {                      // npos is
    end = std::min(rest_.size(), kMost);  // a line without end: not within a character
    while (end < rest_.size() && end > 1 && (static_cast<unsigned char>(rest_[end]) & 0xC0) == 0x80)
      --end;
  }
  const std::string_view part = rest_.substr(0, end);
  rest_.remove_prefix(end);
  return part;
}

void read_text_rows(MappedText& text, const Tokenizer& tokenizer, const EncodeOptions& options,
                    const std::function<void(const Row&)>& row, const OnNoText& no_text) {
  constexpr size_t kTogether = 64;  // parts that all cores share
  Filler filler(static_cast<size_t>(options.max_seq_length), row);
  filler.add(tokenizer.ids_before(), 1);
  TextParts parts(text.text());
  std::vector<std::string_view> taken;
  std::vector<std::vector<int32_t>> ids(kTogether);
  int64_t line = 1;
  for (bool more = true; more;) {
    taken.clear();
    while (taken.size() < kTogether && more) {
      if (const auto part = parts.next())
        taken.push_back(*part);
      else
        more = false;
    }
    parallel_for(static_cast<int64_t>(taken.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        ids[i].clear();
        tokenizer.append_marked(MarkedText(to_valid_utf8(taken[i]), true), options.parse_special,
                                ids[i]);
      }
    });
    for (size_t i = 0; i < taken.size(); ++i) {
      if (no_text && valid_utf8_prefix(taken[i]) < taken[i].size()) no_text(taken[i], line);
      filler.add(ids[i], line);
      line += std::count(taken[i].begin(), taken[i].end(), '\n');
    }
    if (!taken.empty()) text.pass(taken.back().data() + taken.back().size());
  }
  if (const auto eos = tokenizer.eos_id(); eos && options.append_eos) filler.add({&*eos, 1}, line);
  filler.flush();
}

}  // namespace falconer
