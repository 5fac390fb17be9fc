#include "hub/selection.h"

#include <gtest/gtest.h>

namespace falconer::hub {
namespace {

using Names = std::vector<std::string>;
using Purpose = Selection::Purpose;

// What the hub has of Falcon-7B, and a little more.
const Names kFalcon = {".gitattributes",
                       "README.md",
                       "config.json",
                       "configuration_falcon.py",
                       "coreml/text-generation/model.mlpackage",
                       "generation_config.json",
                       "handler.py",
                       "model-00001-of-00002.safetensors",
                       "model-00002-of-00002.safetensors",
                       "model.fp16-00001-of-00002.safetensors",
                       "model.safetensors.index.json",
                       "onnx/model.safetensors",
                       "pytorch_model-00001-of-00002.bin",
                       "pytorch_model-00002-of-00002.bin",
                       "pytorch_model.bin.index.json",
                       "special_tokens_map.json",
                       "tokenizer.json",
                       "tokenizer_config.json"};

TEST(HubSelection, OfAModelHasItsWeightsOnce) {
  EXPECT_EQ(select(kFalcon, {}),
            (Names{"config.json", "generation_config.json", "model-00001-of-00002.safetensors",
                   "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                   "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}));
}

TEST(HubSelection, TakesPyTorchFilesWhereThereIsNothingElse) {
  Names older = kFalcon;
  std::erase_if(older,
                [](const std::string& name) { return name.find("safetensors") < name.size(); });
  const Names chosen = select(older, {});
  for (const char* name : {"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
                           "pytorch_model.bin.index.json"})
    EXPECT_EQ(std::count(chosen.begin(), chosen.end(), name), 1) << name;
}

TEST(HubSelection, OneFileIsPreferredToShards) {
  EXPECT_EQ(select({"config.json", "model-00001-of-00002.safetensors", "model.safetensors"}, {}),
            (Names{"config.json", "model.safetensors"}));
}

TEST(HubSelection, TakesAnAdapter) {
  const Names files = {
      "README.md",     "adapter_config.json", "adapter_model.bin", "adapter_model.safetensors",
      "falconer.json", "tokenizer.json",      "training_args.bin"};
  EXPECT_EQ(select(files, {}), (Names{"adapter_config.json", "adapter_model.safetensors",
                                      "falconer.json", "tokenizer.json"}));
  EXPECT_EQ(select(files, {.purpose = Purpose::kAdapter}),
            (Names{"adapter_config.json", "adapter_model.safetensors", "falconer.json"}));
}

TEST(HubSelection, OfAPartHasNoWeights) {
  EXPECT_EQ(select(kFalcon, {.purpose = Purpose::kConfig}), (Names{"config.json"}));
  EXPECT_EQ(select(kFalcon, {.purpose = Purpose::kTokenizer}),
            (Names{"config.json", "generation_config.json", "special_tokens_map.json",
                   "tokenizer.json", "tokenizer_config.json"}));
}

TEST(HubSelection, PatternsMatchFoldersToo) {
  EXPECT_EQ(select(kFalcon, {.include = {"*.safetensors"}, .exclude = {"model-*"}}),
            (Names{"model.fp16-00001-of-00002.safetensors", "onnx/model.safetensors"}));
  EXPECT_EQ(select(kFalcon, {.include = {"onnx/"}}), (Names{"onnx/model.safetensors"}));
  EXPECT_EQ(select(kFalcon, {.files = {"README.md", "none"}}), (Names{"README.md"}));
  EXPECT_EQ(select(kFalcon, {.exclude = {"*"}}), Names{});
}

TEST(HubSelection, OfADatasetHasItsRows) {
  EXPECT_EQ(
      select({".gitattributes", ".meta/x.json", "README.md", "data/a.jsonl", "dataset_infos.json",
              "t.csv", "data/train-00000-of-00001.parquet", "b.tsv.gz", "c.tar.gz"},
             {.purpose = Purpose::kData}),
      (Names{"data/a.jsonl", "t.csv", "data/train-00000-of-00001.parquet", "b.tsv.gz"}));
}

}  // namespace
}  // namespace falconer::hub
