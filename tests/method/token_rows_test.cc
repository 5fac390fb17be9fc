// Rows of the embedding beside a LoRA: gradients, files, several on one base, and what is refused. What PEFT
// makes of them is in tests/ecosystem/peft_token_rows.py.
#include "method/token_rows.h"

#include <gtest/gtest.h>

#include "support/adapter_file.h"
#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

constexpr int64_t kBaseRows = 61, kGrownRows = 64;
const std::string kPrefix = "base_model.model.";
const std::string kEmbeddingModule = "transformer.word_embeddings", kHeadModule = "lm_head";
const std::string kDelta = ".token_adapter.trainable_tokens_delta";
const std::string kIds = "trainable_token_indices";

std::string row_names(const std::string& module) { return kPrefix + module + kDelta; }

/// Whether the head is a matrix of its own.
class TokenRowsTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    set_verbosity("quiet");
    MadeCheckpoint made{.shape = {.layers = 2}};
    made.config["tie_word_embeddings"] = !own_head();
    checkpoint = write_checkpoint(folder / "base", made);
  }
  static bool own_head() { return GetParam(); }

  std::unique_ptr<Session> open(const std::string& adapter, bool training = false) const {
    return Session::open({.checkpoint = checkpoint,
                          .adapter = adapter,
                          .precision = Precision::kF32,
                          .training = training,
                          .optimizer = {.moments = training ? 2 : 0}});
  }
  std::unique_ptr<Session> open_new(Precision precision = Precision::kF32,
                                    const std::vector<std::string>& targets = {"q", "v"}) const {
    MethodOptions method;
    method.vocab = kGrownRows;
    method.lora_targets = targets;
    return Session::open({.checkpoint = checkpoint,
                          .method = method,
                          .precision = precision,
                          .training = true,
                          .optimizer = {.moments = 2},
                          .seed = 3});
  }
  static BatchBuffer batch(int32_t most = kGrownRows - 1) {
    static const std::vector<int32_t> one = {5, 61, 3, 62, 7, 61, 63, 9},
                                      other = {63, 5, 5, 60, 7, 62};
    std::vector<int32_t> a = one, b = other;
    for (std::vector<int32_t>* row : {&a, &b})
      for (int32_t& id : *row) id = std::min(id, most);
    return BatchBuffer::for_training(std::vector<BatchBuffer::Sequence>{{a, a}, {b, b}});
  }
  /// A LoRA of PEFT's with rows for `ids`, of every table.
  AdapterFile file(const std::vector<int64_t>& ids) const {
    AdapterFile made;
    made.config = {
        {"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"target_modules", {"dense"}}};
    for (const char* layer : {"0", "1"})
      made.add_lora(std::string("transformer.h.") + layer + ".self_attention.dense", 32, 32, 2);
    if (own_head())
      made.config[kIds] = {{"word_embeddings", ids}, {"lm_head", ids}};
    else
      made.config[kIds] = ids;
    const auto count = static_cast<int64_t>(ids.size());
    made.add(row_names(kEmbeddingModule), {count, 32});
    if (own_head()) made.add(row_names(kHeadModule), {count, 32});
    return made;
  }
  std::string next() { return (folder / ("adapter-" + std::to_string(made_++))).string(); }
  std::string save(Session& session) {
    const SavedAdapter saved = session.method()->save();
    AdapterFile made;
    made.config = nlohmann::ordered_json::parse(saved.config_json);
    for (const SavedTensor& tensor : saved.tensors) {
      made.shapes[tensor.name] = tensor.shape;
      made.values[tensor.name] = tensor.values;
    }
    return made.write(next(), false,
                      SafetensorsWriter::Metadata(saved.metadata.begin(), saved.metadata.end()));
  }
  std::string refusal(const AdapterFile& made) {
    const std::string adapter = made.write(next());
    return message_of([&] { open(adapter); });
  }

  TempFolder folder;
  std::string checkpoint;
  int made_ = 0;
};

const Param& rows_of_session(Session& session, const std::string& module) {
  for (const Param* param : session.method()->params())
    if (param->name == row_names(module)) return *param;
  throw Error("no rows of " + module);
}

TEST_P(TokenRowsTest, NewOnesHaveTheSlopesOfTheLoss) {
  const auto session = open_new();
  EXPECT_EQ(session->config().vocab, kGrownRows);
  const BatchBuffer rows = batch();
  move_away(*session, rows);
  expect_true_gradients(*session, rows);
}

// Some of the base's and some new ones, in no order.
TEST_P(TokenRowsTest, NamedOnesHaveTheSlopesOfTheLoss) {
  const auto session = open(file({62, 7, 61, 3, 63, 60, 5}).write(next()), true);
  const BatchBuffer rows = batch();
  move_away(*session, rows);
  expect_true_gradients(*session, rows);
}

TEST_P(TokenRowsTest, GradientsAreTheSameWhereBlocksAreComputedAgain) {
  const std::string adapter = file({62, 7, 61, 63}).write(next());
  const auto kept = open(adapter, true);
  const auto again = Session::open({.checkpoint = checkpoint,
                                    .adapter = adapter,
                                    .precision = Precision::kF32,
                                    .training = true,
                                    .recompute = true});
  for (Session* session : {kept.get(), again.get()}) find_gradients(*session, batch());
  for (size_t i = 0; i < kept->method()->params().size(); ++i)
    EXPECT_TRUE(same_bytes(kept->method()->params()[i]->grad, again->method()->params()[i]->grad));
}

TEST_P(TokenRowsTest, NewOnesBeginAsTheMeanOfTheOthers) {
  const auto session = open_new();
  const auto base = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  std::vector<std::pair<std::string, const Param*>> tables = {
      {kEmbeddingModule, base->weights().embedding}};
  if (own_head()) tables.emplace_back(kHeadModule, base->weights().head().w);
  for (const auto& [module, table] : tables) {
    const Param& rows = rows_of_session(*session, module);
    ASSERT_EQ(rows.shape, (std::vector<int64_t>{kGrownRows - kBaseRows, 32}));
    for (int64_t j = 0; j < 32; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < kBaseRows; ++i) sum += table->value.row<float>(i)[j];
      for (int64_t i = 0; i < rows.rows(); ++i)
        EXPECT_FLOAT_EQ(rows.value.row<float>(i)[j], static_cast<float>(sum / kBaseRows));
    }
  }
  // Of the tokens that the base has nothing changed.
  const Tensor before = logits_of(*base, batch(60)), after = logits_of(*session, batch(60));
  const View seen = after.view().col_range(0, kBaseRows);
  for (int64_t i = 0; i < before.view().rows; ++i)
    for (int64_t j = 0; j < kBaseRows; ++j)
      EXPECT_NEAR(seen.row<float>(i)[j], before.view().row<float>(i)[j], 1e-5);
}

