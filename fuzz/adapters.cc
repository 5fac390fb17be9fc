// Adapters: PEFT's folders and LitGPT's files, loaded and attached to a small model.
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "checkpoint/safetensors_writer.h"
#include "folder.h"
#include "method/session.h"
#include "targets.h"
#include "tensors.h"

namespace falconer::fuzz {
namespace {

constexpr const char* kConfig =
    R"({"model_type": "falcon", "vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "multi_query": true, "parallel_attn": true, "alibi": false,
        "new_decoder_architecture": false, "bias": false, "max_position_embeddings": 64})";

constexpr const char* kLora =
    R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["query_key_value"]})";

std::string tensor(const std::string& name, int64_t rows, int64_t cols, int64_t& at) {
  const int64_t begin = at;
  at += rows * cols * 4;
  return fmt::format(R"("{}":{{"dtype":"F32","shape":[{},{}],"data_offsets":[{},{}]}})", name, rows,
                     cols, begin, at);
}

/// A LoRA of rank 2 on the fused product of both layers, in PEFT's names.
std::string lora_tensors() {
  std::string header = "{";
  int64_t at = 0;
  for (int layer = 0; layer < 2; ++layer) {
    const std::string base = fmt::format(
        "base_model.model.transformer.h.{}.self_attention.query_key_value.lora_", layer);
    header += (layer > 0 ? "," : "") + tensor(base + "A.weight", 2, 32, at);
    header += "," + tensor(base + "B.weight", 48, 2, at);
  }
  return safetensors_of(header + "}", static_cast<size_t>(at));
}

/// The same by LitGPT's names; q and v alone.
std::string lit_tensors() {
  std::string header = "{";
  int64_t at = 0;
  for (int layer = 0; layer < 2; ++layer) {
    const std::string base = fmt::format("transformer.h.{}.attn.qkv.lora_", layer);
    header += (layer > 0 ? "," : "") + tensor(base + "A", 4, 32, at);
    header += "," + tensor(base + "B", 40, 2, at);
  }
  return safetensors_of(header + "}", static_cast<size_t>(at));
}

const Folder& model() {
  static const Folder folder("model");
  static const bool made = (folder.put("config.json", kConfig), true);
  static_cast<void>(made);
  return folder;
}

/// Opened, attached to the model, filled from the file, and written again.
void attach(const std::string& adapter) {
  const auto session = Session::open(
      {.checkpoint = model().path().string(), .adapter = adapter, .adapter_only = true});
  static_cast<void>(session->method()->save());
  for (const AdapterForm form : {AdapterForm::kLitGpt, AdapterForm::kGguf}) {
    try {
      static_cast<void>(session->method()->save_as(form));
    } catch (const Error&) {
    }
  }
}

}  // namespace

void fuzz_adapter(Input input) {
  static const Folder folder("adapter");
  static const bool made = (folder.put("adapter_model.safetensors", lora_tensors()), true);
  static_cast<void>(made);
  folder.put("adapter_config.json", input);
  attach(folder.path().string());
}

void fuzz_adapter_tensors(Input input) {
  static const Folder folder("adapter_tensors");
  folder.put("adapter_model.safetensors", input);
  for (const char* config : {kLora, R"({"peft_type": "ADAPTER_V2", "adapter_length": 2,
                                        "adapter_start_layer": 1})"}) {
    folder.put("adapter_config.json", config);
    try {
      attach(folder.path().string());
    } catch (const Error&) {
    }
  }
  attach(folder.put("lit_model.pth.lora", input).string());
}

void fuzz_lit_adapter(Input input) {
  static const Folder folder("lit_adapter");
  static const bool made = (folder.put("lit_model.pth.lora", lit_tensors()), true);
  static_cast<void>(made);
  folder.put("hyperparameters.yaml", input);
  attach(folder.path().string());
}

}  // namespace falconer::fuzz
