// LitGPT's and Lit-Parrot's files: a model's folder, or an adapter's.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/export/export.h"
#include "api/measure/verify.h"
#include "api/model/adapter_files.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/compare_written.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "checkpoint/simple_yaml.h"
#include "checkpoint/torch_zip_writer.h"
#include "model/arch/litgpt_config.h"
#include "model/arch/other_names.h"
#include "train/run_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// The fields that Lit-Parrot's Config of June 2023 has. Null: it cannot say what this model is.
nlohmann::ordered_json lit_parrot_config(const ModelConfig& config,
                                         const nlohmann::ordered_json& all) {
  if (config.mlp_width != 4 * config.width || config.norm_eps != 1e-5 || config.rope_base != 10000)
    return nullptr;
  nlohmann::ordered_json old;
  for (const char* key : {"block_size", "vocab_size", "padding_multiple", "padded_vocab_size",
                          "n_layer", "n_head", "n_embd", "rotary_percentage", "parallel_residual",
                          "bias", "n_query_groups", "shared_attention_norm"})
    old[key] = all[key];
  return old;
}

/// model_config.yaml, which LitGPT reads, and lit_config.json, which Lit-Parrot did.
void write_settings(const fs::path& folder, const ModelConfig& config, bool parrot) {
  const auto all = lit_config_json(config, lit_model_name(config));
  write_file(folder / "model_config.yaml", lit_config_yaml(all));
  if (config.family != "falcon") return;
  const auto old = lit_parrot_config(config, all);
  if (!old.is_null())
    write_file(folder / "lit_config.json", old.dump(2) + "\n");
  else if (parrot)
    fail("Lit-Parrot has no such model (its MLP, norm or rotation differs); use --format litgpt");
}

/// There is no tied head there: the embedding is written twice.
std::vector<ExportedTensor> lit_tensors(const ModelSource& source, OtherFormat format,
                                        const ExportDtype& dtype) {
  std::vector<ExportedTensor> tensors = tensors_elsewhere(source, format, true);
  for (ExportedTensor& tensor : tensors) tensor.spec.dtype = dtype_for(dtype, source, tensor);
  return tensors;
}

std::string export_lit_model(const ExportOptions& options, bool parrot) {
  const ModelSource source(options.checkpoint, "");
  if (parrot) check_lit_parrot(source.config());
  const ExportDtype dtype = parse_export_dtype(options.dtype, source.dtype());
  const auto tensors =
      lit_tensors(source, parrot ? OtherFormat::kLitParrot : OtherFormat::kLitGpt, dtype);
  if (dtype.kept) source.say_narrowed();
  AtomicFolder folder(options.out);
  const SideFiles files = side_files(options.checkpoint, options.adapter);
  write_model_folder(folder.folder(), source.checkpoint(), source.config(), dtype.dtype,
                     trained_as(options).chat_template(), &files);
  write_settings(folder.folder(), source.config(), parrot);
  TorchZipWriter writer(folder.folder() / "lit_model.pth", specs_of(tensors));
  write_tensors(source, tensors, writer);
  compare_with_source(source, tensors, folder.folder().string());
  carry_record(options.checkpoint, folder.folder().string());
  std::string text =
      fmt::format("wrote {}: {}'s lit_model.pth in {}, {}\n", options.out,
                  parrot ? "Lit-Parrot" : "LitGPT", dtype.name(), amount_of(specs_of(tensors)));
  text += "read back: every value is there\n";
  if (options.verify)
    text += compare_logits({options.checkpoint, ""}, {folder.folder().string(), ""}, dtype.dtype,
                           options.out);
  folder.commit();
  return text;
}

