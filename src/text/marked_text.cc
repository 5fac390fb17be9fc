#include "text/marked_text.h"

#include <algorithm>

namespace falconer {

MarkedText::MarkedText(std::string text, bool data) : text_(std::move(text)) {
  if (!text_.empty()) parts_.push_back({text_.size(), data});
}

void MarkedText::append(std::string_view text, bool data) {
  if (text.empty()) return;
  text_.append(text);
  if (!parts_.empty() && parts_.back().data == data)
    parts_.back().end = text_.size();
  else
    parts_.push_back({text_.size(), data});
}

void MarkedText::append(std::string_view text, std::span<const Part> parts) {
  size_t begin = 0;
  for (const Part& part : parts) {
    append(text.substr(begin, part.end - begin), part.data);
    begin = part.end;
  }
}

MarkedText MarkedText::part(size_t begin, size_t end) const {
  MarkedText made;
  size_t from = 0;
  for (const Part& part : parts_) {
    const size_t a = std::max(from, begin), b = std::min(part.end, end);
    if (a < b) made.append(std::string_view(text_).substr(a, b - a), part.data);
    from = part.end;
    if (from >= end) break;
  }
  return made;
}

bool MarkedText::is_template(size_t begin, size_t end) const {
  return end_of_data(begin, end) == begin;
}

size_t MarkedText::begin_of_data(size_t begin, size_t end) const {
  size_t from = 0;
  for (const Part& part : parts_) {
    if (from >= end) break;
    if (part.data && part.end > begin) return std::max(from, begin);
    from = part.end;
  }
  return end;
}

size_t MarkedText::end_of_data(size_t begin, size_t end) const {
  size_t last = begin, from = 0;
  for (const Part& part : parts_) {
    if (from >= end) break;
    if (part.data && part.end > begin) last = std::min(part.end, end);
    from = part.end;
  }
  return last;
}

}  // namespace falconer
