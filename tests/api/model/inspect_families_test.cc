#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api/model/model_words.h"
#include "model/arch/architecture.h"

namespace falconer::test {
namespace {

std::map<std::string, std::string> words_of(const std::string& family, const nlohmann::json& more) {
  nlohmann::json json = {{"vocab_size", 61},
                         {"hidden_size", 32},
                         {"num_hidden_layers", 12},
                         {"num_attention_heads", 4},
                         {"intermediate_size", 48}};
  for (const auto& [key, value] : more.items()) json[key] = value;
  ModelConfig m = architecture(family).read_config(json, family);
  m.family = family;
  const auto words = model_words(m);
  return {words.begin(), words.end()};
}

TEST(ModelWords, SayWhatIsAFamilysOwn) {
  auto words = words_of("gemma3_text", {{"head_dim", 8}, {"sliding_window", 512}});
  EXPECT_EQ(words["norms"],
            "RMS of 1 + w, before and behind attention and MLP; of each head's query and key; "
            "epsilon 1e-06");
  EXPECT_EQ(words["attention"],
            "within 512 positions in 10 of 12 layers; scores divided by the root of 256");
  EXPECT_EQ(words["positions"], "rotary (8 of 8), base 1e+06, 10000 in layers with a window");
  EXPECT_EQ(words["mlp"], "gated by GELU by tanh");
  words = words_of("phi3", {{"sliding_window", 9}});
  EXPECT_EQ(words["attention"], "within 9 positions in every layer; q, k and v in one matrix");
  EXPECT_EQ(words["mlp"], "gated by SiLU; gate and up in one matrix");
  words = words_of("llama", {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}});
  EXPECT_EQ(words["positions"], "rotary (8 of 8), base 10000; scaled: linear by 4");
  EXPECT_EQ(words["biases"], "none");
  EXPECT_EQ(words_of("qwen2", {})["biases"], "q, k, v");
  EXPECT_EQ(words_of("olmo2", {})["norms"],
            "RMS, behind attention and MLP; of all queries, of all keys; epsilon 1e-05");
  EXPECT_EQ(words_of("falcon", {})["blocks"], "parallel, one norm");
  EXPECT_EQ(words_of("cohere", {{"logit_scale", 0.25}})["head"],
            "tied to the embedding; logits times 0.25");
}

}  // namespace
}  // namespace falconer::test
