// Where the elements of a JSON array are, without parsing them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace falconer {

/// Goes through the elements of an array one by one. They may be anything: each is still to be
/// parsed, and the array is valid JSON if and only if they all are and whole() holds at the end.
class JsonArrayScanner {
 public:
  /// A byte order mark before the array is passed over.
  explicit JsonArrayScanner(std::string_view text) : JsonArrayScanner(text, true) {}
  /// `all`: whether `text` is all there is, or more may follow and go_on_in() be called.
  JsonArrayScanner(std::string_view text, bool all);

  /// The text of the next element; nothing behind the last one, and nothing where `text` ends within
  /// an element and is not all.
  std::optional<std::string_view> next();
  /// Whether next() gave nothing because it needs more text than it has.
  bool wants_more() const { return wants_more_; }
  /// Where the element begins that it could not give.
  const char* place() const { return text_.data() + at_; }
  /// It goes on in `text`, which begins at place().
  void go_on_in(std::string_view text, bool all);
  /// Once next() gave nothing: whether `text` is an array with an end and nothing behind it.
  bool whole() const { return whole_; }

 private:
  void trim_end();

  std::string_view text_;
  size_t at_ = 0;
  bool first_ = true, ended_ = false, whole_ = false;
  bool all_ = true, wants_more_ = false;
};

/// All elements; nothing where `text` is no whole array.
std::optional<std::vector<std::string_view>> json_array_elements(std::string_view text);

}  // namespace falconer
