// Adapters in files: what they say is what is computed, and what is saved says it again.
#include "api/model/adapter_files.h"

#include <gtest/gtest.h>

#include "method/peft_config.h"
#include "support/adapter_file.h"
#include "support/errors.h"
#include "support/hostile_numbers.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

using Json = nlohmann::ordered_json;

// Sites of TinyShape's blocks: outputs and inputs.
constexpr const char* kQkv = "self_attention.query_key_value";
constexpr int64_t kWidth = 32, kQkvRows = 48, kLayers = 4;

std::string module(int64_t layer, const std::string& name) {
  return "transformer.h." + std::to_string(layer) + "." + name;
}

AdapterFile qkv_lora(int64_t rank = 4) {
  AdapterFile file;
  file.config = {{"peft_type", "LORA"},
                 {"r", rank},
                 {"lora_alpha", 16},
                 {"target_modules", {"query_key_value"}}};
  for (int64_t layer = 0; layer < kLayers; ++layer)
    file.add_lora(module(layer, kQkv), kQkvRows, kWidth, rank);
  return file;
}

class AdapterFiles : public ::testing::Test {
 protected:
  std::unique_ptr<Session> open(const std::string& adapter, bool training = false) const {
    return Session::open({.checkpoint = run.checkpoint,
                          .adapter = adapter,
                          .precision = Precision::kF32,
                          .training = training});
  }
  std::string refused(const AdapterFile& file) {
    return message_of([&] { open(file.write(next())); });
  }
  std::filesystem::path next() { return run.path("adapter" + std::to_string(next_++)); }

  /// What the adapter of `session` adds to a matrix of zeros (DoRA: to one of ones).
  static Tensor added(Session& session, const std::string& name, int64_t out, int64_t in) {
    Tensor w(out, in, Dtype::kF32);
    set_values(w.view(), std::vector<float>(static_cast<size_t>(out * in), 0.0f));
    session.method()->merge_tensor(name + ".weight", w.view());
    return w;
  }
  std::string saved(Session& session) {
    const std::filesystem::path folder = next();
    make_folder(folder);
    write_adapter_folder(folder, session.method()->save());
    return folder.string();
  }

  const TinyRun run;

 private:
  int next_ = 0;
};

// ---- what PEFT's settings mean

TEST(PeftSettings, PatternsAreRegularExpressionsAndTheFirstInTheFileCounts) {
  const PeftConfig config(Json::parse(R"({"r": 4, "lora_alpha": 16,
        "alpha_pattern": {"h\\.1\\..*": 64, ".*query_key_value": 32, "dense": 8, "ense": 9, "transformer.*": 7},
        "rank_pattern": {"z": 1, "h.0.mlp.dense": 2}})"),
                          "file");
  EXPECT_EQ(config.alpha_of(module(1, kQkv)), 64);
  EXPECT_EQ(config.alpha_of(module(0, kQkv)), 32);
  EXPECT_EQ(config.alpha_of(module(0, "self_attention.dense")), 8);
  EXPECT_EQ(config.alpha_of(module(11, "x.y")), 7);
  EXPECT_EQ(config.alpha_of("lm_head"), 16);
  EXPECT_EQ(config.alpha_of("dense"), 8);
  EXPECT_EQ(config.alpha_of("condense"), 16) << "a key is a whole part of the name";
  EXPECT_EQ(config.rank_of(module(0, "mlp.dense")), 2);
  EXPECT_EQ(config.rank_of(module(10, "mlp.dense")), 4);
}

TEST(PeftSettings, TargetsAreChosenAsPeftChoosesThem) {
  const auto targets = [](const char* text, const std::string& name, bool head = false) {
    return PeftConfig(Json::parse(text), "file").targets(name, head);
  };
  const std::string first = module(0, kQkv), second = module(1, kQkv);
  EXPECT_EQ(targets("{}", first), std::nullopt);
  EXPECT_EQ(targets(R"({"target_modules": ["query_key_value"]})", first), true);
  EXPECT_EQ(targets(R"({"target_modules": ["key_value"]})", first), false);
  EXPECT_EQ(targets(R"({"target_modules": "all-linear"})", first), true);
  EXPECT_EQ(targets(R"({"target_modules": "all-linear"})", "lm_head", true), false);
  EXPECT_EQ(targets(R"({"target_modules": ".*query_key_value"})", first), true);
  EXPECT_EQ(targets(R"({"target_modules": "query_key_value"})", first), false) << "whole names";
  EXPECT_EQ(targets(R"({"target_modules": ".*", "exclude_modules": ["query_key_value"]})", first),
            false);
  EXPECT_EQ(targets(R"({"target_modules": ".*", "exclude_modules": ".*h.0.*"})", second), true);
  const char* layers = R"({"target_modules": ["query_key_value"], "layers_to_transform": [1, 3]})";
  EXPECT_EQ(targets(layers, first), false);
  EXPECT_EQ(targets(layers, second), true);
  EXPECT_EQ(targets(R"({"target_modules": ["query_key_value"], "layers_to_transform": 0,
                        "layers_pattern": "h"})",
                    first),
            true);
  EXPECT_EQ(targets(R"({"target_modules": ["query_key_value"], "layers_to_transform": 0,
                        "layers_pattern": ["layers"]})",
                    first),
            false);
}

