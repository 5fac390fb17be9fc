// A GGUF file of a model: tensors under llama.cpp's names, and the tokenizer.
#include <cmath>
#include <filesystem>
#include <map>

#include "api/export/export.h"
#include "api/measure/verify.h"
#include "api/model/adapter_tokenizer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/log.h"
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
uint32_t file_type(const ExportDtype& dtype) {
  switch (dtype.dtype) {
    case Dtype::kQ4_0:
      return 2;
    case Dtype::kQ4_1:
      return 3;
    case Dtype::kQ8_0:
      return 7;
    case Dtype::kQ5_0:
      return 8;
    case Dtype::kQ5_1:
      return 9;
    case Dtype::kQ2_K:
      return 10;
    case Dtype::kQ3_K:
      return 11;
    case Dtype::kQ4_K:
      return 14;
    case Dtype::kQ5_K:
      return 16;
    case Dtype::kQ6_K:
      return 18;
    case Dtype::kIQ4_NL:
      return 25;
    case Dtype::kMXFP4:
      return 38;
    case Dtype::kF16:
      return 1;
    case Dtype::kBF16:
      return 32;
    default:
      return 0;
  }
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

/// Embedding and head, whose errors are in every token, have 8 bits beside what has fewer. Where rows are no whole
/// blocks of a K-quant it is another format, as llama.cpp chooses, or f16.
Dtype stored_as(const ExportDtype& dtype, const ModelSource& source, const ExportedTensor& tensor) {
  if (!is_blocks(dtype.dtype)) return dtype_for(dtype, source, tensor);
  const bool outside = tensor.pieces.front().source->layer == ModuleId::kOutside;
  return fitting_format(outside ? Dtype::kQ8_0 : dtype.dtype, tensor.spec.shape[1])
      .value_or(Dtype::kF16);
}

/// Vectors stay f32, as llama.cpp's own converter has them.
std::vector<ExportedTensor> gguf_tensors(const ModelSource& source, const ExportDtype& dtype) {
  std::vector<ExportedTensor> tensors =
      tensors_elsewhere(source, OtherFormat::kGguf, gguf_has_head(source.config()));
  for (ExportedTensor& tensor : tensors) {
    TensorSpec& spec = tensor.spec;
    if (tensor.vector()) continue;
    spec.dtype = stored_as(dtype, source, tensor);
  }
  for (auto& [name, values] : gguf_rotations(source.config()))
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

GgufMetadata metadata_of(const ModelSource& source, const std::string& named,
                         const ExportDtype& dtype, const std::string& adapter,
                         const std::string& chat_template) {
  const ModelConfig& config = source.config();
  GgufMetadata metadata;
  metadata.add("general.architecture", gguf_architecture(config));
  metadata.add("general.type", "model");
  metadata.add("general.name", last_name(named));
  metadata.add("general.size_label", size_label(source));
  metadata.add("general.quantization_version", uint32_t{2});
  metadata.add("general.file_type", file_type(dtype));
  add_gguf_config(config, metadata);
  const GgufTokenizerOptions options{
      .vocab = config.vocab, .bos_id = config.bos_id, .ends = config.eos_ids};
  add_gguf_tokenizer(with_chat_template(tokenizer_files(source.checkpoint(), adapter, config.vocab),
                                        chat_template),
                     source.checkpoint(), options, metadata);
  return metadata;
}

void say_fallbacks(const std::vector<ExportedTensor>& tensors, Dtype dtype) {
  std::map<Dtype, int64_t> others;
  for (const ExportedTensor& tensor : tensors)
    if (!tensor.vector() && tensor.spec.dtype != dtype) ++others[tensor.spec.dtype];
  std::vector<std::string> parts;
  for (const auto& [other, count] : others)
    parts.push_back(fmt::format("{} {}", count, label_of(other)));
  if (!parts.empty())
    log_info(
        "of {} tensors {} are not {}: embedding and head, and rows that are no whole blocks of {} "
        "values",
        tensors.size(), joined(parts, ", "), label_of(dtype), block_of(dtype));
}

}  // namespace

std::string export_gguf(const ExportOptions& options, const std::string& named) {
  const ModelSource source(options.checkpoint, options.adapter);
  check_gguf_model(source.config());
  if (source.method() != nullptr && !source.method()->unmerged().tensors.empty())
    fail("{}: its prompts cannot be folded into weights, and llama.cpp has none", options.adapter);
  const ExportDtype dtype = parse_export_dtype(options.dtype, source.dtype(), true);
  const std::vector<ExportedTensor> tensors = gguf_tensors(source, dtype);
  const ModelRecord trained = trained_as(options);
  const GgufMetadata metadata =
      metadata_of(source, named, dtype, options.adapter, trained.chat_template());
  if (is_blocks(dtype.dtype)) say_fallbacks(tensors, dtype.dtype);
  if (dtype.kept) source.say_narrowed();
  PendingFile file(options.out);
  GgufWriter writer(file.partial(), specs_of(tensors), metadata);
  write_tensors(source, tensors, writer);
  compare_with_source(source, tensors, file.partial().string());
  std::string text = fmt::format("wrote {}: GGUF in {}, {}\n", options.out, dtype.name(),
                                 amount_of(specs_of(tensors)));
  text += chat_template_text(trained);
  text += is_blocks(dtype.dtype) ? fmt::format("read back: every value is there, as {} rounds it\n",
                                               label_of(dtype.dtype))
                                 : "read back: every value is there\n";
  if (options.verify)
    text += compare_logits({options.checkpoint, options.adapter}, {file.partial().string(), ""},
                           dtype.dtype, options.out);
  file.commit();
  return text;
}

}  // namespace falconer