/// hyperparameters.yaml: what `litgpt merge_lora` looks for.
std::string hyperparameters(const ExportOptions& options, const SavedAdapter& saved,
                            const ExportDtype& dtype) {
  const nlohmann::json base = fs::absolute(options.checkpoint).string();
  std::string yaml = fmt::format("checkpoint_dir: {}\n", json_text(base));
  yaml += fmt::format("precision: {}\n", dtype.dtype == Dtype::kBF16  ? "bf16-true"
                                         : dtype.dtype == Dtype::kF16 ? "16-true"
                                                                      : "32-true");
  const auto settings = nlohmann::ordered_json::parse(saved.config_json);
  for (const auto& [key, value] : settings.items())
    if (key.starts_with("lora_")) yaml += fmt::format("{}: {}\n", key, yaml_scalar(value));
  return yaml;
}

void write_pth(const fs::path& path, const SavedAdapter& saved, Dtype dtype) {
  TorchZipWriter writer(path, specs_of(saved, dtype));
  write_tensors(saved, writer);
  compare_with_file(saved, dtype, path.string());
}

const char* file_name(std::string_view method, bool parrot) {
  if (method == "lora") return parrot ? "lit_model_lora_finetuned.pth" : "lit_model.pth.lora";
  if (parrot) return "lit_model_adapter_finetuned.pth";
  return method == "adapter" ? "lit_model.pth.adapter" : "lit_model.pth.adapter_v2";
}

/// Parrot's program of June 2023 applied a LoRA to other rows than it was meant for.
constexpr const char* kParrotLora =
    "note: Lit-Parrot before 14 August 2023 mixes the ranks of queries and values; the file is "
    "right for every later one\n";

/// LitGPT takes keys and values of prompts out of the rows of others where there is more than one group.
void warn_of_prompts(const Method& method, const ModelConfig& config, bool parrot) {
  if (parrot || config.groups == 1 || !method.name().starts_with("adapter")) return;
  log_warning(
      "LitGPT (0.5.13) computes something else with this adapter: of models with more than one "
      "group of keys and values, as this one with {}, it takes those of prompts out of wrong rows. "
      "Use it with Falconer, or train a LoRA, with which LitGPT agrees",
      config.groups);
}

std::string export_lit_adapter(const ExportOptions& options, bool parrot) {
  const auto session = Session::open(
      {.checkpoint = options.checkpoint, .adapter = options.adapter, .adapter_only = true});
  const Method& method = *session->method();
  if (parrot) check_lit_parrot(session->config());
  const ExportDtype dtype = parse_export_dtype(options.dtype, Dtype::kF32);
  warn_of_prompts(method, session->config(), parrot);
  const SavedAdapter saved =
      method.save_as(parrot ? AdapterForm::kLitParrot : AdapterForm::kLitGpt);
  std::string text = fmt::format("wrote {}: {} for {} in {}, {}\nread back: every value is there\n",
                                 options.out, method.name(), parrot ? "Lit-Parrot" : "LitGPT",
                                 dtype.name(), amount_of(specs_of(saved, dtype.dtype)));
  if (parrot && method.name() == "lora") text += kParrotLora;
  if (writes_a_file(options)) {
    PendingFile file(options.out);
    write_pth(file.partial(), saved, dtype.dtype);
    file.commit();
    return text;
  }
  AtomicFolder folder(options.out);
  const SideFiles files = side_files(options.checkpoint, options.adapter);
  write_model_folder(folder.folder(), options.checkpoint, session->config(), dtype.dtype,
                     trained_as(options).chat_template(), &files);
  write_settings(folder.folder(), session->config(), parrot);
  write_file(folder.folder() / "hyperparameters.yaml", hyperparameters(options, saved, dtype));
  write_pth(folder.folder() / file_name(method.name(), parrot), saved, dtype.dtype);
  carry_record(options.adapter, folder.folder().string());
  folder.commit();
  return text;
}

}  // namespace

std::string export_lit(const ExportOptions& options, const std::string&) {
  const bool parrot = options.format == "lit-parrot";
  return options.adapter.empty() ? export_lit_model(options, parrot)
                                 : export_lit_adapter(options, parrot);
}

}  // namespace falconer