// Everything that PEFT knows is read, changes nothing, or is refused by its name.
TEST(PeftSettings, NothingIsDroppedInSilence) {
  const auto message = [](const char* key, const Json& value) {
    Json config = {{"r", 4}};
    config[key] = value;
    return message_of([&] { PeftConfig(config, "file"); });
  };
  for (const char* key :
       {"layer_replication", "target_parameters", "alora_invocation_tokens", "arrow_config",
        "use_bdlora", "kasa_config", "monteclora_config", "velora_config", "fan_in_fan_out",
        "use_qalora", "a_setting_of_next_year"}) {
    for (const Json& value : {Json(true), Json::array({"x"}), Json{{"x", 1}}, Json(3), Json("x")})
      expect_mentions(message(key, value), {"file", key, "not supported"});
    for (const Json& value : {Json(), Json(false), Json(""), Json::array(), Json::object()}) {
      Json config = {{"r", 4}};
      config[key] = value;
      EXPECT_NO_THROW(PeftConfig(config, "file")) << key << " " << value;
    }
  }
  expect_mentions(message("bias", "some"), {"bias", "some", "all", "lora_only"});
  for (const Json& value :
       {Json(true), Json(3), Json("x"), Json::array({3}), Json::array({""}), Json::array({"h.("})})
    expect_mentions(message("modules_to_save", value), {"file", "modules_to_save"});
  for (const Json& value : {Json(3), Json("x"), Json::array({"x"})})
    expect_mentions(message("lora_bias", value), {"file", "lora_bias"});
  EXPECT_NO_THROW(PeftConfig(
      Json{{"ensure_weight_tying", true}, {"modules_to_save", {"word_embeddings"}}}, ""));
  for (const Json& targets : {Json::array({"x.lm_head"}), Json(".*_head")})
    EXPECT_EQ(PeftConfig(Json{{"ensure_weight_tying", true}, {"target_modules", targets}}, "")
                  .beside.ties,
              "lm_head");
  expect_mentions(message_of([] {
                    PeftConfig(Json{{"lora_bias", true}, {"use_dora", true}}, "file");
                  }),
                  {"lora_bias", "use_dora"});
  for (const char* value : {"pissa", "pissa_niter_4", "loftq", "corda", "lora_ga", "new"})
    expect_mentions(message("init_lora_weights", value), {"init_lora_weights", value, "PEFT"});
  for (const Json& value : {Json(true), Json(false), Json("gaussian"), Json("orthogonal"),
                            Json("eva"), Json("mica"), Json("olora"), Json()}) {
    EXPECT_NO_THROW(PeftConfig(Json{{"init_lora_weights", value}}, "file")) << value;
  }
  expect_mentions(message("alpha_pattern", Json{{"h.(", 4}}), {"file", "alpha_pattern", "h.("});
  expect_mentions(message("rank_pattern", Json::array({4})), {"rank_pattern"});
}

// ---- what is saved

TEST_F(AdapterFiles, AlphasRanksAndLayersOfTheirOwnAreSavedAndReadAgain) {
  for (const bool rslora : {false, true})
    for (const bool dora : {false, true}) {
      SCOPED_TRACE(std::string(rslora ? "rslora " : "") + (dora ? "dora" : ""));
      AdapterFile file;
      file.config = {{"peft_type", "LORA"},
                     {"r", 4},
                     {"lora_alpha", 16},
                     {"lora_dropout", 0.1},
                     {"target_modules", {"query_key_value", "dense"}},
                     {"layers_to_transform", {0, 2}},
                     {"use_rslora", rslora},
                     {"use_dora", dora},
                     {"rank_pattern", {{"h.2.self_attention.dense", 3}}},
                     {"alpha_pattern", {{".*0.*query_key_value", 64}, {"self_attention.*", 7}}}};
      for (const int64_t layer : {0, 2}) {
        file.add_lora(module(layer, kQkv), kQkvRows, kWidth, 4);
        file.add_lora(module(layer, "self_attention.dense"), kWidth, kWidth, layer == 2 ? 3 : 4);
        if (!dora) continue;
        for (const char* name : {kQkv, "self_attention.dense"})
          file.add("base_model.model." + module(layer, name) + ".lora_magnitude_vector",
                   {name == kQkv ? kQkvRows : kWidth});
      }
      const auto first = open(file.write(next()));
      const auto again = open(saved(*first));
      const auto once_more = open(saved(*again));
      for (int64_t layer = 0; layer < kLayers; ++layer)
        for (const char* name : {kQkv, "self_attention.dense"}) {
          const int64_t out = name == kQkv ? kQkvRows : kWidth;
          const Tensor want = added(*first, module(layer, name), out, kWidth);
          for (Session* session : {again.get(), once_more.get()})
            EXPECT_TRUE(
                same_bytes(want.view(), added(*session, module(layer, name), out, kWidth).view()))
                << layer << name;
        }
      if (dora) continue;
      // And the first is what the settings say.
      const Tensor w = added(*first, module(0, kQkv), kQkvRows, kWidth);
      const double scale = 64 / (rslora ? 2.0 : 4.0);
      const std::string base = "base_model.model." + module(0, kQkv);
      double want = 0;
      for (int r = 0; r < 4; ++r)
        want += scale * file.values.at(base + ".lora_B.weight")[r] *
                file.values.at(base + ".lora_A.weight")[r * kWidth];
      EXPECT_NEAR(w.view().row<float>(0)[0], want, 1e-6);
    }
}

