#include "base/number.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace falconer {
namespace {

template <class T>
std::optional<T> number_of_text(std::string_view text) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return {};
  return value;
}

}  // namespace

std::string expectation(const WholeRange& range) {
  const bool below = range.least != kAnyWhole.least, above = range.most != kAnyWhole.most;
  if (below && above) return fmt::format("a whole number from {} to {}", range.least, range.most);
  if (below) return fmt::format("a whole number of {} or more", range.least);
  if (above) return fmt::format("a whole number up to {}", range.most);
  return "a whole number";
}

std::string expectation(const RealRange& range) {
  const bool below = range.least != kAnyReal.least, above = range.most != kAnyReal.most;
  if (!below && !above) return "a finite number";
  if (below && above && !range.open_least && !range.open_most)
    return fmt::format("a number from {} to {}", range.least, range.most);
  std::string text = "a number";
  if (below)
    text += range.open_least ? fmt::format(" above {}", range.least)
                             : fmt::format(" of {} or more", range.least);
  if (below && above) text += " and";
  if (above)
    text += range.open_most ? fmt::format(" below {}", range.most)
                            : fmt::format(" up to {}", range.most);
  return text;
}

std::optional<int64_t> whole_of_text(std::string_view text) {
  return number_of_text<int64_t>(text);
}

std::optional<uint64_t> unsigned_of_text(std::string_view text) {
  return number_of_text<uint64_t>(text);
}

std::optional<double> real_of_text(std::string_view text) {
  const std::optional<double> value = number_of_text<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

}  // namespace falconer
