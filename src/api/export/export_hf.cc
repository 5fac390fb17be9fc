// A Hugging Face folder: what merge and export --format hf write.
#include <filesystem>

#include "api/export/export.h"
#include "api/measure/verify.h"
#include "api/model/adapter_files.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/base_check.h"
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/safetensors_writer.h"
#include "model/arch/architecture.h"
#include "train/run_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

std::vector<ExportedTensor> hf_tensors(const ModelSource& source, const ExportDtype& dtype) {
  std::vector<ExportedTensor> tensors;
  for (const auto& param : source.weights().params)
    tensors.push_back({{{param.get(), param->name, {}}},
                       {name_in_files(source.config(), param->name),
                        dtype_for(dtype, source, *param), param->shape}});
  return tensors;
}

/// Writes the folder of `source`; `rest` is where what cannot be folded will be found.
std::string write_folder(const ModelSource& source, const ExportOptions& options) {
  const ExportDtype dtype = parse_export_dtype(options.dtype, source.dtype());
  if (dtype.kept) source.say_narrowed();
  const std::vector<ExportedTensor> tensors = hf_tensors(source, dtype);
  AtomicFolder folder(options.out);
  const ModelRecord trained = trained_as(options);
  const SideFiles files = side_files(options.checkpoint, options.adapter);
  write_model_folder(folder.folder(), source.checkpoint(), source.config(), dtype.dtype,
                     trained.chat_template(), &files);
  SafetensorsWriter writer =
      SafetensorsWriter::sharded(folder.folder(), specs_of(tensors), options.max_shard_bytes);
  write_tensors(source, tensors, writer);
  compare_with_source(source, tensors, folder.folder().string());
  const SavedAdapter rest = source.method() ? source.method()->unmerged() : SavedAdapter{};
  const std::string record = options.adapter.empty() ? options.checkpoint : options.adapter;
  carry_record(record, folder.folder().string());
  std::string rest_folder;
  if (!rest.tensors.empty()) {
    rest_folder = (folder.folder() / "rest").string();
    make_folder(rest_folder);
    write_adapter_folder(rest_folder, rest);
    carry_record(record, rest_folder);
    name_base(rest_folder, folder.folder().string(), options.out);
  }
  std::string text = fmt::format("wrote {}: a Hugging Face folder in {}, {}\n", options.out,
                                 dtype.name(), amount_of(specs_of(tensors)));
  text += chat_template_text(trained);
  text += "read back: every value is there\n";
  if (!rest_folder.empty())
    text += worded(
        "the prompts of {} cannot be folded into weights: use the model with --adapter {}/rest\n",
        source.method()->name(), options.out);
  if (options.verify)
    text += compare_logits({options.checkpoint, options.adapter},
                           {folder.folder().string(), rest_folder}, dtype.dtype, options.out);
  folder.commit();
  return text;
}

}  // namespace

std::string export_hf(const ExportOptions& options, const std::string&) {
  return write_folder(ModelSource(options.checkpoint, options.adapter), options);
}

}  // namespace falconer