TEST_P(TokenRowsTest, AreSavedAndReadAgainToTheBit) {
  const auto session = open_new();
  move_away(*session, batch());
  const std::string adapter = save(*session);
  const auto config = nlohmann::json::parse(session->method()->save().config_json);
  const nlohmann::json ids = {61, 62, 63};
  const nlohmann::json of_both = {{"word_embeddings", ids}, {"lm_head", ids}};
  EXPECT_EQ(config.at(kIds), own_head() ? of_both : ids);
  EXPECT_EQ(session->method()->settings().at("resize_embeddings"), "true");
  const Tensor wanted = logits_of(*session, batch());
  for (const bool training : {false, true}) {
    const auto again = open(adapter, training);
    EXPECT_EQ(again->config().vocab, kGrownRows);
    EXPECT_TRUE(same_bytes(logits_of(*again, batch()).view(), wanted.view()));
    EXPECT_EQ(again->method()->trainable_count(), session->method()->trainable_count());
  }
}

TEST_P(TokenRowsTest, InBF16AreF32OverAMatrixOfBF16) {
  const auto session = open_new(Precision::kBF16);
  EXPECT_EQ(rows_of_session(*session, kEmbeddingModule).value.dtype, Dtype::kF32);
  EXPECT_EQ(session->weights().embedding->value.dtype, Dtype::kBF16);
  move_away(*session, batch());
  const std::string adapter = save(*session);
  const auto again =
      Session::open({.checkpoint = checkpoint, .adapter = adapter, .precision = Precision::kBF16});
  EXPECT_TRUE(same_bytes(logits_of(*again, batch()).view(), logits_of(*session, batch()).view()));
}

