// The table of methods, and adapters by what their folder says.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/nearest.h"
#include "base/row_file.h"
#include "checkpoint/simple_yaml.h"
#include "method/adapter.h"
#include "method/adapter_v2.h"
#include "method/full.h"
#include "method/lora.h"
#include "method/lora_file.h"
#include "method/lora_lit.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

struct Entry {
  const char* name;
  std::unique_ptr<Method> (*make)(const MethodOptions&);
};

constexpr Entry kMethods[] = {
    {"lora", make_lora},
    {"adapter", make_adapter},
    {"adapter-v2", make_adapter_v2},
    {"full", make_full},
};

// The kinds of adapter_config.json that are read; `read` fills options and makes the method.
// They keep the order of their keys: PEFT's patterns count in it.
using Config = nlohmann::ordered_json;
struct FileKind {
  const char* peft_type;
  void (*read)(const Config& config, const std::string& where, OpenedAdapter& opened);
};

void read_peft_lora(const Config& config, const std::string& where, OpenedAdapter& opened) {
  plain_lora_names(opened.files);
  const Config todays = with_todays_names(config, opened.files);
  opened.method = lora_from_peft(todays, where, opened.files, opened.options);
}
void read_lora_qv(const Config& config, const std::string& where, OpenedAdapter& opened) {
  opened.method = lora_from_lit(config, where, opened.options);
}
void read_prompts(const Config& config, const std::string& where, MethodOptions& options) {
  const JsonFields<Config> fields(config, where);
  options.adapter_length = fields.whole("adapter_length", kAdapterLength).value_or(10);
  options.adapter_start_layer = fields.whole("adapter_start_layer", kAdapterStart).value_or(2);
}
void read_adapter(const Config& config, const std::string& where, OpenedAdapter& opened) {
  read_prompts(config, where, opened.options);
  opened.options.method = "adapter";
  opened.method = make_adapter(opened.options);
}
void read_adapter_v2(const Config& config, const std::string& where, OpenedAdapter& opened) {
  read_prompts(config, where, opened.options);
  opened.options.method = "adapter-v2";
  opened.method = make_adapter_v2(opened.options);
}

constexpr FileKind kFileKinds[] = {
    {"LORA", read_peft_lora},
    {"LORA_QV", read_lora_qv},
    {"ADAPTER", read_adapter},
    {"ADAPTER_V2", read_adapter_v2},
};

// A bare file of Lit-Parrot or LitGPT says what it is by its tensors' names; what it does not say,
// LitGPT writes beside it.
Config config_from_names(const TensorFiles& files, const fs::path& path) {
  const fs::path beside = path.parent_path() / "hyperparameters.yaml";
  const nlohmann::json settings =
      fs::exists(beside) ? read_simple_yaml(beside) : nlohmann::json::object();
  if (auto lora = lit_lora_config(files, settings, beside.string()); !lora.is_null()) return lora;
  Config config = Config::object();
  int64_t start = -1;
  for (const auto& [name, tensor] : files.tensors()) {
    if (name.ends_with(".adapter_scale")) config["peft_type"] = "ADAPTER_V2";
    if (!name.ends_with(".adapter_wte.weight") || tensor.shape.size() != 2) continue;
    const int64_t layer = layer_of_lit_name(name);
    start = start < 0 ? layer : std::min(start, layer);
    config["adapter_length"] = tensor.shape[0];
  }
  if (start < 0 && !config.contains("peft_type"))
    fail("{}: holds no LoRA and no adapter tensors; expected a finetuned file of Lit-Parrot",
         path.string());
  if (start >= 0) config["adapter_start_layer"] = start;
  if (!config.contains("peft_type")) config["peft_type"] = "ADAPTER";
  return config;
}

// The adapter's file in a folder that a finetuning of LitGPT or Lit-Parrot left; empty: there is
// none.
fs::path lit_adapter_in(const fs::path& folder) {
  for (const char* name :
       {"lit_model.pth.lora", "lit_model.pth.adapter", "lit_model.pth.adapter_v2",
        "lit_model_lora_finetuned.pth", "lit_model_adapter_finetuned.pth"})
    if (fs::exists(folder / name)) return folder / name;
  return {};
}

