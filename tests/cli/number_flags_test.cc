#include "cli/number_flags.h"

#include <gtest/gtest.h>

#include "cli/finetune_flags.h"
#include "cli/parse.h"

namespace falconer::test {
namespace {

class NumberFlags : public ::testing::Test {
 protected:
  NumberFlags() {
    cli::add_finetune_flags(command, options);
    command.flag("--checkpoint").traits.required = false;
    command.flag("--data").traits.required = false;
  }

  /// What is wrong with `flag`; empty where it is taken.
  std::string wrong(const std::string& flag) {
    try {
      cli::parse(command, {"lora", flag});
    } catch (const cli::WrongCommandLine& error) {
      return error.what();
    }
    return "";
  }

  cli::Command command{"finetune"};
  FinetuneOptions options;
};

TEST_F(NumberFlags, AreNumbersOfTheirKind) {
  EXPECT_EQ(wrong("--batch-size=9007199254740993"), "");
  EXPECT_EQ(options.batch_size, 9007199254740993);
  EXPECT_EQ(wrong("--seed=18446744073709551516"), "");
  EXPECT_EQ(options.seed, 18446744073709551516U);
  EXPECT_EQ(wrong("--lr=1e-4"), "");
  EXPECT_EQ(options.lr, 1e-4);
  for (const char* value :
       {"2.5", "true", "\"3\"", "null", "1e400", "NaN", "18446744073709551516", ""})
    for (const char* flag : {"--batch-size", "--warmup-steps", "--keep"})
      EXPECT_NE(wrong(std::string(flag) + "=" + value).find(flag), std::string::npos)
          << flag << " " << value;
  for (const char* value : {"true", "nan", "inf", "1e400", "null", "0x1p3", ""})
    for (const char* flag : {"--lr", "--beta1", "--lora-dropout"})
      EXPECT_NE(wrong(std::string(flag) + "=" + value).find(flag), std::string::npos)
          << flag << " " << value;
  for (const char* value : {"-1", "true", "2.5", "18446744073709551616"})
    EXPECT_NE(wrong(std::string("--seed=") + value).find("--seed"), std::string::npos) << value;
}

TEST(SizeFlags, AreWholeNumbersOfBytesOrOfAUnit) {
  const auto bytes = [](std::string text) {
    const std::string wrong = cli::to_bytes(text);
    return wrong.empty() ? text : wrong;
  };
  for (const auto& [text, size] : {std::pair("5GB", "5000000000"),
                                   {"500MB", "500000000"},
                                   {"4 KiB", "4096"},
                                   {"7", "7"},
                                   {"+7", "7"},
                                   {"12b", "12"},
                                   {"3k", "3000"},
                                   {"2Ti", "2199023255552"},
                                   {"9EB", "9000000000000000000"},
                                   {"0", "0"}})
    EXPECT_EQ(bytes(text), size);
  for (const char* text :
       {"banana", "5XB", "-5GB", "1e9", "1e999GB", "5.5", "1.5GB", "", " ", "GB", "10EB", "8EiB",
        "99999999999999999999", "5GBB", "5 G B", "nan", "0x10", "5ib"})
    EXPECT_NE(bytes(text).find("is not a size; expected a whole number of bytes"),
              std::string::npos)
        << text;
}

}  // namespace
}  // namespace falconer::test
