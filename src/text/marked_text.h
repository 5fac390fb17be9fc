// Text that knows of each byte whether a template wrote it or whether it came from outside: from a
// row, from a user, from a tool. Only what a template wrote may become control tokens.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

class MarkedText {
 public:
  /// Bytes up to `end` that the part before has not covered.
  struct Part {
    size_t end = 0;
    bool data = false;
    friend bool operator==(const Part&, const Part&) = default;
  };

  MarkedText() = default;
  MarkedText(std::string text, bool data);

  void append(std::string_view text, bool data);
  void append(std::string_view text, std::span<const Part> parts);
  void append(const MarkedText& other) { append(other.text_, other.parts_); }

  const std::string& text() const { return text_; }
  size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  /// Neighbours differ in `data`; the last one ends at size().
  std::span<const Part> parts() const { return parts_; }

  MarkedText part(size_t begin, size_t end) const;
  /// Whether a template wrote all of [begin, end).
  bool is_template(size_t begin, size_t end) const;
  /// The first byte of data in [begin, end); `end` where there is none.
  size_t begin_of_data(size_t begin, size_t end) const;
  /// One past the last byte of data in [begin, end); `begin` where there is none.
  size_t end_of_data(size_t begin, size_t end) const;
  /// The same text, all of it as a template's.
  MarkedText all_template() const { return {text_, false}; }

  friend bool operator==(const MarkedText&, const MarkedText&) = default;

 private:
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace falconer
