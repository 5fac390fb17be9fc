// What an error says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace falconer::test {

/// The message of the Error that `work` throws; fails the test where it throws none.
template <class Work>
std::string message_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline void expect_mentions(const std::string& message, std::initializer_list<const char*> parts) {
  for (const char* part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" is not in: " << message;
}

}  // namespace falconer::test
