// A GGUF file of a model: tensors under llama.cpp's names, and the tokenizer.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "api/export/export.h"
#include "api/export/gguf_mix.h"
#include "api/measure/verify.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/compare_written.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/gguf_writer.h"
#include "model/arch/gguf_config.h"
#include "model/arch/other_names.h"
#include "tensor/blocks/format.h"
#include "text/prompt.h"
#include "text/token_additions.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// llama.cpp's numbers for what most of a file is stored as.
uint32_t file_type(Dtype dtype) {
  if (is_blocks(dtype)) return gguf_mix_of(dtype).file_type;
  return dtype == Dtype::kF16 ? 1 : dtype == Dtype::kBF16 ? 32 : 0;
}

/// "7.2B", "163K"
std::string size_label(const ModelSource& source) {
  double count = 0;
  for (const auto& param : source.weights().params) count += static_cast<double>(param->size());
  const char* unit = count >= 1e9 ? "B" : count >= 1e6 ? "M" : "K";
  count /= count >= 1e9 ? 1e9 : count >= 1e6 ? 1e6 : 1e3;
  return count < 9.5 ? fmt::format("{:.1f}{}", count, unit) : fmt::format("{:.0f}{}", count, unit);
}

/// "falcon-7b" of "tiiuae/falcon-7b".
std::string last_name(const std::string& path) {
  fs::path clean = fs::absolute(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  return (clean.extension() == ".gguf" ? clean.stem() : clean.filename()).string();
}

/// Vectors stay f32, as llama.cpp's own converter has them.
std::vector<ExportedTensor> gguf_tensors(const ModelSource& source, const MatrixTypes& types) {
  std::vector<ExportedTensor> tensors =
      tensors_elsewhere(source, OtherFormat::kGguf, gguf_has_head(source.config()));
  for (ExportedTensor& tensor : tensors) {
    if (tensor.vector()) continue;
    tensor.spec.dtype = types.of(tensor);
    if (types.importances && is_blocks(tensor.spec.dtype))
      tensor.spec.importances = types.importances(tensor);
  }
  for (auto& [name, values] : gguf_additions(source.config()))
    tensors.push_back({.pieces = {},
                       .spec = {name, Dtype::kF32, {std::ssize(values)}},
                       .values = std::move(values)});
  return tensors;
}

/// A GGUF holds what tokenizer.json says, and what the files beside it add as far as the model has rows for it.
SideFiles tokenizer_files(const std::string& checkpoint, const std::string& adapter, int64_t rows) {
  SideFiles files = side_files(checkpoint, adapter);
  if (are_of_tokenizer([&](const char* name) { return files.contains(name); }))
    files["tokenizer.json"] = tokenizer_json_with_additions(files, rows, checkpoint);
  const auto source = PromptStyle::chat_template(TemplateFiles(files, checkpoint));
  return with_chat_template(std::move(files), source.value_or(""));
}

GgufMetadata metadata_of(const ModelSource& source, const std::string& named, uint32_t file_type,
                         const std::string& adapter, const std::string& chat_template) {
  const ModelConfig& config = source.config();
  GgufMetadata metadata;
  metadata.add("general.architecture", gguf_architecture(config));
  metadata.add("general.type", "model");
  metadata.add("general.name", last_name(named));
  metadata.add("general.size_label", size_label(source));
  metadata.add("general.quantization_version", uint32_t{2});
  metadata.add("general.file_type", file_type);
  add_gguf_config(config, metadata);
  const GgufTokenizerOptions options{.vocab = config.vocab,
                                     .bos_id = config.bos_id,
                                     .ends = config.eos_ids,
                                     .cut = config.family == "falcon_h1" ? "falcon-h1" : nullptr};
  add_gguf_tokenizer(with_chat_template(tokenizer_files(source.checkpoint(), adapter, config.vocab),
                                        chat_template),
                     source.checkpoint(), options, metadata);
  return metadata;
}

/// "24 Q4_K, 8 Q6_K, 41 f32"
std::string types_text(const std::vector<ExportedTensor>& tensors) {
  std::map<Dtype, int64_t> counts;
  for (const ExportedTensor& tensor : tensors) ++counts[tensor.spec.dtype];
  std::vector<std::string> parts;
  for (const auto& [dtype, count] : counts)
    if (is_blocks(dtype)) parts.push_back(fmt::format("{} {}", count, label_of(dtype)));
  for (const auto& [dtype, count] : counts)
    if (!is_blocks(dtype)) parts.push_back(fmt::format("{} {}", count, name_of(dtype)));
  return joined(parts, ", ");
}

bool folds_factors(const ModelConfig& config) {
  const std::vector<ModuleShape> all = modules_of(config);
  return std::any_of(all.begin(), all.end(), [&](const ModuleShape& module) {
    return !folded_rows(config, module).empty();
  });
}

}  // namespace

std::string write_gguf(const ModelSource& source, const ExportOptions& options,
                       const std::string& named, const MatrixTypes& types) {
  check_gguf_model(source.config());
  if (source.method() != nullptr && !source.method()->unmerged().tensors.empty())
    fail("{}: its prompts cannot be folded into weights, and llama.cpp has none", options.adapter);
  const std::vector<ExportedTensor> tensors = gguf_tensors(source, types);
  const ModelRecord trained = trained_as(options);
  const GgufMetadata metadata =
      metadata_of(source, named, types.file_type, options.adapter, trained.chat_template());
  PendingFile file(options.out);
  GgufWriter writer(file.partial(), specs_of(tensors), metadata);
  write_tensors(source, tensors, writer);
  const BlockErrors errors = compare_with_source(source, tensors, file.partial().string());
  std::string text = fmt::format("wrote {}: GGUF in {}, {}\n", options.out, types.name,
                                 amount_of(specs_of(tensors)));
  text += chat_template_text(trained);
  if (folds_factors(source.config()) && types.dtype != Dtype::kF32 && !is_blocks(types.dtype))
    text += worded(
        "the factors of its config.json are in the weights there, which that rounds once more: "
        "--dtype f32 keeps every bit\n");
  if (errors.any()) text += fmt::format("tensors: {}\n", types_text(tensors));
  text += errors.text();
  if (options.verify)
    text += compare_logits({options.checkpoint, options.adapter}, {file.partial().string(), ""},
                           types.dtype, options.out);
  file.commit();
  return text;
}

std::string export_gguf(const ExportOptions& options, const std::string& named) {
  const ModelSource source(options.checkpoint, options.adapter);
  const ExportDtype dtype = parse_export_dtype(options.dtype, source.dtype(), true);
  if (dtype.kept) source.say_narrowed();
  const MatrixTypes types{.name = dtype.name(),
                          .dtype = dtype.dtype,
                          .file_type = file_type(dtype.dtype),
                          .of = [&](const ExportedTensor& tensor) {
                            if (!is_blocks(dtype.dtype)) return dtype_for(dtype, source, tensor);
                            return type_in_mix(gguf_mix_of(dtype.dtype), source.config(),
                                               tensor.spec, tensor.pieces.front().source->layer,
                                               false);
                          }};
  return write_gguf(source, options, named, types);
}

}  // namespace falconer
