#include "text/grammar/json_formats.h"

#include <iterator>
#include <string_view>

#include "text/grammar/json_grammar.h"

namespace falconer::grammar {
namespace {

// February has 28 days, which every year has.
#define FALCONER_DATE                                                                            \
  "[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|" \
  "30)"                                                                                          \
  "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define FALCONER_TIME                                                                             \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-" \
  "5][0-9])"
#define FALCONER_BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define FALCONER_HOST "[A-Za-z0-9](?:[A-Za-z0-9-]{0,20}[A-Za-z0-9])?"

struct NamedFormat {
  const char* name;
  const char* pattern;
};

constexpr NamedFormat kFormats[] = {
    {"date", "^" FALCONER_DATE "$"},
    {"time", "^" FALCONER_TIME "$"},
    {"date-time", "^" FALCONER_DATE "T" FALCONER_TIME "$"},
    {"duration",
     "^P(?:[0-9]{1,4}W|(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|"
     "[0-9]{1,4}D)(?:T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|"
     "[0-9]{1,4}S))?|T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|"
     "[0-9]{1,4}S))$"},
    {"uuid", "^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"},
    {"email",
     "^[A-Za-z0-9_+-]+(?:\\.[A-Za-z0-9_+-]+){0,4}@" FALCONER_HOST "(?:\\." FALCONER_HOST "){1,4}$"},
    {"hostname", "^" FALCONER_HOST "(?:\\." FALCONER_HOST "){0,4}$"},
    {"ipv4", "^(?:" FALCONER_BYTE "\\.){3}" FALCONER_BYTE "$"},
    {"uri",
     "^[A-Za-z][A-Za-z0-9+.-]*:(?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?)?(?:/"
     "(?:[A-Za-z0-9._~!$&'()*+,;=:"
     "@/-]|%[0-9A-Fa-f]{2})*)?(?:\\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/"
     "?-]|%[0-9A-Fa-f]{2})*)?(?:#(?:[A-Za-"
     "z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$"},
};

#undef FALCONER_DATE
#undef FALCONER_TIME
#undef FALCONER_BYTE
#undef FALCONER_HOST

}  // namespace

const char* format_pattern(const std::string& format) {
  for (const NamedFormat& one : kFormats)
    if (format == one.name) return one.pattern;
  return nullptr;
}

std::vector<std::string> json_formats() {
  std::vector<std::string> names;
  for (const NamedFormat& one : kFormats) names.emplace_back(one.name);
  return names;
}

}  // namespace falconer::grammar
