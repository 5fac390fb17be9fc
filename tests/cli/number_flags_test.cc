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

}  // namespace
}  // namespace falconer::test
