#include "checkpoint/simple_yaml.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

using nlohmann::json;

TEST(SimpleYaml, ReadsTheSettingsThatLitGptWrites) {
  const json found = parse_simple_yaml(
      "bias: false\n"
      "gelu_approximate: none\n"
      "head_size: 64\n"
      "hf_config:\n"
      "  name: falcon-7b\n"
      "  org: tiiuae   # where it comes from\n"
      "norm_eps: 1.0e-05\n"
      "rope_adjustments: null\n"
      "sliding_window_indices:\n"
      "- 1\n"
      "- 0\n"
      "train:\n"
      "  epochs: 5\n"
      "  inner:\n"
      "    deep: 'a: b # c'\n"
      "  after: \"x\"\n"
      "betas: [0.9, 0.95]\n"
      "empty: {}\n"
      "precision: bf16-true\n");
  EXPECT_EQ(found["bias"], false);
  EXPECT_EQ(found["gelu_approximate"], "none");
  EXPECT_EQ(found["head_size"], 64);
  EXPECT_EQ(found["hf_config"], (json{{"name", "falcon-7b"}, {"org", "tiiuae"}}));
  EXPECT_DOUBLE_EQ(found["norm_eps"], 1e-5);
  EXPECT_TRUE(found["rope_adjustments"].is_null());
  EXPECT_EQ(found["sliding_window_indices"], (json{1, 0}));
  EXPECT_EQ(found["train"]["epochs"], 5);
  EXPECT_EQ(found["train"]["inner"]["deep"], "a: b # c");
  EXPECT_EQ(found["train"]["after"], "x");
  EXPECT_EQ(found["betas"], (json{0.9, 0.95}));
  EXPECT_EQ(found["empty"], json::object());
  EXPECT_EQ(found["precision"], "bf16-true");
}

TEST(SimpleYaml, NumbersAreSpelledSoThatAllReadersSeeNumbers) {
  EXPECT_EQ(yaml_scalar(1e-5), "1.0e-05");
  EXPECT_EQ(yaml_scalar(2.5e-7), "2.5e-07");
  EXPECT_EQ(yaml_scalar(0.05), "0.05");
  EXPECT_EQ(yaml_scalar(8), "8");
  EXPECT_EQ(yaml_scalar(true), "true");
  EXPECT_EQ(yaml_scalar("falcon-7b"), "falcon-7b");
}

TEST(SimpleYaml, SaysWhichLineIsWrong) {
  const TempFolder folder;
  const auto message = [&](const std::string& text) {
    write_file(folder / "x.yaml", text);
    return message_of([&] { read_simple_yaml(folder / "x.yaml"); });
  };
  expect_mentions(message("a: 1\nnonsense\n"), {"x.yaml", "line 2", "nonsense"});
  expect_mentions(message("a: 1\n  b: 2\n"), {"line 2", "indented"});
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  expect_mentions(message(deep), {"nested too deeply"});
}

}  // namespace
}  // namespace falconer::test
