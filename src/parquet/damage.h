// What is said of a Parquet file that is not what it should be.
#pragma once

#include <string>

#include "base/error.h"

namespace falconer::parquet {

/// Error: what is wrong, and what to do. The caller knows file, row group and column.
template <class... Args>
[[noreturn]] void fail_damaged(fmt::format_string<Args...> format, Args&&... args) {
  fail("{}; the file is damaged: fetch or write it again",
       fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace falconer::parquet