// A scale is alpha / r: writing alpha must not move its last bit.
TEST_F(AdapterFiles, ScalesComeBackToTheLastBit) {
  for (const auto& [rank, alpha] : std::vector<std::pair<int64_t, double>>{
           {3, 16}, {7, 1}, {11, 0.3}, {49, 1}, {5, 1e-3}, {13, -7.7}, {4, 0}}) {
    AdapterFile file = qkv_lora(rank);
    file.config["lora_alpha"] = alpha;
    const auto first = open(file.write(next()));
    const auto again = open(saved(*first));
    EXPECT_TRUE(same_bytes(added(*first, module(1, kQkv), kQkvRows, kWidth).view(),
                           added(*again, module(1, kQkv), kQkvRows, kWidth).view()))
        << rank << " " << alpha;
  }
}

TEST_F(AdapterFiles, EveryWriterKeepsAlphasAndRanksOfLayers) {
  AdapterFile file = qkv_lora();
  file.config["alpha_pattern"] = {{"h.0." + std::string(kQkv), 64}, {"h.2.*", 5}};
  file.config["rank_pattern"] = {{"h.3." + std::string(kQkv), 2}};
  file.add_lora(module(3, kQkv), kQkvRows, kWidth, 2);
  const std::string adapter = file.write(next());
  const auto before = open(adapter);
  for (const char* format : {"peft", "litgpt", "hf"}) {
    const std::string out = run.path(std::string("as-") + format).string();
    export_model({.checkpoint = run.checkpoint, .adapter = adapter, .out = out, .format = format});
    const bool model = std::string(format) == "hf";
    const auto after = Session::open({.checkpoint = model ? out : run.checkpoint,
                                      .adapter = model ? "" : out,
                                      .precision = Precision::kF32});
    const BatchBuffer batch = batch_of(rows_of(run));
    EXPECT_LT(largest_difference(logits_of(*before, batch).view(), logits_of(*after, batch).view()),
              2e-5)
        << format;
  }
  // llama.cpp computes alpha / rank for each pair, with one alpha.
  const SavedAdapter gguf = before->method()->save_as(AdapterForm::kGguf);
  const double alpha = Json::parse(gguf.config_json)["alpha"];
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const auto find = [&](const char* end) -> const SavedTensor& {
      for (const SavedTensor& tensor : gguf.tensors)
        if (tensor.name == "blk." + std::to_string(layer) + ".attn_qkv.weight.lora_" + end)
          return tensor;
      throw Error("not there");
    };
    const SavedTensor &a = find("a"), &b = find("b");
    const int64_t rank = a.shape[0];
    double sum = 0;  // of the first element of s B A: the first row of q is the first everywhere
    for (int64_t r = 0; r < rank; ++r)
      sum += alpha / static_cast<double>(rank) * b.values[r] * a.values[r * kWidth];
    EXPECT_NEAR(sum, added(*before, module(layer, kQkv), kQkvRows, kWidth).view().row<float>(0)[0],
                1e-6);
  }
}

TEST_F(AdapterFiles, ATrainedOnAdapterKeepsItsLayers) {
  AdapterFile file = qkv_lora();
  file.config["alpha_pattern"] = {{"h.0." + std::string(kQkv), 64}};
  FinetuneOptions options = run.options("lora", "on");
  options.init_adapter = file.write(next());
  options.lr = 0;
  options.max_steps = 1;
  const auto before = open(options.init_adapter), after = open(finetune(options).final_folder);
  for (int64_t layer = 0; layer < kLayers; ++layer)
    EXPECT_TRUE(same_bytes(added(*before, module(layer, kQkv), kQkvRows, kWidth).view(),
                           added(*after, module(layer, kQkv), kQkvRows, kWidth).view()));
}

// ---- what an adapter is for

// B begins as zero, and a step that is left out leaves it so.
TEST_F(AdapterFiles, WhatALoraIsForIsRecordedAndNotGuessed) {
  for (const std::vector<std::string>& targets : std::vector<std::vector<std::string>>{
           {"q", "v"}, {"k"}, {"q", "k", "v"}, {"qkv"}, {"v", "dense"}}) {
    MethodOptions method;
    method.lora_targets = targets;
    const auto first = open_training(run, method);
    const auto again = open(saved(*first), true);
    EXPECT_EQ(again->method()->trainable_count(), first->method()->trainable_count());
    EXPECT_EQ(again->method()->params().size(), first->method()->params().size());
    const SavedAdapter a = first->method()->save(), b = again->method()->save();
    EXPECT_EQ(a.config_json.substr(a.config_json.find("\"r\"")),
              b.config_json.substr(b.config_json.find("\"r\"")).replace(0, 0, ""))
        << "settings";
    EXPECT_EQ(a.metadata, b.metadata);
  }
}