TEST_P(TokenRowsTest, AreThoseOfTheAdapterInUse) {
  const auto trained = open_new();
  move_away(*trained, batch());
  const std::string grown = save(*trained), other = file({60, 5}).write(next());
  const Tensor of_grown = logits_of(*open(grown), batch()),
               of_other = logits_of(*open(other), batch(60));
  const auto session = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  const Tensor of_base = logits_of(*session, batch(60));
  session->load_adapter("grown", grown);
  session->load_adapter("other", other);
  EXPECT_EQ(session->config().vocab, kBaseRows);
  for (int round = 0; round < 2; ++round) {
    session->use_adapter("grown");
    EXPECT_EQ(session->config().vocab, kGrownRows);
    EXPECT_TRUE(same_bytes(logits_of(*session, batch()).view(), of_grown.view()));
    session->use_adapter("other");
    EXPECT_EQ(session->config().vocab, kBaseRows);
    EXPECT_TRUE(same_bytes(logits_of(*session, batch(60)).view(), of_other.view()));
    session->use_adapter("");
    EXPECT_TRUE(same_bytes(logits_of(*session, batch(60)).view(), of_base.view()));
  }
}

TEST_P(TokenRowsTest, IdsBeyondThemAreRefused) {
  const auto grown = open(file({61, 62}).write(next())),
             base = Session::open({.checkpoint = checkpoint});
  expect_mentions(message_of([&] { loss_of(*grown, batch(63)); }), {"token 63", "63 rows"});
  expect_mentions(message_of([&] { loss_of(*base, batch(61)); }), {"token 61", "61 rows"});
}

TEST_P(TokenRowsTest, MergeIntoALargerModel) {
  const std::string adapter = file({62, 7, 61}).write(next()), out = (folder / "merged").string();
  merge({.checkpoint = checkpoint, .adapter = adapter, .out = out});
  const auto merged = Session::open({.checkpoint = out, .precision = Precision::kF32});
  EXPECT_EQ(merged->config().vocab, 63);
  EXPECT_EQ(merged->config().tied_head, !own_head());
  const auto with = open(adapter);
  EXPECT_LE(
      largest_difference(logits_of(*merged, batch(62)).view(), logits_of(*with, batch(62)).view()),
      1e-4);
}

// As PEFT saves a model that was resized: tables as a whole beside the rows, or nothing but tables.
TEST_P(TokenRowsTest, ComeFromTablesThatPeftSavedAsAWhole) {
  const auto base = Session::open({.checkpoint = checkpoint, .precision = Precision::kF32});
  for (const bool named : {true, false}) {
    AdapterFile made = file({62});
    if (!named) {
      made = file({});
      made.config.erase(kIds);
      for (const std::string& module : {kEmbeddingModule, kHeadModule}) {
        made.shapes.erase(row_names(module));
        made.values.erase(row_names(module));
      }
    }
    std::map<std::string, std::vector<float>> tables;
    for (const std::string& module : {kEmbeddingModule, kHeadModule}) {
      const std::string name =
          kPrefix + module + (named ? ".token_adapter.base_layer.weight" : ".weight");
      made.add(name, {kGrownRows, 32});
      const Param& own =
          module == kHeadModule ? *base->weights().head().w : *base->weights().embedding;
      std::vector<float>& values = made.values.at(name);
      if (module == kHeadModule && !own_head()) values = tables.at(kEmbeddingModule);
      const std::vector<float> before = host_values(own.value);
      std::copy(before.begin(), before.end(), values.begin());
      tables[module] = values;
    }
    const auto session = open(made.write(next()));
    EXPECT_EQ(session->config().vocab, kGrownRows);
    const View& table = session->weights().embedding->value;
    for (const int64_t id : {61, 62, 63}) {
      const std::vector<float> found = host_values(table.row_range(id, 1));
      const bool of_rows = named && id == 62;
      const std::vector<float>& from =
          of_rows ? made.values.at(row_names(kEmbeddingModule)) : tables.at(kEmbeddingModule);
      EXPECT_TRUE(std::equal(found.begin(), found.end(), from.begin() + (of_rows ? 0 : id * 32)))
          << id;
    }
    // Another base below the rows: nothing is taken in silence.
    made.values.at(kPrefix + kEmbeddingModule +
                   (named ? ".token_adapter.base_layer.weight" : ".weight"))[40] += 1;
    expect_mentions(refusal(made), {kEmbeddingModule.c_str(), "base"});
  }
}

