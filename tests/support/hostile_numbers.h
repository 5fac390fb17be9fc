// What a number in a file or a flag may be fed with, as it stands in JSON.
#pragma once

namespace falconer::test {

inline constexpr const char* kHostileNumbers[] = {"-1",
                                                  "0",
                                                  "2.5",
                                                  "true",
                                                  "\"3\"",
                                                  "null",
                                                  "1e400",
                                                  "-1e400",
                                                  "NaN",
                                                  "2147483648",
                                                  "4294967297",
                                                  "9007199254740993",
                                                  "9223372036854775808",
                                                  "18446744073709551516",
                                                  "1e300",
                                                  "[]",
                                                  "{}"};

}  // namespace falconer::test
