// falconer quantize: a model with its matrices in blocks of few bits, tensor by tensor.
#include "api/export/export.h"
#include "api/export/gguf_mix.h"
#include "api/export/importance.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/small_letters.h"
#include "model/arch/gguf_config.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

/// bitsandbytes': folders as transformers saves them.
constexpr Dtype kFolderFormats[] = {Dtype::kNF4, Dtype::kFP4, Dtype::kInt8};

const Dtype* folder_format(const std::string& name) {
  for (const Dtype& dtype : kFolderFormats)
    if (name_of(dtype) == small_letters(name)) return &dtype;
  return nullptr;
}

/// Formats whose scales are searched for.
bool has_search(Dtype dtype) { return dtype != Dtype::kQ8_0 && dtype != Dtype::kMXFP4; }

std::optional<Importances> importances_of(const ExportOptions& options, const std::string& data) {
  if (data.empty()) return {};
  Importances found(options.checkpoint, options.adapter, data, trained_as(options).prompt_style);
  log_info("{} tokens of {} say what columns count", found.tokens(), data);
  return found;
}

std::string quantize_to_gguf(const ExportOptions& options, const GgufMix& mix,
                             const std::string& named, const std::string& calibrate) {
  const ModelSource source(options.checkpoint, options.adapter);
  check_gguf_model(source.config());
  const std::optional<Importances> importances = importances_of(options, calibrate);
  return write_gguf(
      source, options, named,
      {.name = mix.name,
       .dtype = mix.dtype,
       .file_type = mix.file_type,
       .of =
           [&](const ExportedTensor& tensor) {
             return type_in_mix(mix, source.config(), tensor.spec,
                                tensor.pieces.front().source->layer, importances.has_value());
           },
       .importances =
           [&](const ExportedTensor& tensor) {
             return importances ? importances->of(tensor.pieces.front().source->name) : nullptr;
           }});
}

/// Matrices of layers whose rows are whole blocks; embedding and head stay as they are, as with transformers.
std::string quantize_to_folder(const ExportOptions& options, Dtype format, bool double_quant) {
  const ModelSource source(options.checkpoint, options.adapter);
  if (source.config().family == "falcon")
    log_warning(
        "transformers quantises nothing of a Falcon, and cannot load such a folder of one; "
        "Falconer "
        "loads it");
  return write_hf(source, options,
                  {.name = std::string(name_of(format)) + (double_quant ? ", double" : ""),
                   .dtype = format,
                   .plain = source.dtype(),
                   .double_quant = double_quant,
                   .of = [&](const ExportedTensor& tensor) {
                     const Param& param = *tensor.pieces.front().source;
                     const bool fits = !param.vector() && param.layer != ModuleId::kOutside &&
                                       param.cols() % block_of(format) == 0;
                     return fits ? format : source.dtype_of(param);
                   }});
}

}  // namespace

std::vector<std::string> quantize_formats() {
  std::vector<std::string> names = gguf_mix_names();
  for (const Dtype dtype : kFolderFormats) names.emplace_back(name_of(dtype));
  return names;
}

ExportReport quantize(const QuantizeOptions& options) {
  check_shard_size(options.max_shard_bytes);
  const GgufMix* mix = gguf_mix_named(options.format);
  const Dtype* folder = folder_format(options.format);
  if (mix == nullptr && folder == nullptr)
    fail_choice("--format", options.format, quantize_formats());
  if (options.double_quant && (folder == nullptr || *folder == Dtype::kInt8))
    fail_usage("--double-quant goes with --format nf4 and fp4 alone");
  if (!options.calibrate.empty() && (mix == nullptr || !has_search(mix->dtype)))
    fail_usage("--calibrate changes nothing in {}, whose scales follow from values by a rule",
               options.format);
  ExportOptions all{.out = options.out,
                    .format = mix != nullptr ? "gguf" : "hf",
                    .max_shard_bytes = options.max_shard_bytes,
                    .verify = options.verify,
                    .force = options.force};
  take_sources(all, options.checkpoint, options.adapter, options.any_base);
  const std::string rows = options.calibrate.empty() ? "" : resolve_data(options.calibrate);
  const std::string text = mix != nullptr ? quantize_to_gguf(all, *mix, options.checkpoint, rows)
                                          : quantize_to_folder(all, *folder, options.double_quant);
  all.format = mix != nullptr ? mix->name : name_of(*folder);  // as it was asked for
  return export_report(all, text);
}

}  // namespace falconer