// PEFT wrote adapter_model.bin before it wrote safetensors.
fs::path tensors_in(const fs::path& folder) {
  const fs::path path = folder / "adapter_model.safetensors";
  const fs::path older = folder / "adapter_model.bin";
  return !fs::exists(path) && fs::exists(older) ? older : path;
}

// PEFT saves an adapter that is not named "default" into a folder of that name.
std::string adapters_within(const fs::path& folder) {
  std::vector<std::string> within;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (fs::exists(entry.path() / "adapter_config.json", error))
      within.push_back(entry.path().string());
  std::sort(within.begin(), within.end());
  return joined(within, ", ");
}

Config read_adapter_config(const fs::path& folder) {
  const fs::path path = folder / "adapter_config.json";
  if (!fs::exists(path)) {
    const std::string within = adapters_within(folder);
    fail(
        "{}: is not an adapter: it has neither adapter_config.json nor lit_model.pth.lora or the "
        "like; {}",
        folder.string(),
        within.empty() ? "give the folder that finetune wrote (…/final)"
                       : fmt::format("there is one in {}", within));
  }
  const std::string text = read_text_file(path, 1 << 24);
  if (const std::string excess = json_excess(text, true); !excess.empty())
    fail("{}: {}", path.string(), excess);
  auto config = parse_ordered_json(text);
  if (config.is_discarded() || !config.is_object()) {
    const std::string complaint = json_complaint(text);
    fail("{}: is not a JSON object{}{}", path.string(), complaint.empty() ? "" : ": ", complaint);
  }
  return config;
}

// What is given in an adapter's place by mistake: rows, a recipe, a model.
bool is_no_adapter(const fs::path& file) {
  const std::string ending = file.extension().string();
  for (const char* other : {".txt", ".toml", ".yaml", ".gguf"})
    if (ending == other) return true;
  return row_file(file.string()).format != RowFormat::kNone;
}

}  // namespace

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kMethods) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<Method> make_method(const MethodOptions& options) {
  for (const Entry& entry : kMethods)
    if (options.method == entry.name) return entry.make(options);
  fail_choice("--method", options.method, method_names());
}

OpenedAdapter open_adapter(const std::string& path, std::optional<double> lora_dropout) {
  if (!fs::exists(path))
    fail("{}: {}", path,
         not_found_text(path, "an adapter: a folder with adapter_config.json, or a .pth file"));
  const bool folder = fs::is_directory(path);
  if (!folder && is_no_adapter(path))
    fail(
        "{}: is no adapter; expected a folder with adapter_config.json, as finetune writes final/, "
        "or a .pth file",
        path);
  const bool own = folder && fs::exists(fs::path(path) / "adapter_config.json");
  const fs::path lit = own ? fs::path() : folder ? lit_adapter_in(path) : fs::path(path);
  if (lora_dropout && !kLoraDropout.holds(*lora_dropout))
    fail_usage("--lora-dropout is {}, expected a share from 0 up to but not including 1",
               *lora_dropout);
  Config config;
  if (lit.empty()) config = read_adapter_config(path);
  // On a line of its own: GCC 12 ends what it has not begun when a designated initialiser throws.
  TensorFiles files = TensorFiles::open_file(lit.empty() ? tensors_in(path) : lit);
  OpenedAdapter opened{.files = std::move(files)};
  if (!lit.empty()) config = config_from_names(opened.files, lit);
  if (lora_dropout) config["lora_dropout"] = *lora_dropout;
  const std::string where = lit.empty() ? path + "/adapter_config.json" : lit.string();
  const std::string type = JsonFields<Config>(config, where).text("peft_type").value_or("");
  for (const FileKind& kind : kFileKinds) {
    if (type != kind.peft_type) continue;
    kind.read(config, where, opened);
    return opened;
  }
  fail(
      "{}: peft_type is \"{}\"; LORA, LORA_QV, ADAPTER and ADAPTER_V2 can be read: train a LoRA, "
      "or, where the "
      "kind can be merged, merge it with PEFT (merge_and_unload, save_pretrained) and give that as "
      "--checkpoint",
      where, printable(type));
}

}  // namespace falconer
