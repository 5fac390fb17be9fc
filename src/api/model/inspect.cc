// falconer inspect: what a checkpoint is and what each method would train.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/model/model_words.h"
#include "api/model/resolve.h"
#include "base/error.h"
#include "base/plural.h"
#include "checkpoint/gguf.h"
#include "falconer/checkpoint.h"
#include "method/precision.h"
#include "model/arch/architecture.h"
#include "model/arch/gguf_config.h"
#include "model/open_model.h"
#include "report/table.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

/// What a GGUF says beside the shape of the model, its tokens and the like counted.
void describe_metadata(const Gguf& gguf, nlohmann::ordered_json& json, std::string& text) {
  text += "metadata:\n";
  size_t width = 0;
  for (const auto& entry : gguf.metadata()) width = std::max(width, printable(entry.first).size());
  for (const auto& [key, value] : gguf.metadata()) {
    nlohmann::ordered_json shown;
    if (value.kind == GgufKind::kText)
      shown = printable(value.text);
    else if (value.kind == GgufKind::kArray)
      shown =
          fmt::format("{} {}", value.count, value.element == GgufKind::kText ? "texts" : "numbers");
    else if (value.kind == GgufKind::kBool)
      shown = value.integer != 0;
    else if (value.whole())
      shown = value.integer;
    else
      shown = value.number;
    text += fmt::format("  {:<{}}  {}\n", printable(key), width, shown.dump());
    json["metadata"][printable(key)] = std::move(shown);
  }
}

struct TensorLine {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string shape_text;
  size_t bytes = 0;
};

/// A GGUF is looked at even where its tensors are of types that cannot be computed with.
std::vector<TensorLine> lines_of(const Gguf& gguf) {
  std::vector<TensorLine> lines;
  for (const GgufTensor& t : gguf.tensors())
    lines.push_back({t.name, t.type.name, t.shape, t.shape_text(), t.bytes.size()});
  return lines;
}

std::vector<TensorLine> lines_of(const TensorFiles& files, const ModelConfig& config) {
  std::vector<TensorLine> lines;
  for (const auto& [name, t] : files.tensors())
    lines.push_back({name_in_files(config, name),
                     std::string(label_of(t.blocks().value_or(t.dtype))), t.shape, t.shape_text(),
                     t.byte_count()});
  return lines;
}

/// As every command has it that is told nothing else.
void describe_precision(const TensorFiles& files, nlohmann::ordered_json& json, std::string& text) {
  const ComputedIn chosen = computed_in(Precision::kAuto, files);
  json["computed_in"] = name_of(chosen.activation);
  text +=
      chosen.why.empty() ? fmt::format("computing in {}", name_of(chosen.activation)) : chosen.why;
  text += "\n";
}

void describe_tensors(const std::vector<TensorLine>& tensors, size_t files,
                      nlohmann::ordered_json& json, std::string& text) {
  int64_t bytes = 0, numbers = 0;
  json["tensors"] = nlohmann::ordered_json::array();
  std::string list;
  size_t width = 0;
  for (const TensorLine& tensor : tensors) width = std::max(width, printable(tensor.name).size());
  for (const TensorLine& tensor : tensors) {
    bytes += static_cast<int64_t>(tensor.bytes);
    numbers += element_count(tensor.shape).value_or(0);
    json["tensors"].push_back(
        {{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
    list += fmt::format("  {:<{}}  {:<5} {}\n", printable(tensor.name), width, tensor.dtype,
                        tensor.shape_text);
  }
  json["bytes"] = bytes;
  json["parameters"] = numbers;
  text += fmt::format("weights: {} numbers in {} {}, {:.3f} GB in {} {}\n", grouped_digits(numbers),
                      tensors.size(), plural(tensors.size(), "tensor"),
                      static_cast<double>(bytes) / 1e9, files, plural(files, "file"));
  text += list;
}

void describe_model(const ModelConfig& m, nlohmann::ordered_json& json, std::string& text) {
  const TrainableCounts counts = count_trainable(m);
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
  json["trained"] = {{"full", counts.full},
                     {"adapter", counts.adapter},
                     {"adapter_v2", counts.adapter_v2},
                     {"lora", counts.lora}};
  json["trainable"] = json["trained"];  // counted as Lit-Parrot does
  json["trainable"]["full"] = counts.full_head_apart;
  text += fmt::format(
      "{}: {} {}, width {}, {} {} of {} ({} key-value), MLP {}, vocabulary {}, context {}\n",
      m.family, m.layers, plural(m.layers, "layer"), m.width, m.heads, plural(m.heads, "head"),
      m.head_size, m.groups, m.mlp_width, m.vocab, m.context);
  for (const auto& [what, words] : model_words(m)) {
    text += fmt::format("  {:<11}{}\n", what, words);
    json["shape"][what] = words;
  }
  const std::string apart = counts.full == counts.full_head_apart
                                ? ""
                                : fmt::format("  (counted as Lit-Parrot does, head apart: {})",
                                              grouped_digits(counts.full_head_apart));
  text += fmt::format(
      "\nfinetuning would train (adapter: 10 slots from layer {}; LoRA: rank 8 on q and v)\n"
      "  full        {:>16}{}\n  lora        {:>16}\n  adapter     {:>16}\n  adapter-v2  "
      "{:>16}\n\n",
      adapter_start(2, m.layers), grouped_digits(counts.full), apart, grouped_digits(counts.lora),
      grouped_digits(counts.adapter), grouped_digits(counts.adapter_v2));
}

/// Of whatever a GGUF holds, also where Falconer cannot use it as a model.
InspectReport inspect_gguf(const std::string& path) {
  const Gguf gguf = Gguf::open(path);
  nlohmann::ordered_json json;
  std::string text;
  if (knows_gguf_architecture(gguf) && gguf.tensor("token_embd.weight") != nullptr) {
    const ModelConfig config = read_model_config(path);
    describe_model(config, json, text);
    const auto readable = [](const GgufTensor& t) { return t.type.dtype.has_value(); };
    if (std::all_of(gguf.tensors().begin(), gguf.tensors().end(), readable))
      describe_precision(open_weights(path, config), json, text);
  }
  describe_metadata(gguf, json, text);
  describe_tensors(lines_of(gguf), 1, json, text);
  return {.text = text, .json = json.dump(2) + "\n"};
}

}  // namespace

InspectReport inspect(const std::string& named) {
  const std::string checkpoint = resolve_checkpoint(named, CheckpointPart::kConfig);
  if (is_gguf(checkpoint)) return inspect_gguf(checkpoint);
  nlohmann::ordered_json json;
  std::string text;
  ModelConfig config = read_model_config(checkpoint);
  if (has_weights(checkpoint)) {
    const TensorFiles files = open_weights(checkpoint, config);
    settle_head(checkpoint, files, config);
    describe_model(config, json, text);
    describe_precision(files, json, text);
    describe_tensors(lines_of(files, config), files.files().size(), json, text);
  } else {
    describe_model(config, json, text);
    text += "no weights in this folder\n";
  }
  return {.text = text, .json = json.dump(2) + "\n"};
}

}  // namespace falconer
