// What is said of something that may be wrong.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "base/log.h"

namespace falconer::test {

/// The message of the Error that `work` throws; "" where it throws none.
template <class Work>
std::string error_or_none(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// What `work` logs, from `level` on, and behind it the message of its error.
template <class Work>
std::string log_and_error(LogLevel level, Work&& work) {
  const LogLevelHere here(level);
  testing::internal::CaptureStderr();
  const std::string wrong = error_or_none(work);
  return testing::internal::GetCapturedStderr() + wrong;
}

}  // namespace falconer::test
