// A model's settings: config.json of Hugging Face, model_config.yaml of LitGPT.
#include <nlohmann/json.hpp>

#include "checkpoint/simple_yaml.h"
#include "folder.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "targets.h"

namespace falconer::fuzz {

void fuzz_config(Input input) {
  static const Folder folder("config");
  folder.put("config.json", input);
  const ModelConfig config = read_model_config(folder.path().string());
  static_cast<void>(count_trainable(config));
  // What a finetuned model's folder would get.
  nlohmann::json json = nlohmann::json::parse(config_json_of(folder.path().string(), config));
  architecture(config.family).write_config(config, json);
  static_cast<void>(json.dump());
}

void fuzz_yaml(Input input) {
  static const Folder folder("yaml");
  folder.put("model_config.yaml", input);
  const ModelConfig config = read_model_config(folder.path().string());
  static_cast<void>(count_trainable(config));
  static_cast<void>(config_json_of(folder.path().string(), config));
}

}  // namespace falconer::fuzz