TEST_F(AdapterFiles, WhatIsRecordedMustFitTheTensors) {
  const AdapterFile file = qkv_lora();  // B is not zero anywhere
  for (const char* parts : {"q,v", "q", "v,q", "x", "", "q,q", "q,k,v"}) {
    SafetensorsWriter::Metadata metadata;
    for (int64_t layer = 0; layer < kLayers; ++layer)
      metadata["falconer.parts." + module(layer, kQkv)] = parts;
    const std::string folder = file.write(next(), false, metadata);
    if (std::string(parts).empty())
      EXPECT_NO_THROW(open(folder));  // nothing is said
    else
      expect_mentions(message_of([&] { open(folder); }),
                      {folder.c_str(), "q, k and v", "query_key_value"});
  }
}

TEST_F(AdapterFiles, TargetsAndTensorsMustAgree) {
  AdapterFile file = qkv_lora();
  file.config["target_modules"] = {"dense"};
  expect_mentions(refused(file), {"target_modules", "query_key_value"});
  file = qkv_lora();
  file.config["layers_to_transform"] = {0, 1, 2};
  expect_mentions(refused(file), {"h.3", "target_modules"});
  file = qkv_lora();
  file.config["target_modules"] = ".*(query_key_value|dense)";
  expect_mentions(refused(file), {"nothing for", "dense"});
  file.config["target_modules"] = "all-linear";
  expect_mentions(refused(file), {"nothing for", "dense"});
  file.config["target_modules"] = ".*h\\.[0-3]\\.self_attention\\.query.*";
  EXPECT_NO_THROW(open(file.write(next())));
}

// ---- tensors

TEST_F(AdapterFiles, NamesOfAModelWithAnAdapterInItAreRead) {
  AdapterFile file = qkv_lora();
  const auto plain = open(file.write(next()));
  for (int64_t layer = 0; layer < kLayers; ++layer)
    for (const char* kind : {"lora_A", "lora_B"})
      file.rename("base_model.model." + module(layer, kQkv) + "." + kind + ".weight",
                  "base_model.model." + module(layer, kQkv) + "." + kind + ".default.weight");
  const auto named = open(file.write(next()));
  EXPECT_TRUE(same_bytes(added(*plain, module(1, kQkv), kQkvRows, kWidth).view(),
                         added(*named, module(1, kQkv), kQkvRows, kWidth).view()));
}

TEST_F(AdapterFiles, TensorsOfTheBaseMayLieBesideALora) {
  const AdapterFile plain = qkv_lora();
  const auto before = open(plain.write(next()));
  const TensorFiles base = TensorFiles::open_folder(run.checkpoint);
  const StoredTensor& embedding = *base.find("transformer.word_embeddings.weight");
  std::vector<float> values(static_cast<size_t>(embedding.size()));
  std::memcpy(values.data(), embedding.bytes.data(), embedding.bytes.size());
  for (const char* name :
       {"transformer.word_embeddings.weight", "lm_head.weight", "lm_head.base_layer.weight"}) {
    AdapterFile file = plain;
    const std::string full = std::string("base_model.model.") + name;
    file.shapes[full] = embedding.shape;
    file.values[full] = values;
    const std::string folder = file.write(next());
    const auto after = open(folder);
    EXPECT_TRUE(same_bytes(added(*before, module(1, kQkv), kQkvRows, kWidth).view(),
                           added(*after, module(1, kQkv), kQkvRows, kWidth).view()));
    const std::string merged = run.path(std::string("merged-") + name).string();
    EXPECT_NO_THROW(merge({.checkpoint = run.checkpoint, .adapter = folder, .out = merged}));
    file.values[full][70] += 1e-3f;
    if (std::string(name).find("base_layer") != std::string::npos)
      expect_mentions(refused(file), {"adapter_model.safetensors", name, "PEFT", "no LoRA"});
    else
      EXPECT_NO_THROW(open(file.write(next()))) << name;
    file.values[full] = values;
    file.shapes[full] = {embedding.shape[1], embedding.shape[0]};
    expect_mentions(refused(file), {name, "[32, 61]", "[61, 32]"});
  }
}

// ---- what takes the place of the base's tensors

constexpr const char* kTable = "transformer.word_embeddings.weight";
constexpr const char* kHead = "lm_head.weight";

class AdapterFilesInPlace : public AdapterFiles {
 protected:
  std::vector<float> of_base(const std::string& name) const {
    const TensorFiles files = TensorFiles::open_folder(run.checkpoint);
    const StoredTensor& stored = *files.find(name);
    const Tensor values(stored.rows(), stored.cols(), Dtype::kF32);
    stored.copy_to(values.view());
    return host_values(values.view());
  }
  std::vector<int64_t> shape_in_base(const std::string& name) const {
    return TensorFiles::open_folder(run.checkpoint).find(name)->shape;
  }
  /// `values` under `name`, of the shape of the base's `like`.
  void put(AdapterFile& file, const std::string& name, const std::string& like,
           std::vector<float> values) const {
    file.shapes["base_model.model." + name] = shape_in_base(like);
    file.values["base_model.model." + name] = std::move(values);
  }
  std::vector<float> changed(const std::string& name, float factor) const {
    std::vector<float> values = of_base(name);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = factor * values[i] + 0.01f * static_cast<float>(i % 7);
    return values;
  }
  Tensor logits(const std::string& checkpoint, const std::string& adapter) const {
    const auto session =
        Session::open({.checkpoint = checkpoint, .adapter = adapter, .precision = Precision::kF32});
    return logits_of(*session, batch_of(rows_of(run)));
  }

