// What a model's files say beside its weights: a head of its own, and the tokens that end an answer.
#include <gtest/gtest.h>

#include "checkpoint/gguf.h"
#include "generate/ends.h"
#include "model/open_model.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"

namespace falconer::test {
namespace {

using nlohmann::json;

class ModelFiles : public ::testing::Test {
 protected:
  ModelFiles() { set_verbosity("quiet"); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// A model with a head beside its embedding that differs from it in one number, or in none.
  std::string with_head(const std::string& name, std::optional<int64_t> row, float factor = 2) {
    std::vector<float> embedding;
    return write_checkpoint(folder_ / name,
                            {.shape = {.layers = 1, .vocab = 640},
                             .config = {{"tie_word_embeddings", false}},
                             .edit = [&](const Param& param, std::vector<float>& values) {
                               if (param.name == "transformer.word_embeddings.weight")
                                 embedding = values;
                               if (param.name != "lm_head.weight") return;
                               values = embedding;
                               if (row) values[static_cast<size_t>(*row * 32 + 31)] *= factor;
                             }});
  }
  bool differs(const std::string& checkpoint) {
    const ModelConfig config = read_model_config(checkpoint);
    return head_differs(config, open_weights(checkpoint, config));
  }

  TempFolder folder_;
};

TEST_F(ModelFiles, QuantisedWeightsAreNamed) {
  // Tensors of a module, all of four bytes, and what is said of them.
  const std::pair<std::vector<const char*>, const char*> kPacked[] = {
      {{"weight U8"}, "(as u8"},
      {{"weight I8"}, "(as i8"},
      {{"weight.absmax F32"}, "(bitsandbytes"},
      {{"qweight I32", "g_idx I32"}, "(GPTQ"},
      {{"qweight I32", "qzeros I32"}, "(AWQ or GPTQ"},
      {{"weight_packed I32"}, "(compressed-tensors"},
      {{"weight_scale F32"}, "(compressed-tensors or FP8"},
      {{"weight_scale_inv F32"}, "(FP8"},
      {{"W_q I32"}, "(HQQ"}};
  int number = 0;
  for (const auto& [tensors, whose] : kPacked) {
    json header;
    int64_t at = 0;
    for (const std::string_view tensor : tensors) {
      const size_t space = tensor.find(' ');
      const std::string dtype(tensor.substr(space + 1));
      header["transformer.h.0.mlp.dense_h_to_4h." + std::string(tensor.substr(0, space))] = {
          {"dtype", dtype},
          {"shape", {dtype.ends_with("32") ? 1 : 4}},
          {"data_offsets", {at, at + 4}}};
      at += 4;
    }
    const std::filesystem::path folder = folder_ / fmt::format("packed-{}", number++);
    std::filesystem::create_directories(folder);
    std::string file(8, '\0');
    const std::string text = header.dump();
    file[0] = static_cast<char>(text.size() % 256);
    file[1] = static_cast<char>(text.size() / 256);
    write_file(folder / "model.safetensors",
               file + text + std::string(static_cast<size_t>(at), 'x'));
    expect_mentions(message_of([&] { open_weights(folder.string(), {}); }),
                    {"quantised", whose, "dense_h_to_4h", "plain", "bitsandbytes"});
  }
}

TEST_F(ModelFiles, AHeadThatDiffersInOneNumberIsItsOwn) {
  EXPECT_FALSE(differs(with_head("same", {})));
  for (const int64_t row : {0, 1, 2, 319, 638, 639})
    EXPECT_TRUE(differs(with_head(fmt::format("row-{}", row), row))) << row;
  EXPECT_TRUE(differs(with_head("sign", 5, -1)));
}

TEST_F(ModelFiles, AHeadOfItsOwnGoesThroughLitGptAndBack) {
  const std::string checkpoint = with_head("own", 1, 5);
  write_rows(folder_ / "rows.jsonl", 4);
  export_model({.checkpoint = checkpoint, .out = path("lit"), .format = "litgpt"});
  EXPECT_EQ(scores(checkpoint, path("rows.jsonl")), scores(path("lit"), path("rows.jsonl")));
  EXPECT_TRUE(read_model_config(with_head("tied", {})).tied_head == false);
  export_model({.checkpoint = with_head("tied2", {}), .out = path("lit2"), .format = "litgpt"});
  EXPECT_TRUE(read_model_config(path("lit2")).tied_head);
}

using Ids = std::vector<int32_t>;

TEST_F(ModelFiles, GenerationConfigNamesTheEndsBeforeConfig) {
  const std::string checkpoint = write_checkpoint(folder_ / "m", {.config = {{"eos_token_id", 7}}});
  const auto ends_with = [&](const json& generation) {
    write_file(folder_ / "m" / "generation_config.json", generation.dump());
    return read_model_config(checkpoint).eos_ids;
  };
  EXPECT_EQ(read_model_config(checkpoint).eos_ids, Ids{7});
  EXPECT_EQ(ends_with({{"eos_token_id", 5}}), Ids{5});
  EXPECT_EQ(ends_with({{"eos_token_id", {3, 5}}}), (Ids{3, 5}));
  EXPECT_EQ(ends_with({{"eos_token_id", nullptr}}), Ids{7});
  EXPECT_EQ(ends_with({{"eos_token_id", json::array()}}), Ids{7});
  EXPECT_EQ(ends_with({{"temperature", 1}}), Ids{7});
  write_file(folder_ / "m" / "generation_config.json", "[1]");
  expect_mentions(message_of([&] { read_model_config(checkpoint); }), {"generation_config.json"});
}

TEST_F(ModelFiles, EndsAreThoseOfFilesTokenizerAndTurn) {
  ModelConfig config;
  config.eos_ids = {9, 4};
  EXPECT_EQ(ends_of_answer(config, nullptr), (Ids{4, 9}));
  const auto tokenizer = Tokenizer::load(std::string(source_dir()) + "/demo/checkpoint");
  Ids want = {2, 4, 9, *tokenizer.eos_id()};
  std::sort(want.begin(), want.end());
  want.erase(std::unique(want.begin(), want.end()), want.end());
  EXPECT_EQ(ends_of_answer(config, &tokenizer, Ids{9, 2}), want);
}

TEST_F(ModelFiles, EndsGoThroughEveryFormat) {
  const std::string checkpoint = write_checkpoint(
      folder_ / "m", {.shape = {.layers = 1, .vocab = 640}, .config = {{"eos_token_id", 0}}});
  add_demo_tokenizer(checkpoint);
  write_file(folder_ / "m" / "generation_config.json", R"({"eos_token_id": [0, 17, 40]})");
  for (const char* format : {"hf", "litgpt", "lit-parrot", "gguf"}) {
    const std::string first = path(format), second = path(std::string(format) + "-hf");
    export_model({.checkpoint = checkpoint, .out = first, .format = format});
    EXPECT_EQ(read_model_config(first).eos_ids, (Ids{0, 17, 40})) << format;
    export_model({.checkpoint = first, .out = second, .format = "hf"});
    EXPECT_EQ(read_model_config(second).eos_ids, (Ids{0, 17, 40})) << format;
  }
}

// Written as text or in 32 bits, and read again: the same number.
TEST_F(ModelFiles, NumbersOfTheSettingsGoThroughEveryFormat) {
  const std::string checkpoint = write_checkpoint(
      folder_ / "m", {.shape = {.layers = 1, .vocab = 640},
                      .config = {{"rope_theta", 12345.6789}, {"layer_norm_epsilon", 3.7e-6}}});
  add_demo_tokenizer(checkpoint);
  write_rows(folder_ / "rows.jsonl", 4);
  const auto before = scores(checkpoint, path("rows.jsonl"));
  for (const char* format : {"hf", "litgpt"}) {
    export_model({.checkpoint = checkpoint, .out = path(format), .format = format});
    const ModelConfig config = read_model_config(path(format));
    EXPECT_EQ(config.rope_base, 12345.6789) << format;
    EXPECT_EQ(config.norm_eps, 3.7e-6) << format;
    EXPECT_EQ(scores(path(format), path("rows.jsonl")), before) << format;
  }
  export_model({.checkpoint = checkpoint, .out = path("m.gguf"), .format = "gguf"});
  const ModelConfig config = read_model_config(path("m.gguf"));
  EXPECT_EQ(config.norm_eps, 3.7e-6) << "an f32 is read as the shortest text that means it";
  EXPECT_EQ(static_cast<float>(config.rope_base), 12345.6789f);
}

}  // namespace
}  // namespace falconer::test
