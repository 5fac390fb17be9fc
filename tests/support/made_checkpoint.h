// A checkpoint whose every number and dtype a test chooses.
#pragma once

#include <functional>

#include "checkpoint/safetensors_writer.h"
#include "model/arch/architecture.h"
#include "model/params.h"
#include "support/paths.h"
#include "support/tiny_model.h"
#include "tensor/buffer.h"

namespace falconer::test {

struct MadeCheckpoint {
  TinyShape shape = {.layers = 2};
  nlohmann::json config = nlohmann::json::object();  // in the place of tiny_config()'s
  std::function<Dtype(const Param&)> dtype = [](const Param&) { return Dtype::kF32; };
  std::function<void(const Param&, std::vector<float>&)> edit;
};

/// Matrices from N(0, 0.3^2), so that rounding shows; norms about 1 and 0.
inline std::string write_checkpoint(const std::filesystem::path& folder,
                                    const MadeCheckpoint& made) {
  nlohmann::json config = nlohmann::json::parse(tiny_config(made.shape));
  config.update(made.config);
  make_folder(folder);
  write_file(folder / "config.json", config.dump());
  const ModelConfig read = read_model_config(folder.string());
  const Weights weights = declare_weights(read);
  std::vector<Tensor> tensors;
  std::vector<NamedView> views;
  uint32_t number = 0;
  for (const auto& param : weights.params) {
    const RandomStream random(5, RandomPurpose::kTest, number++);
    std::vector<float> values(static_cast<size_t>(param->size()));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = param->vector() ? 0.1f * random.normal(i) : 0.3f * random.normal(i);
    if (param->vector() && param->name.ends_with(".weight"))
      for (float& value : values) value += 1;
    if (made.edit) made.edit(*param, values);
    tensors.emplace_back(param->rows(), param->cols(), made.dtype(*param));
    set_values(tensors.back().view(), values);
    views.push_back({name_in_files(read, param->name), param->shape, tensors.back().view()});
  }
  write_safetensors(folder / "model.safetensors", views, {{"format", "pt"}});
  return folder.string();
}

/// What a small Falcon-H1's config.json has beside what LLaMA's have.
inline nlohmann::json h1_settings() {
  return {{"model_type", "falcon_h1"},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"intermediate_size", 96},
          {"mamba_d_ssm", 48},
          {"mamba_n_heads", 6},
          {"mamba_d_head", 8},
          {"mamba_d_state", 16},
          {"mamba_n_groups", 2},
          {"mamba_rms_norm", true},
          {"mamba_norm_before_gate", false}};
}

/// All of its factors, none of which is 1.
inline nlohmann::json h1_factors() {
  return {{"embedding_multiplier", 2.5},
          {"lm_head_multiplier", 0.7},
          {"key_multiplier", 0.6},
          {"attention_in_multiplier", 1.3},
          {"attention_out_multiplier", 0.8},
          {"ssm_in_multiplier", 1.25},
          {"ssm_out_multiplier", 0.9},
          {"mlp_multipliers", {0.85, 1.1}},
          {"ssm_multipliers", {0.7, 1.2, 0.8, 1.4, 0.6}}};
}

/// The tokenizer of the demo, whose ids are below 640.
inline void add_demo_tokenizer(const std::filesystem::path& folder) {
  const std::filesystem::path demo = std::filesystem::path(source_dir()) / "demo/checkpoint";
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::copy_file(demo / name, folder / name);
}

/// What `falconer score` says of rows of ids: their losses.
inline std::vector<double> scores(const std::string& checkpoint, const std::string& rows,
                                  const std::string& precision = "auto",
                                  const std::string& adapter = "") {
  const TempFolder folder;
  ScoreOptions options{.checkpoint = checkpoint,
                       .adapter = adapter,
                       .data = rows,
                       .output = (folder / "scores.jsonl").string(),
                       .precision = precision};
  score(options);
  std::vector<double> all;
  std::ifstream file(folder / "scores.jsonl");
  for (std::string line; std::getline(file, line);)
    all.push_back(nlohmann::json::parse(line)["loss"]);
  return all;
}

}  // namespace falconer::test
