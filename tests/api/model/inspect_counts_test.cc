// What inspect says that each method trains is what finetune trains.
#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

class InspectCounts : public ::testing::Test {
 protected:
  InspectCounts() {
    set_verbosity("quiet");
    write_rows(folder / "rows.jsonl", 12);
  }

  void expect_true_counts(const nlohmann::json& config, int64_t layers) {
    SCOPED_TRACE(config.dump() + " of " + std::to_string(layers) + " layers");
    const std::string checkpoint =
        write_checkpoint(folder / std::to_string(++models), {{.layers = layers}, config});
    const auto said = nlohmann::json::parse(inspect(checkpoint).json);
    for (const auto& [method, key] :
         {std::pair("full", "full"), std::pair("lora", "lora"), std::pair("adapter", "adapter"),
          std::pair("adapter-v2", "adapter_v2")}) {
      FinetuneOptions o = short_run(method, checkpoint, folder, "out");
      EXPECT_EQ(said["trained"][key], plan(o).trainable) << method;
    }
    EXPECT_EQ(said["trained"]["full"], said["parameters"]);
    const int64_t head = said["tied_head"].get<bool>() ? 61 * 32 : 0;
    EXPECT_EQ(said["trainable"]["full"], said["trained"]["full"].get<int64_t>() + head);
    EXPECT_EQ(inspect(checkpoint).text.find("head apart") != std::string::npos, head > 0);
  }

  TempFolder folder;
  int models = 0;
};

TEST_F(InspectCounts, AreThoseOfFinetune) {
  const nlohmann::json small = {{"intermediate_size", 48}, {"num_key_value_heads", 2}};
  const auto family = [&](const char* type, bool tied) {
    nlohmann::json config = small;
    config["model_type"] = type;
    config["head_dim"] = 8;
    config["tie_word_embeddings"] = tied;
    return config;
  };
  for (const int64_t layers : {1, 2, 3, 5}) {
    expect_true_counts(nlohmann::json::object(), layers);
    expect_true_counts(family("llama", true), layers);
  }
  for (const char* type : {"gpt_neox", "qwen2", "qwen3", "phi3", "gemma3_text", "olmo2", "stablelm",
                           "cohere", "starcoder2"})
    for (const bool tied : {false, true}) expect_true_counts(family(type, tied), 3);
}

}  // namespace
}  // namespace falconer::test