  /// The adapters whose files hold more than LoRAs of linear layers.
  std::map<std::string, AdapterFile> all() const {
    std::map<std::string, AdapterFile> made;
    const auto with = [&](const std::string& what, const Json& modules, const char* table_name,
                          const char* head_name) {
      AdapterFile file = qkv_lora();
      if (!modules.is_null()) file.config["modules_to_save"] = modules;
      if (table_name != nullptr) put(file, table_name, kTable, changed(kTable, 1.5f));
      if (head_name != nullptr)
        put(file, head_name, kTable,
            changed(kTable, table_name != nullptr && modules.is_null() ? 1.5f : 0.7f));
      made.emplace(what, std::move(file));
    };
    with("a head", {"lm_head"}, nullptr, kHead);
    with("an embedding", {"word_embeddings"}, kTable, nullptr);
    with("both", {"word_embeddings", "lm_head"}, kTable, kHead);
    with("an embedding saved along", nullptr, kTable, nullptr);
    with("both saved along", nullptr, kTable, kHead);
    AdapterFile norms = qkv_lora();
    norms.config["modules_to_save"] = {"ln_f"};
    norms.config["bias"] = "all";
    for (const char* name : {"transformer.ln_f.weight", "transformer.ln_f.bias",
                             "transformer.h.1.input_layernorm.bias"})
      put(norms, name, name, changed(name, 1.2f));
    made.emplace("norms", norms);
    AdapterFile table = qkv_lora();
    table.config["target_modules"] = {"query_key_value", "word_embeddings"};
    table.config["rank_pattern"] = {{"word_embeddings", 3}};
    table.add("base_model.model.transformer.word_embeddings.lora_embedding_A", {3, 61});
    table.add("base_model.model.transformer.word_embeddings.lora_embedding_B", {kWidth, 3});
    made.emplace("a LoRA of the embedding", table);
    AdapterFile biases = qkv_lora();
    biases.config["lora_bias"] = true;
    for (int64_t layer = 0; layer < kLayers; ++layer)
      biases.add("base_model.model." + module(layer, kQkv) + ".lora_B.bias", {kQkvRows});
    made.emplace("biases of B", biases);
    AdapterFile olora = qkv_lora();
    olora.config["init_lora_weights"] = "olora";
    made.emplace("olora", olora);
    return made;
  }
};

TEST_F(AdapterFilesInPlace, AreComputedWithSavedAndMerged) {
  const Tensor plain = logits(run.checkpoint, qkv_lora().write(next()));
  for (const auto& [what, file] : all()) {
    SCOPED_TRACE(what);
    const std::string folder = file.write(next());
    const Tensor with = logits(run.checkpoint, folder);
    EXPECT_GT(largest_difference(plain.view(), with.view()), 1e-3);
    const auto session = open(folder);
    const std::string again = saved(*session);
    EXPECT_TRUE(same_bytes(with.view(), logits(run.checkpoint, again).view()));
    for (const AdapterForm form :
         {AdapterForm::kGguf, AdapterForm::kLitGpt, AdapterForm::kLitParrot})
      expect_mentions(message_of([&] { session->method()->save_as(form); }), {"PEFT", "merge"});
    const std::string merged = next().string();
    merge({.checkpoint = run.checkpoint, .adapter = folder, .out = merged});
    EXPECT_LT(largest_difference(with.view(), logits(merged, "").view()), 2e-5);
  }
}

