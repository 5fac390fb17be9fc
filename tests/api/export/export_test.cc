// falconer export and what is opened again: every format, from and to each other.
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/gguf.h"
#include "support/devices.h"
#include "support/errors.h"
#include "support/lora_pairs.h"
#include "support/paths.h"
#include "support/said.h"
#include "support/tiny_session.h"
#include "text/prompt.h"
#include "train/run_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

/// A model with the demo's tokenizer, and adapters trained on it.
class Exported : public ::testing::TestWithParam<bool> {
 protected:
  static TinyShape shape() { return {.layers = 3, .vocab = 640, .grouped = GetParam()}; }

  Exported() : run(shape()) {
    const fs::path demo = fs::path(source_dir()) / "demo/checkpoint";
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(demo / name, fs::path(run.checkpoint) / name);
    write_rows(run.path("rows.jsonl"), 24);  // of tokens that the tokenizer has
  }

  std::string adapter(const std::string& method, std::vector<std::string> targets = {"q", "v"},
                      bool dora = false) {
    FinetuneOptions options = run.options(method, "run" + std::to_string(next_++));
    options.lora_targets = std::move(targets);
    options.lora_dora = dora;
    options.prompt_style = "alpaca";
    return finetune(options).final_folder;
  }

  std::string out(const std::string& name) const { return run.path(name).string(); }

