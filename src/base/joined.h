// Lists in messages. fmt::join() would compile the whole of fmt's formatting anew for each kind of list.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace falconer {

/// The items (texts or numbers, as "{}" writes them) with `between` between two of them.
template <class Items>
std::string joined(const Items& items, std::string_view between) {
  std::string text;
  bool first = true;
  for (const auto& item : items) {
    if (!first) text += between;
    first = false;
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(item)>>)
      text += fmt::format("{}", item);
    else
      text += item;
  }
  return text;
}

}  // namespace falconer