// Doubled logits for a doubled head; an embedding of the values that its LoRA gives.
TEST_F(AdapterFilesInPlace, TakeThePlaceThatTheyHaveInPeft) {
  AdapterFile doubled = qkv_lora();
  doubled.config["modules_to_save"] = {"lm_head"};
  std::vector<float> head = of_base(kTable);
  for (float& value : head) value *= 2;
  put(doubled, kHead, kTable, head);
  const Tensor once = logits(run.checkpoint, qkv_lora().write(next()));
  const Tensor twice = logits(run.checkpoint, doubled.write(next()));
  for (int64_t i = 0; i < once.view().rows; ++i)
    for (int64_t j = 0; j < once.view().cols; ++j)
      ASSERT_FLOAT_EQ(2 * once.view().row<float>(i)[j], twice.view().row<float>(i)[j]);

  AdapterFile lora = all().at("a LoRA of the embedding"), folded = qkv_lora();
  std::vector<float> table = of_base(kTable);
  const std::string base = "base_model.model.transformer.word_embeddings.lora_embedding_";
  const std::vector<float>&a = lora.values.at(base + "A"), &b = lora.values.at(base + "B");
  const int64_t vocab = 61;
  for (int64_t i = 0; i < vocab; ++i)
    for (int64_t c = 0; c < kWidth; ++c)
      for (int64_t r = 0; r < 3; ++r)
        table[static_cast<size_t>(i * kWidth + c)] +=
            16.0f / 3 * a[static_cast<size_t>(r * vocab + i)] * b[static_cast<size_t>(c * 3 + r)];
  folded.config["modules_to_save"] = {"word_embeddings"};
  put(folded, kTable, kTable, table);
  EXPECT_LT(largest_difference(logits(run.checkpoint, lora.write(next())).view(),
                               logits(run.checkpoint, folded.write(next())).view()),
            1e-5);

  // With scale 1, nothing is left of the first columns.
  AdapterFile olora = all().at("olora");
  olora.config["lora_alpha"] = 4;
  for (int64_t layer = 0; layer < kLayers; ++layer)
    for (float& value :
         olora.values.at("base_model.model." + module(layer, kQkv) + ".lora_B.weight"))
      value = 0;
  const auto session = open(olora.write(next()));
  const View left = session->decoder().sites().front()->weight().value;
  double first = 0, rest = 0;
  for (int64_t m = 0; m < left.rows; ++m)
    for (int64_t k = 0; k < left.cols; ++k)
      (k < 4 ? first : rest) += std::fabs(static_cast<double>(left.row<float>(m)[k]));
  EXPECT_LT(first, 1e-5);
  EXPECT_GT(rest, 1);
}

// The base is as it was when another adapter, or none, is used.
TEST_F(AdapterFilesInPlace, GiveTheBaseBack) {
  const auto session = Session::open({.checkpoint = run.checkpoint, .precision = Precision::kF32});
  const BatchBuffer batch = batch_of(rows_of(run));
  const Tensor base = logits_of(*session, batch);
  std::map<std::string, std::string> folders;
  for (const auto& [what, file] : all()) {
    folders[what] = file.write(next());
    session->load_adapter(what, folders[what]);
  }
  for (const auto& [what, folder] : folders) {
    SCOPED_TRACE(what);
    session->use_adapter(what);
    EXPECT_TRUE(
        same_bytes(logits_of(*session, batch).view(), logits(run.checkpoint, folder).view()));
    session->use_adapter("");
    EXPECT_TRUE(same_bytes(logits_of(*session, batch).view(), base.view()));
  }
}

TEST_F(AdapterFilesInPlace, StayAsTheyAreInTraining) {
  for (const auto& [what, file] : all()) {
    SCOPED_TRACE(what);
    FinetuneOptions options = run.options("lora", "on-" + what);
    options.init_adapter = file.write(next());
    const std::string folder = finetune(options).final_folder;
    const TensorFiles before = TensorFiles::open_file(options.init_adapter +
                                                      "/adapter_model.safetensors"),
                      after = TensorFiles::open_file(folder + "/adapter_model.safetensors");
    for (const auto& [name, stored] : after.tensors())
      EXPECT_EQ(same_bytes(before.find(name)->view(), stored.view()),
                !name.ends_with("lora_A.weight") && !name.ends_with("lora_B.weight"))
          << name;
  }
  AdapterFile table = all().at("a LoRA of the embedding");
  for (int64_t layer = 0; layer < kLayers; ++layer)
    for (const char* kind : {".lora_A.weight", ".lora_B.weight"}) {
      table.shapes.erase("base_model.model." + module(layer, kQkv) + kind);
      table.values.erase("base_model.model." + module(layer, kQkv) + kind);
    }
  table.config["target_modules"] = {"word_embeddings"};
  const std::string alone = table.write(next());
  EXPECT_NO_THROW(open(alone));
  expect_mentions(message_of([&] { open(alone, true); }), {"embedding alone", "PEFT"});
}

TEST_F(AdapterFilesInPlace, AreRefusedWhereTheyDoNotBelong) {
  std::map<std::string, AdapterFile> files = all();
  AdapterFile file = files.at("a head");
  file.shapes.erase(std::string("base_model.model.") + kHead);
  file.values.erase(std::string("base_model.model.") + kHead);
  expect_mentions(refused(file), {"modules_to_save", "lm_head", "has no"});
  file = files.at("both saved along");
  file.values.at(std::string("base_model.model.") + kHead)[3] += 1;
  expect_mentions(refused(file), {"word_embeddings", "lm_head", "differ"});
  file = files.at("an embedding");
  file.shapes.at(std::string("base_model.model.") + kTable) = {60, kWidth};
  file.values.at(std::string("base_model.model.") + kTable).resize(60 * kWidth);
  expect_mentions(refused(file), {"[60, 32]", "[61, 32]", "resize"});
  file = files.at("a LoRA of the embedding");
  file.config["target_modules"] = {"query_key_value"};
  expect_mentions(refused(file), {"word_embeddings", "target_modules"});
  file.config["target_modules"] = {"query_key_value", "word_embeddings"};
  file.config["use_dora"] = true;
  expect_mentions(refused(file), {"use_dora", "embedding"});
  file = qkv_lora();
  file.config["target_modules"] = {"query_key_value", "word_embeddings"};
  expect_mentions(refused(file), {"nothing for", "word_embeddings"});
  file = files.at("biases of B");
  file.config["lora_bias"] = false;
  expect_mentions(refused(file), {"lora_B.bias", "lora_bias"});
  file = qkv_lora();
  file.config["lora_bias"] = true;
  expect_mentions(refused(file), {"lora_bias", "lora_B.bias", "has no"});
}