  /// Exports and gives the place.
  std::string made(const std::string& format, const std::string& name, const std::string& with = "",
                   const std::string& dtype = "auto", const std::string& from = "") {
    export_model({.checkpoint = from.empty() ? run.checkpoint : from,
                  .adapter = with,
                  .out = out(name),
                  .format = format,
                  .dtype = dtype,
                  .max_shard_bytes = 50'000});
    return out(name);
  }

  Tensor logits(const std::string& checkpoint, const std::string& with = "",
                const std::string& device = "cpu") {
    const auto session = Session::open({.checkpoint = checkpoint,
                                        .adapter = with,
                                        .precision = Precision::kF32,
                                        .device = device});
    return logits_of(*session, batch_of(rows_of(run)));
  }
  double difference(const Tensor& a, const Tensor& b) {
    return largest_difference(a.view(), b.view());
  }

  TinyRun run;

 private:
  int next_ = 0;
};

TEST_P(Exported, EveryFormatHoldsTheSameModel) {
  const Tensor before = logits(run.checkpoint);
  for (const char* format : {"hf", "litgpt", "lit-parrot", "gguf"}) {
    const std::string first = made(format, std::string("first-") + format);
    EXPECT_EQ(difference(logits(first), before), 0) << format;
    // And on from there: whatever was written is as good a checkpoint as the first.
    for (const char* then : {"hf", "litgpt", "gguf"}) {
      const std::string second = made(then, std::string(format) + "-to-" + then, "", "auto", first);
      EXPECT_EQ(difference(logits(second), before), 0) << format << " to " << then;
    }
  }
}

// Tensors whose rows or blocks are put in order as they are read, straight to a device.
TEST_P(Exported, EveryFormatIsReadToADevice) {
  ASSERT_TRUE(has_device("emulated"));
  for (const char* format : {"litgpt", "lit-parrot", "gguf"})
    for (const char* dtype : {"f32", "q8_0"}) {
      if (std::string(dtype) == "q8_0" && std::string(format) != "gguf") continue;
      SCOPED_TRACE(std::string(format) + " " + dtype);
      const std::string model = made(format, std::string(format) + dtype, "", dtype);
      EXPECT_LT(difference(logits(model, "", "emulated"), logits(model)), 1e-4);
      if (std::string(dtype) == "q8_0") continue;
      FinetuneOptions full = run.options("full", std::string(format) + dtype + "-full");
      full.checkpoint = model;
      full.max_steps = 2;
      const double want = finetune(full).last_loss;
      full.device = "emulated";
      full.overwrite = true;
      EXPECT_NEAR(finetune(full).last_loss, want, 1e-4);
    }
  const std::string lit = made("litgpt", "adapter-litgpt", adapter("lora"));
  EXPECT_LT(difference(logits(run.checkpoint, lit, "emulated"), logits(run.checkpoint, lit)), 1e-4);
}

TEST_P(Exported, SmallerNumbersAreRoundedOnce) {
  const std::string wide = made("gguf", "wide.gguf");
  for (const char* format : {"hf", "litgpt", "gguf"})
    for (const char* dtype : {"bf16", "f16"}) {
      const std::string name = std::string(format) + dtype;
      const std::string narrow = made(format, name, "", dtype);
      const std::string back = made("gguf", name + ".gguf", "", "f32", narrow);
      const TensorFiles exact = TensorFiles::open_file(wide), found = TensorFiles::open_file(back);
      for (const auto& [tensor, stored] : exact.tensors()) {
        if (std::string_view(format) == "gguf" && stored.shape.size() == 1) continue;  // stays f32
        const View values = stored.view();
        const Tensor rounded(values.rows, values.cols,
                             std::string_view(dtype) == "bf16" ? Dtype::kBF16 : Dtype::kF16);
        const Tensor expected(values.rows, values.cols, Dtype::kF32);
        copy_converted(values, rounded.view());
        copy_converted(rounded.view(), expected.view());
        EXPECT_TRUE(same_bytes(expected.view(), found.find(tensor)->view())) << name << tensor;
      }
    }
}

TEST_P(Exported, Q8IsOpenedAgain) {
  const std::string packed = made("gguf", "q.gguf", "", "q8_0");
  const TensorFiles files = TensorFiles::open_file(packed);
  EXPECT_EQ(files.find("token_embd.weight")->dtype, Dtype::kQ8_0);
  EXPECT_EQ(files.find("output_norm.weight")->dtype, Dtype::kF32);
  const std::string back = made("hf", "back", "", "f32", packed);
  EXPECT_EQ(difference(logits(packed), logits(back)), 0);
  EXPECT_LT(difference(logits(packed), logits(run.checkpoint)), 0.1);
}

TEST_P(Exported, AdaptersGoToLitGptAndBack) {
  const std::vector<std::string> adapters = {
      adapter("lora"), adapter("adapter"), adapter("adapter-v2"),
      adapter("lora", {"all-linear", "head"}), adapter("lora", {"k"})};
  for (size_t i = 0; i < adapters.size(); ++i) {
    const Tensor before = logits(run.checkpoint, adapters[i]);
    EXPECT_GT(difference(before, logits(run.checkpoint)), 1e-3) << "it does something";
    for (const char* format : {"litgpt", "lit-parrot"}) {
      if (i >= 3 && std::string_view(format) == "lit-parrot") continue;
      const std::string name = format + std::to_string(i);
      const std::string folder = made(format, name, adapters[i]);
      EXPECT_LT(difference(logits(run.checkpoint, folder), before), 1e-5) << name;
      const auto record = read_record(folder);
      ASSERT_TRUE(record);
      EXPECT_EQ(record->prompt_style, "alpaca") << "goes along";
      if (i >= 3) continue;  // a file alone does not say which parts it is for
      const std::string file = made(format, name + ".pth", adapters[i]);
      EXPECT_LT(difference(logits(run.checkpoint, file), before), 1e-5) << file;
    }
  }
}

// LitGPT takes the rows of a prompt's keys and values apart as if there were one group.
TEST_P(Exported, AdaptersThatLitGptComputesOtherwiseAreWarnedOf) {
  for (const char* method : {"adapter", "adapter-v2", "lora"})
    for (const char* format : {"litgpt", "lit-parrot"}) {
      const std::string with = adapter(method);
      const std::string name = std::string(method) + "-" + format;
      const std::string said = log_and_error(LogLevel::kWarning, [&] { made(format, name, with); });
      const bool other =
          GetParam() && method != std::string("lora") && format == std::string("litgpt");
      EXPECT_EQ(said.find("LitGPT") != std::string::npos, other) << name << ": " << said;
    }
}

TEST_P(Exported, LoraGoesToPeft) {
  const std::string lora = adapter("lora");
  const std::string through = made("litgpt", "through.pth", lora);
  const std::string peft = made("peft", "peft", through);
  EXPECT_LT(difference(logits(run.checkpoint, peft), logits(run.checkpoint, lora)), 1e-5);
  const auto config = nlohmann::json::parse(read_text_file(fs::path(peft) / "adapter_config.json"));
  EXPECT_EQ(config["base_model_name_or_path"], run.checkpoint);
  EXPECT_EQ(config["r"], 16) << "q's and v's ranks";
  EXPECT_FALSE(config.contains("bias")) << "PEFT's default";
}

TEST_P(Exported, VerifySaysThatItWasDone) {
  const std::string lora = adapter("lora");
  for (const auto& [format, with] :
       {std::pair("hf", std::string()), {"peft", lora}, {"gguf-lora", lora}, {"litgpt", lora}}) {
    ExportOptions options{.checkpoint = run.checkpoint, .adapter = with, .format = format};
    options.out = out(std::string("verified-") + format);
    options.verify = true;
    expect_mentions(export_model(options).text, {"verified: "});
    options.out += "-not";
    options.verify = false;
    const std::string text = export_model(options).text;
    EXPECT_EQ(text.find("verified: "), std::string::npos) << text;
  }
}

TEST_P(Exported, WrongSettingsBesideAnAdapterAreNamed) {
  const fs::path folder = made("litgpt", "settings", adapter("lora"));
  write_file(folder / "hyperparameters.yaml", "lora_alpha: much\n");
  expect_mentions(message_of([&] { logits(run.checkpoint, folder); }),
                  {"hyperparameters.yaml", "number", "lora_alpha"});
}

TEST_P(Exported, AdaptersAreFoldedIn) {
  for (const auto& [targets, dora] :
       {std::pair<std::vector<std::string>, bool>({"q", "v"}, false),
        std::pair<std::vector<std::string>, bool>({"all-linear", "head"}, true)}) {
    const std::string lora = adapter("lora", targets, dora);
    const Tensor before = logits(run.checkpoint, lora);
    const std::string key = dora ? "dora" : "plain";
    for (const char* format : {"hf", "gguf"}) {
      const std::string merged = made(format, format + key, lora);
      EXPECT_LT(difference(logits(merged), before), 1e-4) << format;
    }
    EXPECT_EQ(read_record(out("hf" + key))->prompt_style, "alpaca");
    merge({.checkpoint = run.checkpoint, .adapter = lora, .out = out("merged" + key)});
    EXPECT_EQ(difference(logits(out("merged" + key)), logits(out("hf" + key))), 0);
  }
}

TEST_P(Exported, TheStyleThatWasTrainedIsTheChatTemplate) {
  const auto trained = [&](const char* method, const char* name) {
    FinetuneOptions options = run.options(method, name);
    options.prompt_style = "alpaca";
    return finetune(options).final_folder;
  };
  const std::string final_folder = trained("lora", "styled");
  ASSERT_EQ(read_record(final_folder)->prompt_style, "alpaca");
  const std::string alpaca = PromptStyle::named("alpaca").source();
  const std::string hf = made("hf", "hf-styled", final_folder);
  EXPECT_EQ(PromptStyle::of_checkpoint("chat", fs::path(hf)).source(), alpaca);
  const Gguf gguf = Gguf::open(made("gguf", "styled.gguf", final_folder));
  EXPECT_EQ(gguf.text("tokenizer.chat_template", ""), alpaca);
  const std::string full = trained("full", "full-styled");
  EXPECT_EQ(PromptStyle::of_checkpoint("chat", fs::path(full)).source(), alpaca);
  const auto config =
      nlohmann::json::parse(read_text_file(fs::path(full) / "tokenizer_config.json"));
  EXPECT_EQ(config.at("chat_template"), alpaca);
}

TEST_P(Exported, ATokenizerAsGpt2HadItGoesIntoAGguf) {
  const fs::path folder = run.checkpoint;
  const size_t size = Gguf::open(made("gguf", "json.gguf")).texts("tokenizer.ggml.tokens").size();
  const auto file = nlohmann::json::parse(read_text_file(folder / "tokenizer.json"));
  std::string merges = "#version: 0.2\n";
  for (const auto& merge : file.at("model").at("merges"))
    merges += merge.is_string()
                  ? merge.get<std::string>() + "\n"
                  : merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  write_file(folder / "vocab.json", file.at("model").at("vocab").dump());
  write_file(folder / "merges.txt", merges);
  fs::remove(folder / "tokenizer.json");
  fs::remove(folder / "tokenizer_config.json");
  const Gguf gguf = Gguf::open(made("gguf", "gpt2.gguf"));
  EXPECT_EQ(gguf.text("tokenizer.ggml.pre"), "gpt-2");
  const auto tokens = gguf.texts("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), size);
  for (const auto& [token, id] : file.at("model").at("vocab").items())
    EXPECT_EQ(tokens[id.get<size_t>()], token);
}

TEST_P(Exported, LoraForLlamaCppIsInItsOrderOfRows) {
  const std::string lora = adapter("lora", {"q", "v", "dense"});
  const std::string merged = made("gguf", "merged.gguf", lora), base = made("gguf", "base.gguf");
  expect_pairs_add_up(made("gguf-lora", "pairs.gguf", lora), base, merged);
}

TEST_P(Exported, WhatHasNoPlaceElsewhereIsRefused) {
  const std::string prompts = adapter("adapter"), dora = adapter("lora", {"q"}, true);
  const auto refused = [&](const std::string& format, const std::string& with) {
    const std::string message = message_of([&] { made(format, "no", with); });
    EXPECT_FALSE(fs::exists(out("no"))) << format;
    return message;
  };
  expect_mentions(refused("hf", prompts), {"prompts"});
  expect_mentions(refused("peft", prompts), {"PEFT", "adapter"});
  expect_mentions(refused("gguf-lora", prompts), {"LLaMA-Adapter"});
  expect_mentions(refused("gguf", adapter("adapter-v2")), {"biases"});
  expect_mentions(refused("litgpt", dora), {"DoRA", "merge"});
  expect_mentions(refused("gguf-lora", dora), {"DoRA", "merge"});
  expect_mentions(refused("lit-parrot", adapter("lora", {"dense"})), {"queries and values"});
  expect_mentions(refused("gguf-lora", adapter("lora", {"head"})), {"head", "merge"});
}

TEST_P(Exported, WhatIsThereIsNotReplacedUnasked) {
  const std::string folder = made("hf", "there"), file = made("gguf", "there.gguf");
  const size_t entries = run.folder.entries();
  ExportOptions options{.checkpoint = run.checkpoint, .out = folder, .format = "hf"};
  expect_mentions(message_of([&] { export_model(options); }), {"there already", "--overwrite"});
  expect_mentions(
      message_of([&] {
        merge({.checkpoint = run.checkpoint, .adapter = adapter("lora"), .out = folder});
      }),
      {"there already"});
  options.force = true;
  EXPECT_NO_THROW(export_model(options));
  options = {.checkpoint = folder, .out = file, .format = "gguf"};
  expect_mentions(message_of([&] { export_model(options); }), {"there already"});
  options.force = true;
  EXPECT_NO_THROW(export_model(options));
  options.out = folder;
  expect_mentions(message_of([&] { export_model(options); }), {"is a folder", "writes a file"});
  EXPECT_EQ(run.folder.entries(), entries + 1) << "the adapter's run; nothing partial";
}

TEST_P(Exported, ForceReplacesOnlyWhatAnExportWrote) {
  fs::create_directories(run.path("mine"));
  write_file(run.path("mine") / "letter.txt", "dear");
  ExportOptions options{
      .checkpoint = run.checkpoint, .out = out("mine"), .format = "hf", .force = true};
  expect_mentions(message_of([&] { export_model(options); }), {"neither a model nor an adapter"});
  options.out = run.checkpoint;
  expect_mentions(message_of([&] { export_model(options); }), {"exported from"});
  options.out = fs::path(run.checkpoint).parent_path().string();
  expect_mentions(message_of([&] { export_model(options); }), {"exported from"});
  EXPECT_EQ(read_text_file(run.path("mine") / "letter.txt"), "dear");
  // A file of the source, by any spelling; and a model with something of the user's beside it.
  options = {.checkpoint = run.checkpoint, .out = "", .format = "gguf", .force = true};
  fs::create_symlink(fs::path(run.checkpoint) / "config.json", out("link"));
  for (const std::string& file : {run.checkpoint + "/config.json", out("link")}) {
    options.out = file;
    expect_mentions(message_of([&] { export_model(options); }), {"the model's own folder"});
  }
  const std::string model = made("hf", "model");
  write_file(fs::path(model) / "letter.txt", "dear");
  options = {.checkpoint = run.checkpoint, .out = model, .format = "hf", .force = true};
  expect_mentions(message_of([&] { export_model(options); }), {"letter.txt", "no export writes"});
  EXPECT_EQ(read_text_file(fs::path(model) / "letter.txt"), "dear");
}

TEST_P(Exported, AGgufIsAModelForEveryCommand) {
  const std::string gguf = made("gguf", "model.gguf");
  const auto report = nlohmann::json::parse(inspect(gguf).json);
  EXPECT_EQ(report["layers"], 3);
  EXPECT_EQ(report["metadata"]["general.architecture"], "falcon");
  EXPECT_EQ(report["tensors"].size(), TensorFiles::open_file(gguf).tensors().size());
  Model model = Model::open({.checkpoint = gguf, .precision = "f32"});
  Model original = Model::open({.checkpoint = run.checkpoint, .precision = "f32"});
  const auto ids = model.encode_prompt("Hello there", "", true);
  EXPECT_EQ(ids, original.encode_prompt("Hello there", "", true));
  const SamplingSettings greedy{.max_new_tokens = 6, .temperature = 0, .ignore_eos = true};
  EXPECT_EQ(model.generate({ids}, greedy)[0].ids, original.generate({ids}, greedy)[0].ids);
  FinetuneOptions lora = run.options("lora", "on-gguf"), same = run.options("lora", "on-folder");
  lora.checkpoint = gguf;
  EXPECT_EQ(finetune(lora).last_loss, finetune(same).last_loss);
  FinetuneOptions full = run.options("full", "full-on-gguf");
  full.checkpoint = gguf;
  const std::string trained = finetune(full).final_folder;
  EXPECT_TRUE(fs::exists(fs::path(trained) / "tokenizer.json"));
  EXPECT_EQ(logits(trained).view().cols, 640);
}

TEST_P(Exported, WrongWordsAreSaid) {
  const auto message = [&](ExportOptions options) {
    options.checkpoint = run.checkpoint;
    options.out = out("no");
    return message_of([&] { export_model(options); });
  };
  expect_mentions(message({.format = "onnx"}), {"onnx", "hf", "gguf-lora"});
  expect_mentions(message({.format = "hf", .dtype = "q8_0"}), {"q8_0", "gguf"});
  expect_mentions(message({.format = "hf", .dtype = "int4"}), {"int4", "bf16"});
  expect_mentions(message({.format = "peft"}), {"peft", "--adapter"});
  EXPECT_FALSE(fs::exists(out("no")));
}

INSTANTIATE_TEST_SUITE_P(SevenAndForty, Exported, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Grouped" : "MultiQuery"; });

}  // namespace
}  // namespace falconer::test
