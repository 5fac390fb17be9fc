#include "model/open_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "base/path.h"
#include "checkpoint/bitsandbytes.h"
#include "checkpoint/gguf.h"
#include "model/arch/generation_config.h"
#include "model/arch/gguf_config.h"
#include "model/arch/litgpt_config.h"
#include "model/arch/other_names.h"
#include "model/params.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
constexpr const char* kLitModel = "lit_model.pth";

TensorFiles open_lit_model(const fs::path& path, const ModelConfig& config) {
  TensorFiles files = TensorFiles::open_file(path);
  const bool before = files.find("transformer.h.0.attn.attn.weight") != nullptr;
  files.assemble(ours_from(config, before ? OtherFormat::kLitParrot : OtherFormat::kLitGpt));
  return files;
}

/// LitGPT has a head of its own always: one that is the embedding again is a tied one.
ModelConfig read_lit_folder(const std::string& folder) {
  ModelConfig config = read_lit_config(folder);
  check_shape(config, folder);
  if (is_there(fs::path(folder) / kLitModel))
    config.tied_head = !head_differs(config, open_weights(folder, config));
  return config;
}

ModelConfig read_gguf_model(const std::string& path) {
  ModelConfig config = read_gguf_config(Gguf::open(path));
  check_shape(config, path);
  // Where llama.cpp wants a head in the file, one that is the embedding again is a tied one.
  if (!config.tied_head && gguf_has_head(config))
    config.tied_head = !head_differs(config, open_weights(path, config));
  return config;
}

/// Tensors of a Hugging Face folder whose modules have other names in files.
void take_names_in_files(TensorFiles& files, const ModelConfig& config) {
  std::map<std::string, std::string> names;
  for (const auto& [ours, in_files] : architecture(config.family).names_in_files)
    for (const auto& [name, tensor] : files.tensors())
      if (name.starts_with(in_files + "."))
        if (const std::string own = ours + name.substr(in_files.size()); files.find(own) == nullptr)
          names[name] = own;
  if (!names.empty()) files.rename(names);
}

/// Whose packed numbers a tensor's name speaks of, beside GPTQ's and AWQ's, which share theirs.
struct Scheme {
  const char* ending;
  const char* name;
};
constexpr Scheme kSchemes[] = {
    {".weight_packed", "compressed-tensors"},
    {".weight_scale", "compressed-tensors or FP8"},
    {".weight_scale_inv", "FP8"},
    {".W_q", "HQQ"},
    {".codebooks", "AQLM"},
    {".weight._data", "Quanto"},
    {".absmax", "bitsandbytes"},
    {".quant_map", "bitsandbytes"},
};

std::string scheme_of(const std::string& name, const StoredTensor& tensor,
                      const TensorFiles& files) {
  if (name.ends_with(".qweight") || name.ends_with(".qzeros")) {
    const std::string module = name.substr(0, name.rfind('.'));
    return files.find(module + ".g_idx") != nullptr ? "GPTQ" : "AWQ or GPTQ";
  }
  for (const Scheme& scheme : kSchemes)
    if (name.ends_with(scheme.ending)) return scheme.name;
  const bool packed = !is_float(tensor.dtype) && !is_blocks(tensor.dtype);
  return packed && name.ends_with(".weight") ? "as " + std::string(name_of(tensor.dtype)) : "";
}

/// What packs numbers in another way than those that can be read.
void refuse_quantised(const std::string& path, const TensorFiles& files) {
  for (const auto& [name, tensor] : files.tensors())
    if (const std::string scheme = scheme_of(name, tensor, files); !scheme.empty())
      fail(
          "{}: its weights are quantised ({}, \"{}\"); Falconer reads bitsandbytes' folders of 4 "
          "and 8 bits, and GGUF "
          "files: take one of these, or the model that it was made of, or write it out plain (in "
          "transformers: "
          "model.dequantize(), then save_pretrained)",
          path, scheme, printable(name));
}

}  // namespace

ModelConfig read_model_config(const std::string& path) {
  if (is_gguf(path)) return read_gguf_model(path);
  try {
    if (is_lit_folder(path)) return read_lit_folder(path);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: LitGPT's settings: {}", path, json_reason(error));
  }
  ModelConfig config = read_hugging_face_config(path);
  read_generation_config(path, config);
  check_shape(config, path + "/config.json");
  return config;
}

bool has_weights(const std::string& path) {
  if (is_gguf(path)) return true;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                           "pytorch_model.bin.index.json", kLitModel})
    if (is_there(fs::path(path) / name)) return true;
  return false;
}

TensorFiles open_weights(const std::string& path, const ModelConfig& config) {
  if (is_gguf(path)) {
    TensorFiles files = TensorFiles::open_file(path);
    files.assemble(ours_from(config, OtherFormat::kGguf));
    for (const char* name : kGgufRotations) files.erase(name);
    return files;
  }
  if (is_lit_folder(path)) {
    if (!is_there(fs::path(path) / kLitModel))
      fail("{}: has LitGPT's settings, and its weights, {}, are missing", path, kLitModel);
    return open_lit_model(fs::path(path) / kLitModel, config);
  }
  TensorFiles files = TensorFiles::open_folder(path);
  take_bitsandbytes(files);
  refuse_quantised(path, files);
  take_names_in_files(files, config);
  return files;
}

bool head_differs(const ModelConfig& config, const TensorFiles& files) {
  const ModuleNames names = architecture(config.family).names(config);
  const auto table = [&](Role role) {
    return files.find(names({ModuleId::kOutside, role}) + ".weight");
  };
  const StoredTensor* head = table(Role::kHead);
  const StoredTensor* embedding = table(Role::kEmbedding);
  if (head == nullptr || embedding == nullptr) return false;
  if (head->dtype != embedding->dtype || head->shape != embedding->shape) return true;
  if (!head->plain() || !embedding->plain()) return true;
  // Bit by bit and to the end: one row of its own makes another head. Both lie in one place where the
  // file has them once. What was read of the file is not kept.
  const std::span<const std::byte> a = head->bytes, b = embedding->bytes;
  if (a.data() == b.data()) return false;
  constexpr size_t kPiece = 16 << 20;
  bool differs = false;
  for (size_t at = 0; at < a.size() && !differs; at += kPiece) {
    const size_t count = std::min(kPiece, a.size() - at);
    differs = std::memcmp(a.data() + at, b.data() + at, count) != 0;
    if (head->mapped) forget_pages(a.subspan(at, count));
    if (embedding->mapped) forget_pages(b.subspan(at, count));
  }
  return differs;
}

void settle_head(const std::string& path, const TensorFiles& files, ModelConfig& config) {
  if (!config.tied_head || !head_differs(config, files)) return;
  log_warning(
      "{}: config.json says that the head is tied, but the files hold another one; it is used",
      path);
  config.tied_head = false;
}

std::string config_json_of(const std::string& path, const ModelConfig& config) {
  if (!is_gguf(path) && !is_lit_folder(path))
    return without_bare_numbers(read_text_file(fs::path(path) / "config.json"));
  return architecture(config.family).config_json(config).dump(2) + "\n";
}

}  // namespace falconer