// As many numbers, but not the shape: each tensor of each kind of file.
TEST_F(AdapterFiles, ATransposedTensorIsRefusedInEveryFile) {
  const auto expect_each_refused = [&](const AdapterFile& good, bool pth) {
    for (const auto& [name, shape] : good.shapes) {
      std::vector<std::vector<int64_t>> wrong = {{1}};
      for (const int64_t size : shape) wrong.front()[0] *= size;  // flat
      wrong.push_back({shape.rbegin(), shape.rend()});
      wrong.push_back(shape);
      wrong.back().push_back(1);
      for (const std::vector<int64_t>& other : wrong) {
        if (other == shape) continue;
        if (shape.size() == 4 && other.size() == 4)
          continue;  // a gate, as the other program has it
        AdapterFile bad = good;
        bad.shapes[name] = other;
        const std::string path =
            pth ? bad.write_pth(run.path("bad.pth")) : bad.write(run.path("bad"));
        expect_mentions(message_of([&] { open(path); }), {"bad"});
      }
    }
  };
  AdapterFile lora;
  lora.config = {{"peft_type", "LORA"}, {"r", 4}, {"use_dora", true}, {"lora_alpha", 16}};
  lora.add_lora(module(0, kQkv), kQkvRows, kWidth, 4);
  lora.add("base_model.model." + module(0, kQkv) + ".lora_magnitude_vector", {kQkvRows});
  expect_each_refused(lora, false);
  for (const AdapterForm form : {AdapterForm::kLitGpt, AdapterForm::kLitParrot})
    for (const char* kind : {"lora", "adapter", "adapter-v2"}) {
      SCOPED_TRACE(kind);
      MethodOptions method;
      method.method = kind;
      method.adapter_start_layer = 3;
      method.lora_r = 3;
      const auto session = open_training(run, method);
      AdapterFile lit;
      for (const SavedTensor& tensor : session->method()->save_as(form).tensors) {
        if (tensor.name.find(".h.0.") == tensor.name.npos &&
            tensor.name.find("adapter_wte") == tensor.name.npos &&
            tensor.name.find("gating") == tensor.name.npos)
          continue;
        lit.shapes[tensor.name] = tensor.shape;
      }
      AdapterFile good;
      for (const SavedTensor& tensor : session->method()->save_as(form).tensors) {
        good.shapes[tensor.name] = tensor.shape;
        good.values[tensor.name] = tensor.values;
      }
      EXPECT_NO_THROW(open(good.write_pth(run.path("good.pth"))));
      for (const auto& [name, shape] : lit.shapes) {
        if (shape.size() == 1) continue;
        AdapterFile bad = good;
        bad.shapes[name] = shape.size() == 4 ? std::vector<int64_t>{shape[1] * shape[2]}
                                             : std::vector<int64_t>{shape[1], shape[0]};
        if (bad.shapes[name] == shape) continue;
        expect_mentions(message_of([&] { open(bad.write_pth(run.path("bad.pth"))); }), {"bad.pth"});
      }
    }
}

// ---- numbers

