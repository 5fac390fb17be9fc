// An adapter for PEFT or for llama.cpp.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/export/export.h"
#include "api/model/adapter_files.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/gguf_writer.h"
#include "model/arch/gguf_config.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// What the adapter itself says that it was made for, and its revision, else the checkpoint that was given.
void name_base_of(const ExportOptions& options, const std::string& named,
                  nlohmann::ordered_json& config) {
  config["base_model_name_or_path"] = named;
  const fs::path path = fs::path(options.adapter) / "adapter_config.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  const auto said = parse_json(read_text_file(path, 1 << 24));
  const auto is_text = [&](const char* key) {
    return said.is_object() && said.contains(key) && said[key].is_string();
  };
  if (!is_text("base_model_name_or_path")) return;
  for (const char* key : {"base_model_name_or_path", "revision"})
    if (is_text(key)) config[key] = said[key];
}

std::string write_peft(const ExportOptions& options, const std::string& named,
                       const Method& method) {
  if (method.name() != "lora")
    fail(
        "{}: is of the kind \"{}\", which PEFT does not have; of Falconer's adapters LoRA can be "
        "exported for it",
        options.adapter, method.name());
  const ExportDtype dtype = parse_export_dtype(options.dtype, Dtype::kF32);
  SavedAdapter saved = method.save();
  auto config = nlohmann::ordered_json::parse(saved.config_json);
  name_base_of(options, named, config);
  saved.config_json = config.dump(2) + "\n";
  AtomicFolder folder(options.out);
  write_adapter_folder(folder.folder(), saved, dtype.dtype);
  carry_record(options.adapter, folder.folder().string());
  // A tokenizer that lies beside the adapter goes along.
  if (fs::is_directory(options.adapter))
    for (const auto& [name, text] : side_files(fs::path(options.adapter)))
      write_file(folder.folder() / name, text);
  folder.commit();
  std::string text =
      fmt::format("wrote {}: a PEFT adapter in {}, {}\nread back: every value is there\n",
                  options.out, dtype.name(), amount_of(specs_of(saved, dtype.dtype)));
  const bool on_out_proj =
      std::any_of(saved.tensors.begin(), saved.tensors.end(), [](const SavedTensor& tensor) {
        return tensor.name.find(".mamba.out_proj.") != std::string::npos;
      });
  if (on_out_proj)
    text +=
        "PEFT refuses a LoRA on out_proj of a model with state space layers: for it, train without "
        "that target, or merge the adapter\n";
  return text;
}

std::string write_gguf_lora(const ExportOptions& options, const Method& method,
                            const ModelConfig& base) {
  const ExportDtype dtype = parse_export_dtype(options.dtype, Dtype::kF32);
  const SavedAdapter saved = method.save_as(AdapterForm::kGguf);
  const double alpha = nlohmann::json::parse(saved.config_json)["alpha"];
  GgufMetadata metadata;
  metadata.add("general.architecture", gguf_architecture(base));
  metadata.add("general.type", "adapter");
  metadata.add("adapter.type", "lora");
  metadata.add("general.name", fs::path(options.adapter).lexically_normal().filename().string());
  metadata.add("general.quantization_version", uint32_t{2});
  metadata.add("general.file_type", dtype.dtype == Dtype::kF32   ? uint32_t{0}
                                    : dtype.dtype == Dtype::kF16 ? uint32_t{1}
                                                                 : uint32_t{32});
  metadata.add("adapter.lora.alpha", static_cast<float>(alpha));
  PendingFile file(options.out);
  GgufWriter writer(file.partial(), specs_of(saved, dtype.dtype), metadata);
  write_tensors(saved, writer);
  compare_with_file(saved, dtype.dtype, file.partial().string());
  file.commit();
  return fmt::format("wrote {}: a GGUF adapter in {}, {}\nread back: every value is there\n",
                     options.out, dtype.name(), amount_of(specs_of(saved, dtype.dtype)));
}

}  // namespace

std::string export_adapter(const ExportOptions& options, const std::string& named) {
  const auto session = Session::open(
      {.checkpoint = options.checkpoint, .adapter = options.adapter, .adapter_only = true});
  return options.format == "peft" ? write_peft(options, named, *session->method())
                                  : write_gguf_lora(options, *session->method(), session->config());
}

}  // namespace falconer
