// A GGUF file of a model: tensors under llama.cpp's names, and the tokenizer.
#include <cmath>
#include <filesystem>

#include "api/export/export.h"
#include "api/measure/verify.h"
#include "api/model/adapter_tokenizer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/gguf_writer.h"
#include "model/arch/gguf_config.h"
#include "model/arch/other_names.h"
#include "text/prompt.h"
#include "text/token_additions.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// llama.cpp's numbers for what most of a file is stored as.
uint32_t file_type(const ExportDtype& dtype) {
  switch (dtype.dtype) {
    case Dtype::kQ8_0:
      return 7;
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

/// Vectors stay f32, as llama.cpp's own converter has them; where rows are no whole blocks of 32, it
/// falls back to f16, and so does this.
std::vector<ExportedTensor> gguf_tensors(const ModelSource& source, const ExportDtype& dtype) {
  std::vector<ExportedTensor> tensors =
      tensors_elsewhere(source, OtherFormat::kGguf, gguf_has_head(source.config()));
  for (ExportedTensor& tensor : tensors) {
    TensorSpec& spec = tensor.spec;
    if (tensor.vector()) continue;
    const bool whole = spec.shape[1] % block_of(dtype.dtype) == 0;
    spec.dtype = whole ? dtype_for(dtype, source, tensor) : Dtype::kF16;
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
  int64_t count = 0;
  for (const ExportedTensor& tensor : tensors)
    count += !tensor.vector() && tensor.spec.dtype == Dtype::kF16;
  if (count > 0)
    log_info("{} of {} tensors are f16: their rows are not whole blocks of {} values", count,
             tensors.size(), block_of(dtype));
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
  text += is_blocks(dtype.dtype) ? "read back: every value is there, within Q8_0's rounding\n"
                                 : "read back: every value is there\n";
  if (options.verify)
    text += compare_logits({options.checkpoint, options.adapter}, {file.partial().string(), ""},
                           dtype.dtype, options.out);
  file.commit();
  return text;
}

}  // namespace falconer
