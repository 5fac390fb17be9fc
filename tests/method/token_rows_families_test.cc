// Rows of the embedding on a GPT-NeoX, and on a base that is a GGUF file.
#include <gtest/gtest.h>

#include "method/token_rows.h"
#include "support/adapter_file.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/run_files.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

BatchBuffer rows_with(std::vector<int32_t> ids) {
  return BatchBuffer::for_training(std::vector<BatchBuffer::Sequence>{{ids, ids}});
}

std::unique_ptr<Session> open_lora(const std::string& checkpoint, const std::string& adapter,
                                   bool training = false) {
  return Session::open({.checkpoint = checkpoint,
                        .adapter = adapter,
                        .precision = Precision::kF32,
                        .training = training,
                        .optimizer = {.moments = training ? 2 : 0}});
}

std::unique_ptr<Session> open_grown(const std::string& checkpoint, int64_t vocab) {
  MethodOptions method;
  method.vocab = vocab;
  return Session::open({.checkpoint = checkpoint,
                        .method = method,
                        .precision = Precision::kF32,
                        .training = true,
                        .optimizer = {.moments = 2},
                        .seed = 3});
}

std::string saved(Session& session, const std::filesystem::path& folder) {
  const SavedAdapter made = session.method()->save();
  AdapterFile file;
  file.config = nlohmann::ordered_json::parse(made.config_json);
  for (const SavedTensor& tensor : made.tensors) {
    file.shapes[tensor.name] = tensor.shape;
    file.values[tensor.name] = tensor.values;
  }
  return file.write(folder.string(), false,
                    SafetensorsWriter::Metadata(made.metadata.begin(), made.metadata.end()));
}

/// As expect_true_gradients(), with shorter steps: a head of its own makes losses that bend more.
void expect_slopes(Session& session, const BatchBuffer& batch) {
  constexpr double kStep = 0.004;
  find_gradients(session, batch);
  for (const Param* param : session.method()->params()) {
    const double norm = norm_of(param->grad);
    ASSERT_GT(norm, 0) << param->name;
    const double slope =
        (moved_loss(session, batch, *param, kStep) - moved_loss(session, batch, *param, -kStep)) /
        (2 * kStep);
    EXPECT_NEAR(slope, norm, 0.03 * norm + 1e-4) << param->name;
  }
}

class NeoxTokenRows : public ::testing::TestWithParam<bool> {  // whether the head is tied
 protected:
  void SetUp() override {
    set_verbosity("quiet");
    checkpoint =
        write_checkpoint(folder / "base", {.config = {{"model_type", "gpt_neox"},
                                                      {"architectures", {"GPTNeoXForCausalLM"}},
                                                      {"intermediate_size", 48},
                                                      {"rotary_pct", 0.5},
                                                      {"layer_norm_eps", 1e-5},
                                                      {"tie_word_embeddings", GetParam()}}});
  }
  /// As PEFT writes it, with rows for `ids` of every table.
  AdapterFile file(const std::vector<int64_t>& ids, const char* head = "lm_head") const {
    AdapterFile made;
    made.config = {{"peft_type", "LORA"},
                   {"r", 2},
                   {"lora_alpha", 4},
                   {"target_modules", {"query_key_value"}}};
    for (const char* layer : {"0", "1"})
      made.add_lora(std::string("gpt_neox.layers.") + layer + ".attention.query_key_value", 96, 32,
                    2);
    made.config["trainable_token_indices"] = ids;
    if (!GetParam()) made.config["trainable_token_indices"] = {{"embed_in", ids}, {head, ids}};
    const auto count = static_cast<int64_t>(ids.size());
    made.add(rows_name("gpt_neox.embed_in"), {count, 32});
    if (!GetParam()) made.add(rows_name(head), {count, 32});
    return made;
  }
  static std::string rows_name(const std::string& module) {
    return "base_model.model." + module + ".token_adapter.trainable_tokens_delta";
  }

  TempFolder folder;
  std::string checkpoint;
};

TEST_P(NeoxTokenRows, LearnAreSavedUnderPeftsNamesAndMerge) {
  const auto session = open_grown(checkpoint, 64);
  const BatchBuffer rows = rows_with({5, 61, 3, 62, 7, 61, 63, 9});
  move_away(*session, rows);
  expect_slopes(*session, rows);
  const std::string adapter = saved(*session, folder / "adapter");
  std::vector<std::string> names;
  for (const SavedTensor& tensor : session->method()->save().tensors) names.push_back(tensor.name);
  for (const char* module : {"gpt_neox.embed_in", "lm_head"})
    EXPECT_EQ(std::count(names.begin(), names.end(), rows_name(module)),
              module == std::string("lm_head") && GetParam() ? 0 : 1)
        << module;
  const Tensor wanted = logits_of(*session, rows);
  EXPECT_TRUE(same_bytes(logits_of(*open_lora(checkpoint, adapter), rows).view(), wanted.view()));
  const std::string out = (folder / "merged").string();
  merge({.checkpoint = checkpoint, .adapter = adapter, .out = out});
  const auto merged = Session::open({.checkpoint = out, .precision = Precision::kF32});
  EXPECT_EQ(merged->config().vocab, 64);
  EXPECT_EQ(merged->config().tied_head, GetParam());
  EXPECT_LE(largest_difference(logits_of(*merged, rows).view(), wanted.view()), 1e-4);
}

