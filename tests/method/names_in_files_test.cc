// GPT-NeoX's head: "embed_out" in files of models, "lm_head" as transformers 5 and PEFT have it.
#include <gtest/gtest.h>

#include "support/adapter_file.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/run_files.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

class NamesInFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    set_verbosity("quiet");
    checkpoint = write_checkpoint(folder / "base", {.config = {{"model_type", "gpt_neox"},
                                                               {"intermediate_size", 48},
                                                               {"rotary_pct", 0.5},
                                                               {"layer_norm_eps", 1e-5},
                                                               {"tie_word_embeddings", false}}});
    write_rows(folder / "rows.jsonl", 12);
  }

  std::string trained(const std::vector<std::string>& targets) {
    FinetuneOptions o = short_run("lora", checkpoint, folder, "run");
    o.overwrite = true;
    o.lora_targets = targets;
    o.lr = 3e-2;
    return finetune(o).final_folder;
  }
  std::unique_ptr<Session> open(const std::string& adapter) const {
    return Session::open(
        {.checkpoint = checkpoint, .adapter = adapter, .precision = Precision::kF32});
  }
  Tensor logits(const std::string& adapter) const {
    static const std::vector<int32_t> ids = {7, 60, 5, 7, 9};
    const BatchBuffer::Sequence row{.ids = ids, .labels = ids};
    return logits_of(*open(adapter), BatchBuffer::for_training({&row, 1}));
  }

  TempFolder folder;
  std::string checkpoint;
};

TEST_F(NamesInFiles, AModelsFilesHaveTheirsWhoeverWroteThem) {
  const auto has_files_name = [](const std::string& model) {
    const TensorFiles files = TensorFiles::open_folder(model);
    return files.find("embed_out.weight") != nullptr && files.find("lm_head.weight") == nullptr;
  };
  ASSERT_TRUE(has_files_name(checkpoint));
  const std::string adapter = trained({"all-linear", "head"});
  const std::string merged = (folder / "merged").string();
  merge({.checkpoint = checkpoint, .adapter = adapter, .out = merged, .verify = true});
  EXPECT_TRUE(has_files_name(merged));
  FinetuneOptions full = short_run("full", checkpoint, folder, "full");
  EXPECT_TRUE(has_files_name(finetune(full).final_folder));
  EXPECT_NE(inspect(checkpoint).text.find("embed_out.weight"), std::string::npos);
  // A file with the class's name is read as well.
  TensorFiles files = TensorFiles::open_folder(checkpoint);
  std::vector<NamedView> views;
  for (const auto& [name, tensor] : files.tensors())
    views.push_back(
        {name == "embed_out.weight" ? "lm_head.weight" : name, tensor.shape, tensor.view()});
  make_folder(folder / "other");
  write_safetensors(folder / "other/model.safetensors", views, {});
  std::filesystem::copy_file(folder / "base/config.json", folder / "other/config.json");
  EXPECT_EQ(scores((folder / "other").string(), (folder / "rows.jsonl").string()),
            scores(checkpoint, (folder / "rows.jsonl").string()));
}

TEST_F(NamesInFiles, ALoraOfTheHeadHasPeftsName) {
  for (const char* target : {"head", "lm_head", " head", "embed_out", ".*embed_out"}) {
    const std::string adapter = trained({target});
    const TensorFiles files = TensorFiles::open_file(adapter + "/adapter_model.safetensors");
    EXPECT_EQ(files.tensors().size(), 2U);
    EXPECT_NE(files.find("base_model.model.lm_head.lora_A.weight"), nullptr) << target;
    const auto config = nlohmann::json::parse(read_text_file(adapter + "/adapter_config.json"));
    EXPECT_EQ(config["target_modules"], nlohmann::json::array({"lm_head"}));
  }
  expect_mentions(message_of([&] { trained({"embed_o"}); }), {"embed_o", "lm_head"});
}

TEST_F(NamesInFiles, AdaptersWithTheNameOfBeforeAreReadAndSavedWithTodays) {
  AdapterFile todays;
  todays.config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}};
  todays.config["target_modules"] = {"dense", "lm_head"};
  for (const char* layer : {"0", "1"})
    todays.add_lora(std::string("gpt_neox.layers.") + layer + ".attention.dense", 32, 32, 2);
  todays.add_lora("lm_head", 61, 32, 3);
  todays.config["rank_pattern"] = {{"lm_head", 3}};
  AdapterFile before = todays;
  for (const char* part : {"A", "B"})
    before.rename(std::string("base_model.model.lm_head.lora_") + part + ".weight",
                  std::string("base_model.model.embed_out.lora_") + part + ".weight");
  before.config["rank_pattern"] = {{"embed_out", 3}};
  const Tensor wanted = logits(todays.write(folder / "todays"));
  for (const nlohmann::json& targets :
       {nlohmann::json{"dense", "embed_out"}, nlohmann::json(".*(dense|embed_out)")}) {
    before.config["target_modules"] = targets;
    const std::string adapter = before.write(folder / "before");
    EXPECT_TRUE(same_bytes(logits(adapter).view(), wanted.view())) << targets;
    const SavedAdapter again = open(adapter)->method()->save();
    EXPECT_EQ(again.config_json.find("embed_out"), std::string::npos);
    for (const SavedTensor& tensor : again.tensors)
      EXPECT_EQ(tensor.name.find("embed_out"), std::string::npos) << tensor.name;
  }
}

TEST_F(NamesInFiles, AHeadThatAnAdapterSavesTakesThePlaceOfTheBases) {
  AdapterFile todays;
  todays.config = {{"peft_type", "LORA"},
                   {"r", 2},
                   {"target_modules", {"dense"}},
                   {"modules_to_save", {"lm_head"}}};
  for (const char* layer : {"0", "1"})
    todays.add_lora(std::string("gpt_neox.layers.") + layer + ".attention.dense", 32, 32, 2);
  todays.add("base_model.model.lm_head.weight", {61, 32});
  AdapterFile before = todays;
  before.rename("base_model.model.lm_head.weight", "base_model.model.embed_out.weight");
  before.config["modules_to_save"] = {"embed_out"};
  EXPECT_TRUE(same_bytes(logits(todays.write(folder / "todays")).view(),
                         logits(before.write(folder / "before")).view()));
}

}  // namespace
}  // namespace falconer::test
