// The table of architectures, and config.json by model_type.

#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/joined.h"
#include "base/json_file.h"
#include "base/nearest.h"
#include "base/path.h"
#include "model/arch/architecture.h"
#include "model/arch/falcon.h"
#include "model/arch/families.h"
#include "model/arch/json_fields.h"
#include "model/arch/limits.h"

namespace falconer {
namespace fs = std::filesystem;

void check_shape(const ModelConfig& m, const std::string& where) {
  const auto within = [&](const char* name, int64_t value, const WholeRange& range) {
    if (!range.holds(value))
      fail("{}: {} is {}, expected {} to {}", where, name, value, range.least, range.most);
  };
  within("the number of layers", m.layers, kLayerCounts);
  within("the hidden size", m.width, kWidths);
  within("the number of attention heads", m.heads, kHeadCounts);
  within("the number of key-value heads", m.groups, {1, m.heads});
  within("the MLP's width", m.mlp_width, kWidths);
  within("the vocabulary size", m.vocab, kVocabularies);
  within("the context length", m.context, kContexts);
  within("the size of a head", m.head_size, kWidths);
  if (m.width % m.heads != 0 && m.head_size == m.width / m.heads)
    fail("{}: the hidden size {} is not a multiple of the {} attention heads", where, m.width,
         m.heads);
  if (m.heads % m.groups != 0)
    fail("{}: {} attention heads cannot share {} key-value heads evenly", where, m.heads, m.groups);
  if (!kRopeBases.holds(m.rope_base) || !kNormEpsilons.holds(m.norm_eps))
    fail("{}: a rotary base of {} and a norm's epsilon of {} cannot be", where, m.rope_base,
         m.norm_eps);
  if (m.rope_dims % 2 != 0 || m.rope_dims > m.head_size)
    fail("{}: {} rotary dimensions do not fit a head of {}", where, m.rope_dims, m.head_size);
}

const std::vector<const Architecture*>& architectures() {
  static const std::vector<const Architecture*> table = {
      &falcon_architecture(),   &falcon_h1_architecture(), &gpt_neox_architecture(),
      &llama_architecture(),    &mistral_architecture(),   &qwen2_architecture(),
      &qwen3_architecture(),    &phi3_architecture(),      &gemma_architecture(),
      &gemma2_architecture(),   &gemma3_architecture(),    &olmo2_architecture(),
      &stablelm_architecture(), &cohere_architecture(),    &starcoder2_architecture()};
  return table;
}

const Architecture& architecture(std::string_view name) {
  for (const Architecture* arch : architectures())
    if (arch->name == name) return *arch;
  throw InternalError(fmt::format("no architecture named {}", name));
}

std::string name_in_files(const ModelConfig& config, const std::string& tensor) {
  for (const auto& [ours, in_files] : architecture(config.family).names_in_files)
    if (tensor.starts_with(ours + ".")) return in_files + tensor.substr(ours.size());
  return tensor;
}

std::string name_from_files(const Architecture& arch, std::string text) {
  for (const auto& [ours, in_files] : arch.names_in_files)
    for (size_t at = text.find(in_files); at != std::string::npos; at = text.find(in_files, at))
      text.replace(at, in_files.size(), ours), at += ours.size();
  return text;
}

namespace {

[[noreturn]] void fail_no_config(const std::string& folder) {
  constexpr const char* kExpected = "a Hugging Face model folder, LitGPT's, or a GGUF file";
  if (is_there(folder + "/adapter_config.json"))
    fail(
        "{}: is an adapter, and a model is expected; give its base with --checkpoint, and this "
        "with "
        "--adapter",
        folder);
  if (!is_there(folder)) fail("{}: {}", folder, not_found_text(folder, kExpected));
  if (const fs::path file(folder); file.filename() == "config.json")
    fail("{}: is a model's config.json; give the folder that it lies in: {}", folder,
         file.has_parent_path() ? file.parent_path().string() : ".");
  fail("{}: {}; expected {}", folder,
       is_folder(folder) ? "holds no config.json" : "is no GGUF file", kExpected);
}

/// Without what one name is written with and without.
std::string letters_of(const std::string& name) {
  std::string letters;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

/// Of one that no family here is, what its config.json shows it to be.
std::string kind_of_model(const nlohmann::json& json) {
  const ConfigFields f(json, "config.json");
  if (const nlohmann::json& text = object_in(json, "text_config"); !text.empty()) {
    const auto inner = text.find("model_type");
    return inner != text.end() && inner->is_string()
               ? fmt::format(
                     "a model of text and images or the like around a \"{}\"; Falconer "
                     "reads text models, saved by themselves",
                     printable(inner->get<std::string>()))
               : "a model of text and images or the like; Falconer reads text models";
  }
  for (const char* experts : {"num_local_experts", "num_experts", "n_routed_experts"})
    if (f.find(experts) != nullptr) return "a mixture of experts, which is not supported";
  for (const char* state : {"mamba_d_state", "state_size", "ssm_cfg"})
    if (f.find(state) != nullptr)
      return "a model with state space layers other than Falcon-H1's, which are not supported";
  return {};
}

}  // namespace

ModelConfig read_hugging_face_config(const std::string& folder) {
  const std::string where = folder + "/config.json";
  if (!is_there(where)) fail_no_config(folder);
  const nlohmann::json json = read_config_object(where);
  const std::string type = json.contains("model_type") && json["model_type"].is_string()
                               ? json["model_type"].get<std::string>()
                               : "";
  std::vector<std::string> known;
  for (const Architecture* arch : architectures())
    for (const std::string& one : arch->model_types) {
      known.push_back(one);
      if (one != type) continue;
      try {
        ModelConfig config = arch->read_config(json, where);
        config.family = arch->name;
        return config;
      } catch (const nlohmann::json::exception& error) {
        fail("{}: {}", where, json_reason(error));
      }
    }
  for (const std::string& one : known)  // "FalconH1"
    if (letters_of(one) == letters_of(type))
      fail("{}: model_type is \"{}\"; such models are called \"{}\" there", where, printable(type),
           one);
  const std::string what = kind_of_model(json);
  fail("{}: model_type is \"{}\"{}, expected one of {}", where, printable(type),
       what.empty() ? "" : " (" + what + ")", joined(known, ", "));
}

}  // namespace falconer
