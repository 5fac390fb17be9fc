#include "cli/number_flags.h"

#include "base/number.h"

namespace falconer::cli {
namespace {

template <class Number>
CLI::Validator only(std::optional<Number> (*parse)(std::string_view), const char* expected) {
  return CLI::Validator(
      [=](std::string& text) {
        return parse(text) ? std::string() : "\"" + text + "\" is not " + expected;
      },
      "");
}

}  // namespace

void check_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (type == "INT")
      option->check(only(whole_of_text, "a whole number, or too large for one"));
    else if (type == "UINT")
      option->check(only(unsigned_of_text, "a whole number from 0 to 18446744073709551615"));
    else if (type == "FLOAT")
      option->check(only(real_of_text, "a finite number"));
  }
}

}  // namespace falconer::cli
