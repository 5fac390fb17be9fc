// falconer inspect: what a checkpoint is and what each method would train.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/resolve.h"
#include "base/error.h"
#include "checkpoint/tensor_file.h"
#include "falconer/falconer.h"
#include "model/arch/architecture.h"
#include "report/table.h"

namespace falconer {
namespace {

bool has_weights(const std::filesystem::path& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                           "pytorch_model.bin.index.json"})
    if (std::filesystem::exists(folder / name)) return true;
  return false;
}

void describe_tensors(const TensorFiles& files, nlohmann::ordered_json& json, std::string& text) {
  int64_t bytes = 0, numbers = 0;
  std::map<std::string, int64_t> by_dtype;
  json["tensors"] = nlohmann::ordered_json::array();
  std::string list;
  for (const auto& [name, tensor] : files.tensors()) {
    bytes += static_cast<int64_t>(tensor.bytes.size());
    numbers += tensor.size();
    by_dtype[std::string(name_of(tensor.dtype))] += tensor.size();
    json["tensors"].push_back(
        {{"name", name}, {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}});
    list += fmt::format("  {:<64} {:<5} {}\n", name, name_of(tensor.dtype), tensor.shape_text());
  }
  json["bytes"] = bytes;
  json["parameters"] = numbers;
  text += fmt::format("weights: {} numbers in {} tensors, {:.3f} GB in {} files\n",
                      grouped_digits(numbers), files.tensors().size(),
                      static_cast<double>(bytes) / 1e9, files.files().size());
  text += list;
}

}  // namespace

InspectReport inspect(const std::string& named) {
  const std::string checkpoint = resolve_checkpoint(named, CheckpointPart::kConfig);
  const ModelConfig m = read_model_config(checkpoint);
  const TrainableCounts counts = count_trainable(m);
  nlohmann::ordered_json json;
  json["family"] = m.family;
  json["layers"] = m.layers;
  json["width"] = m.width;
  json["heads"] = m.heads;
  json["key_value_heads"] = m.groups;
  json["head_size"] = m.head_size;
  json["mlp_width"] = m.mlp_width;
  json["vocab"] = m.vocab;
  json["context"] = m.context;
  json["tied_head"] = m.tied_head;
  json["trainable"] = {{"full", counts.full},
                       {"adapter", counts.adapter},
                       {"adapter_v2", counts.adapter_v2},
                       {"lora", counts.lora}};
  const char* block =
      m.parallel ? (m.shared_norm ? "parallel, one norm" : "parallel, two norms") : "sequential";
  std::string text = fmt::format(
      "{}: {} layers, width {}, {} heads of {} ({} key-value), MLP {}, vocabulary {}, context {}\n"
      "blocks: {}; positions: {}; biases: {}; head: {}\n\n"
      "finetuning would train (head counted apart; adapter: 10 slots from layer 2; LoRA: rank 8 on "
      "q and v)\n"
      "  full        {:>16}\n  lora        {:>16}\n  adapter     {:>16}\n  adapter-v2  {:>16}\n\n",
      m.family, m.layers, m.width, m.heads, m.head_size, m.groups, m.mlp_width, m.vocab, m.context,
      block, m.alibi ? "ALiBi" : fmt::format("rotary ({} of {})", m.rope_dims, m.head_size),
      m.bias ? "yes" : "no", m.tied_head ? "tied to the embedding" : "its own",
      grouped_digits(counts.full), grouped_digits(counts.lora), grouped_digits(counts.adapter),
      grouped_digits(counts.adapter_v2));
  if (has_weights(checkpoint))
    describe_tensors(TensorFiles::open_folder(checkpoint), json, text);
  else
    text += "no weights in this folder\n";
  return {.text = text, .json = json.dump(2) + "\n"};
}

}  // namespace falconer