TEST_F(AdapterFiles, NumbersThatNoAdapterHasAreRefusedByNameOrMeanWhatTheySay) {
  const auto text_with = [](std::string config, const std::string& key, const char* number) {
    const std::string mark = "\"@" + key + "\"";
    config.replace(config.find(mark), mark.size(), number);
    return config;
  };
  struct Setting {
    const char* config;
    const char* key;
    std::set<std::string> good;
  };
  const std::string lora = R"("peft_type": "LORA", "target_modules": ["query_key_value"])";
  // 4 is what the tensors have; null is "not there": PEFT's 8 for ranks, which the tensors contradict.
  const std::vector<Setting> settings = {
      {R"({"r": "@r", "lora_alpha": 16, )", "r", {}},
      {R"({"r": 4, "lora_alpha": "@lora_alpha", )",
       "lora_alpha",
       {"-1", "0", "2.5", "null", "2147483648"}},
      {R"({"r": 4, "lora_dropout": "@lora_dropout", )", "lora_dropout", {"0", "null"}},
      {R"({"r": 4, "rank_pattern": {"x": "@x"}, )", "x", {}},
      {R"({"r": 4, "alpha_pattern": {"x": "@x"}, )", "x", {"-1", "0", "2.5", "2147483648"}},
      {R"({"r": 4, "layers_to_transform": ["@layers_to_transform"], )", "layers_to_transform", {}},
      {R"({"r": 4, "use_rslora": "@use_rslora", )", "use_rslora", {"true", "null"}},
      {R"({"r": 4, "use_dora": "@use_dora", )", "use_dora", {"null"}}};
  AdapterFile file = qkv_lora();
  const std::string folder = file.write(next());
  for (const Setting& setting : settings)
    for (const char* number : kHostileNumbers) {
      SCOPED_TRACE(std::string(setting.key) + " " + number);
      write_file(std::filesystem::path(folder) / "adapter_config.json",
                 text_with(setting.config + lora + "}", setting.key, number));
      if (setting.good.contains(number)) {
        EXPECT_NO_THROW(open(folder));
        continue;
      }
      const std::string message = message_of([&] { open(folder); });
      expect_mentions(message, {folder.c_str()});
      const bool number_of_json =
          std::string(number) != "NaN" && !std::string(number).ends_with("1e400");
      const bool of_the_tensors = message.find("lora_B") != message.npos ||
                                  message.find("missing") != message.npos ||
                                  message.find("target_modules") != message.npos;
      if (number_of_json && !of_the_tensors) expect_mentions(message, {setting.key});
    }
  AdapterFile prompts;
  MethodOptions method;
  method.method = "adapter";
  method.adapter_length = 3;
  const auto session = open_training(run, method);
  const std::string adapter = saved(*session);
  for (const char* key : {"adapter_length", "adapter_start_layer"})
    for (const char* number : kHostileNumbers) {
      SCOPED_TRACE(std::string(key) + " " + number);
      Json config = {{"peft_type", "ADAPTER"}, {"adapter_length", 3}, {"adapter_start_layer", 2}};
      config[key] = std::string("@") + key;
      write_file(std::filesystem::path(adapter) / "adapter_config.json",
                 text_with(config.dump(), key, number));
      if (std::string(key) == "adapter_start_layer" && std::string(number) == "null") {
        EXPECT_NO_THROW(open(adapter));  // 2 where nothing is said
        continue;
      }
      expect_mentions(message_of([&] { open(adapter); }), {adapter.c_str()});
    }
}

// LitGPT's settings, in hyperparameters.yaml beside a file.
TEST_F(AdapterFiles, NumbersOfHyperparametersAreLookedAt) {
  MethodOptions method;
  const auto session = open_training(run, method);
  AdapterFile lit;
  for (const SavedTensor& tensor : session->method()->save_as(AdapterForm::kLitGpt).tensors) {
    lit.shapes[tensor.name] = tensor.shape;
    lit.values[tensor.name] = tensor.values;
  }
  const std::filesystem::path folder = next();
  make_folder(folder);
  lit.write_pth(folder / "lit_model.pth.lora");
  const std::string settings = (folder / "hyperparameters.yaml").string();
  const std::map<std::string, std::set<std::string>> good = {
      {"lora_r", {"null"}},
      {"lora_alpha", {"-1", "0", "2.5", "null"}},
      {"lora_dropout", {"0", "null"}},
      {"lora_query", {"true", "null"}}};
  for (const auto& [key, values] : good)
    for (const char* number : kHostileNumbers) {
      SCOPED_TRACE(key + " " + number);
      write_file(settings, key + ": " + number + "\n");
      if (values.contains(number))
        EXPECT_NO_THROW(open(folder.string()));
      else
        expect_mentions(message_of([&] { open(folder.string()); }),
                        {settings.c_str(), key.c_str()});
    }
  write_file(settings, "lora_query: false\nlora_key: false\n");
  expect_mentions(message_of([&] { open(folder.string()); }), {settings.c_str(), "lora_query"});
}

TEST_F(AdapterFiles, DropoutThatLeavesNothingIsRefused) {
  const std::string adapter = qkv_lora().write(next());
  for (const double dropout : {1.0, 5.0, -0.1, 0.99999999999}) {
    FinetuneOptions options = run.options("lora", "never");
    options.lora_dropout = dropout;
    expect_mentions(message_of([&] { finetune(options); }), {"--lora-dropout"});
    options.init_adapter = adapter;
    expect_mentions(message_of([&] { finetune(options); }), {"--lora-dropout"});
  }
}

// ---- large ranks

// A W' of a large head is made in bands, and each row has its norm.
TEST(LargeRanks, DoraOfALargeHeadHasTheNormOfEveryRow) {
  const TinyRun run({.layers = 1, .width = 8, .heads = 1, .vocab = 34'000});
  MethodOptions method;
  method.lora_r = 1024;
  method.lora_targets = {"head"};
  method.lora_dora = true;
  const auto session = Session::open({.checkpoint = run.checkpoint,
                                      .method = method,
                                      .precision = Precision::kF32,
                                      .training = false});
  const View& w = session->decoder().head().weight().value;
  const View& m = session->method()->params()[2]->value;
  ASSERT_EQ(m.size(), w.rows);
  for (int64_t row = 0; row < w.rows; ++row) {
    double square = 0;
    for (int64_t k = 0; k < w.cols; ++k)
      square += static_cast<double>(w.row<float>(row)[k]) * w.row<float>(row)[k];
    ASSERT_NEAR(m.row<float>(0)[row], std::sqrt(square), 1e-5) << row;
  }
}

}  // namespace
}  // namespace falconer::test