TEST_P(NeoxTokenRows, OfPeftTakeThePlaceOfTheBases) {
  const AdapterFile made = file({60, 7});
  const std::string adapter = made.write((folder / "adapter").string());
  const auto& values = made.values.at(rows_name("gpt_neox.embed_in"));
  const auto opened = open_lora(checkpoint, adapter);
  const std::vector<float> found = host_values(opened->weights().embedding->value.row_range(60, 1));
  EXPECT_TRUE(std::equal(found.begin(), found.end(), values.begin()));
  const BatchBuffer rows = rows_with({7, 60, 5, 7, 9});
  const auto session = open_lora(checkpoint, adapter, true);
  EXPECT_TRUE(same_bytes(logits_of(*session, rows).view(), logits_of(*opened, rows).view()));
  move_away(*session, rows);
  expect_slopes(*session, rows);
  // As transformers before version 5 called the head.
  const std::string before = file({60, 7}, "embed_out").write((folder / "before").string());
  EXPECT_TRUE(same_bytes(logits_of(*open_lora(checkpoint, before), rows).view(),
                         logits_of(*opened, rows).view()));
  AdapterFile elsewhere = file({7, 5});
  elsewhere.config["trainable_token_indices"] = {{"word_embeddings", {7, 5}}};
  expect_mentions(
      message_of([&] { open_lora(checkpoint, elsewhere.write((folder / "other").string())); }),
      {"word_embeddings", "gpt_neox.embed_in"});
}

INSTANTIATE_TEST_SUITE_P(TokenRows, NeoxTokenRows, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "tied" : "own_head"; });

class GgufTokenRows : public ::testing::TestWithParam<bool> {  // whether the head is tied
 protected:
  static constexpr int64_t kRows = 640;

  void SetUp() override {
    set_verbosity("quiet");
    MadeCheckpoint made{.shape = {.layers = 2, .vocab = kRows}};
    made.config["tie_word_embeddings"] = GetParam();
    checkpoint = write_checkpoint(folder / "base", made);
    add_demo_tokenizer(folder / "base");
    gguf = (folder / "base.gguf").string();
    export_model({.checkpoint = checkpoint, .out = gguf, .format = "gguf", .dtype = "f32"});
  }

  /// A LoRA of PEFT's with rows for three ids of every table.
  std::string of_peft() const {
    AdapterFile made;
    made.config = {{"peft_type", "LORA"},
                   {"r", 2},
                   {"lora_alpha", 4},
                   {"target_modules", {"query_key_value"}}};
    for (const char* layer : {"0", "1"})
      made.add_lora(std::string("transformer.h.") + layer + ".self_attention.query_key_value", 48,
                    32, 2);
    const std::vector<int64_t> ids = {639, 7, 3};
    made.config["trainable_token_indices"] = ids;
    if (!GetParam())
      made.config["trainable_token_indices"] = {{"word_embeddings", ids}, {"lm_head", ids}};
    for (const char* module : {"transformer.word_embeddings", "lm_head"})
      if (module != std::string("lm_head") || !GetParam())
        made.add(
            std::string("base_model.model.") + module + ".token_adapter.trainable_tokens_delta",
            {3, 32});
    return made.write((folder / "of-peft").string());
  }

  TempFolder folder;
  std::string checkpoint, gguf;
};

TEST_P(GgufTokenRows, AreThoseOfTheSameModelInItsFolder) {
  const BatchBuffer rows = rows_with({5, 641, 3, 642, 7, 641, 639, 9});
  const auto of_folder = open_grown(checkpoint, 643), of_gguf = open_grown(gguf, 643);
  EXPECT_EQ(of_gguf->config().vocab, 643);
  EXPECT_TRUE(same_bytes(logits_of(*of_gguf, rows).view(), logits_of(*of_folder, rows).view()));
  for (Session* session : {of_folder.get(), of_gguf.get()}) find_gradients(*session, rows);
  const auto& wanted = of_folder->method()->params();
  const auto& found = of_gguf->method()->params();
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_TRUE(same_bytes(found[i]->grad, wanted[i]->grad)) << wanted[i]->name;
  move_away(*of_gguf, rows);
  const std::string adapter = saved(*of_gguf, folder / "adapter");
  const Tensor trained = logits_of(*of_gguf, rows);
  for (const std::string& base : {gguf, checkpoint}) {
    const auto again = open_lora(base, adapter);
    EXPECT_TRUE(same_bytes(logits_of(*again, rows).view(), trained.view())) << base;
  }
}

TEST_P(GgufTokenRows, OfPeftAreReadAndTrained) {
  const std::string adapter = of_peft();
  const BatchBuffer rows = rows_with({7, 639, 5, 3, 9});
  EXPECT_TRUE(same_bytes(logits_of(*open_lora(gguf, adapter), rows).view(),
                         logits_of(*open_lora(checkpoint, adapter), rows).view()));
  const auto session = open_lora(gguf, adapter, true);
  move_away(*session, rows);
  expect_true_gradients(*session, rows);
}

TEST_P(GgufTokenRows, RunsTrainThemOnAndResumeToTheSameBytes) {
  write_rows(folder / "rows.jsonl", 24, 1, kRows);
  FinetuneOptions o = short_run(MethodName::kLora, gguf, folder, "whole");
  o.init_adapter = of_peft();
  o.save_interval = 2;
  const std::string whole = finetune(o).final_folder;
  o.out = (folder / "part").string();
  EXPECT_EQ(file_bytes(weights_of(resumed_half_way(o))), file_bytes(weights_of(whole)));
  const auto trained = open_lora(gguf, whole);
  const BatchBuffer rows = rows_with({7, 639, 5, 3, 9});
  EXPECT_GT(largest_difference(logits_of(*trained, rows).view(),
                               logits_of(*open_lora(gguf, o.init_adapter), rows).view()),
            0);
}

INSTANTIATE_TEST_SUITE_P(TokenRows, GgufTokenRows, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "tied" : "own_head"; });

}  // namespace
}  // namespace falconer::test