TEST_P(TokenRowsTest, WhatCannotBeIsRefusedByName) {
  AdapterFile twice = file({7, 5});
  for (auto& [name, ids] : twice.config[kIds].items())
    if (ids.is_array()) ids = {7, 7};
  if (!own_head()) twice.config[kIds] = {7, 7};
  expect_mentions(refusal(twice), {kIds.c_str(), "token 7 twice"});

  AdapterFile elsewhere = file({7, 5});
  elsewhere.config[kIds] = {{"embed_tokens", {7, 5}}};
  expect_mentions(refusal(elsewhere), {kIds.c_str(), "embed_tokens", kEmbeddingModule.c_str()});

  expect_mentions(refusal(file({61, 63})), {"token 62", "save_embedding_layers"});

  AdapterFile without = file({7, 5});
  without.shapes.erase(row_names(kEmbeddingModule));
  without.values.erase(row_names(kEmbeddingModule));
  expect_mentions(refusal(without), {row_names(kEmbeddingModule).c_str(), "missing"});

  AdapterFile other_shape = file({7, 5});
  other_shape.config[kIds] = {7, 5, 6};
  expect_mentions(refusal(other_shape),
                  {row_names(kEmbeddingModule).c_str(), "[2, 32]", "[3, 32]"});

  AdapterFile no_ids = file({7, 5});
  no_ids.config[kIds] = {-1, 5};
  expect_mentions(refusal(no_ids), {kIds.c_str(), "-1"});

  AdapterFile head = file({7, 5});
  head.config["target_modules"] = {"dense", "lm_head"};
  head.add_lora(kHeadModule, 61, 32, 2);
  expect_mentions(refusal(head), {"lm_head", "LoRA"});
  expect_mentions(message_of([&] {
                    open_new(Precision::kF32, {"q", "head"});
                  }),
                  {"--lora-targets", "--resize-embeddings", "head"});
}

TEST_P(TokenRowsTest, HaveNoPlaceInOtherPrograms) {
  const auto session = open(file({7, 5}).write(next()));
  for (const AdapterForm form : {AdapterForm::kLitGpt, AdapterForm::kLitParrot, AdapterForm::kGguf})
    expect_mentions(message_of([&] { session->method()->save_as(form); }),
                    {"rows of the embedding", "merge", "--format peft"});
}

TEST_P(TokenRowsTest, FullFinetuningLearnsThemAsPartOfTheModel) {
  MethodOptions method;
  method.method = "full";
  method.vocab = kGrownRows;
  const auto session = Session::open({.checkpoint = checkpoint,
                                      .method = method,
                                      .precision = Precision::kF32,
                                      .training = true,
                                      .optimizer = {.moments = 2}});
  EXPECT_EQ(session->config().vocab, kGrownRows);
  EXPECT_EQ(session->weights().embedding->shape[0], kGrownRows);
  EXPECT_EQ(session->weights().head().w->shape[0], kGrownRows);
  move_away(*session, batch());
  expect_true_gradients(*session, batch());
}

INSTANTIATE_TEST_SUITE_P(TokenRows, TokenRowsTest, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "own_head" : "tied"; });

// One matrix: PEFT would give the head rows of its own.
TEST(TokenRows, OfATiedHeadAloneAreRefused) {
  set_verbosity("quiet");
  const TempFolder folder;
  const std::string checkpoint = write_checkpoint(folder / "base", {.shape = {.layers = 1}});
  AdapterFile made;
  made.config = {{"peft_type", "LORA"}, {"r", 2}, {"target_modules", {"dense"}}};
  made.add_lora("transformer.h.0.self_attention.dense", 32, 32, 2);
  made.add(row_names(kHeadModule), {1, 32});
  int number = 0;
  for (const nlohmann::ordered_json& ids :
       {nlohmann::ordered_json{{"lm_head", {7}}},
        nlohmann::ordered_json{{"lm_head", {7}}, {"word_embeddings", {8}}}}) {
    made.config[kIds] = ids;
    if (ids.size() == 2) made.add(row_names(kEmbeddingModule), {1, 32});
    const std::string adapter = made.write(folder / ("adapter-" + std::to_string(number++)));
    expect_mentions(
        message_of([&] { Session::open({.checkpoint = checkpoint, .adapter = adapter}); }),
        {kIds.c_str(), "lm_head", "one matrix"});
  }
}

}  // namespace
}  // namespace falconer::test
