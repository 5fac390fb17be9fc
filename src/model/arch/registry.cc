// The table of architectures, and config.json by model_type.
#include <fmt/ranges.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/nearest.h"
#include "model/arch/architecture.h"
#include "model/arch/falcon.h"
#include "model/arch/gpt_neox.h"

namespace falconer {
namespace fs = std::filesystem;

void check_shape(const ModelConfig& m, const std::string& where) {
  // Far beyond any model; products of these sizes, and the layers, stay below 2^63.
  constexpr int64_t kMost = int64_t{1} << 20, kMostTokens = int64_t{1} << 24;
  const auto within = [&](const char* name, int64_t value, int64_t most) {
    if (value < 1 || value > most) fail("{}: {} is {}, expected 1 to {}", where, name, value, most);
  };
  within("the number of layers", m.layers, 10000);
  within("the hidden size", m.width, kMost);
  within("the number of attention heads", m.heads, 100000);
  within("the number of key-value heads", m.groups, m.heads);
  within("the MLP's width", m.mlp_width, kMost);
  within("the vocabulary size", m.vocab, kMostTokens);
  within("the context length", m.context, int64_t{1} << 30);
  if (m.width % m.heads != 0)
    fail("{}: the hidden size {} is not a multiple of the {} attention heads", where, m.width,
         m.heads);
  if (m.heads % m.groups != 0)
    fail("{}: {} attention heads cannot share {} key-value heads evenly", where, m.heads, m.groups);
  if (!(m.rope_base > 0 && m.rope_base < 1e15) || !(m.norm_eps >= 0 && m.norm_eps < 1))
    fail("{}: a rotary base of {} and a norm's epsilon of {} cannot be", where, m.rope_base,
         m.norm_eps);
  if (m.rope_dims % 2 != 0 || m.rope_dims > m.head_size)
    fail("{}: {} rotary dimensions do not fit a head of {}", where, m.rope_dims, m.head_size);
}

const std::vector<const Architecture*>& architectures() {
  static const std::vector<const Architecture*> table = {&falcon_architecture(),
                                                         &gpt_neox_architecture()};
  return table;
}

const Architecture& architecture(std::string_view name) {
  for (const Architecture* arch : architectures())
    if (arch->name == name) return *arch;
  throw InternalError(fmt::format("no architecture named {}", name));
}

ModelConfig read_hugging_face_config(const std::string& folder) {
  constexpr const char* kExpected = "a Hugging Face model folder, LitGPT's, or a GGUF file";
  const std::string where = folder + "/config.json";
  if (!fs::exists(where))
    fail("{}: {}", folder,
         !fs::exists(folder) ? not_found_text(folder, kExpected)
                             : fmt::format("{}; expected {}",
                                           fs::is_directory(folder) ? "holds no config.json"
                                                                    : "is no GGUF file",
                                           kExpected));
  const nlohmann::json json = parse_json(read_text_file(where, 1 << 24));
  if (json.is_discarded() || !json.is_object())
    fail("{}: is not a JSON object; download it again", where);
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
        fail("{}: {}", where, error.what());
      }
    }
  fail("{}: model_type is \"{}\", expected one of {}", where, type, fmt::join(known, ", "));
}

}  // namespace falconer
