// A Hugging Face folder: what merge and export --format hf write.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "api/export/export.h"
#include "api/measure/verify.h"
#include "api/model/adapter_files.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/base_check.h"
#include "api/model/compare_written.h"
#include "base/error.h"
#include "base/file.h"
#include "checkpoint/bitsandbytes_writer.h"
#include "checkpoint/safetensors_writer.h"
#include "model/arch/architecture.h"
#include "tensor/blocks/format.h"
#include "train/run_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

std::vector<ExportedTensor> hf_tensors(const ModelSource& source, const MatrixTypes& types) {
  std::vector<ExportedTensor> tensors;
  for (const auto& param : source.weights().params) {
    tensors.push_back({{{param.get(), param->name, {}}},
                       {name_in_files(source.config(), param->name), Dtype::kF32, param->shape}});
    tensors.back().spec.dtype = types.of(tensors.back());
  }
  return tensors;
}

/// As transformers says it. `left`: matrices of layers that are no blocks.
nlohmann::ordered_json bitsandbytes_settings(const MatrixTypes& types,
                                             const std::vector<std::string>& left) {
  const bool eight = types.dtype == Dtype::kInt8;
  return {{"quant_method", "bitsandbytes"},
          {"load_in_4bit", !eight},
          {"load_in_8bit", eight},
          {"bnb_4bit_compute_dtype", torch_name(types.plain)},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", eight ? "fp4" : name_of(types.dtype)},
          {"bnb_4bit_use_double_quant", types.double_quant},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules",
           left.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(left)},
          {"llm_int8_threshold", 6.0}};
}

/// Linear layers that transformers must leave alone; what is named takes the place of its own list, the head.
std::vector<std::string> left_alone(const ModelSource& source,
                                    const std::vector<ExportedTensor>& tensors) {
  std::vector<std::string> names;
  for (const ExportedTensor& tensor : tensors)
    if (!tensor.vector() && tensor.pieces.front().source->layer != ModuleId::kOutside &&
        !is_blocks(tensor.spec.dtype))
      names.push_back(tensor.spec.name.substr(0, tensor.spec.name.rfind(".weight")));
  if (!names.empty()) names.push_back(name_in_files(source.config(), source.weights().head().name));
  return names;
}

void say_bitsandbytes(const fs::path& folder, const ModelSource& source, const MatrixTypes& types,
                      const std::vector<ExportedTensor>& tensors) {
  const fs::path file = folder / "config.json";
  auto json = nlohmann::ordered_json::parse(read_text_file(file, 1 << 24));
  json["quantization_config"] = bitsandbytes_settings(types, left_alone(source, tensors));
  write_file(file, json.dump(2) + "\n");
}

struct Written {
  std::unique_ptr<TensorWriter> writer;
  std::string amount;
};

Written writer_for(const fs::path& folder, const std::vector<ExportedTensor>& tensors,
                   const ExportOptions& options, const MatrixTypes& types) {
  std::vector<TensorSpec> specs = specs_of(tensors);
  if (is_blocks(types.dtype)) {
    auto writer = std::make_unique<BitsandbytesWriter>(
        folder, specs,
        BitsandbytesOptions{types.plain, types.double_quant, options.max_shard_bytes});
    std::string amount = amount_of(writer->stored());
    return {std::move(writer), std::move(amount)};
  }
  std::string amount = amount_of(specs);
  return {std::make_unique<SafetensorsWriter>(
              SafetensorsWriter::sharded(folder, specs, options.max_shard_bytes)),
          std::move(amount)};
}

}  // namespace

std::string write_hf(const ModelSource& source, const ExportOptions& options,
                     const MatrixTypes& types) {
  const std::vector<ExportedTensor> tensors = hf_tensors(source, types);
  AtomicFolder folder(options.out);
  const ModelRecord trained = trained_as(options);
  const auto in_blocks =
      std::count_if(tensors.begin(), tensors.end(),
                    [](const ExportedTensor& tensor) { return is_blocks(tensor.spec.dtype); });
  if (is_blocks(types.dtype) && in_blocks == 0)
    fail_nothing_in_blocks(options.checkpoint, types.name);
  const SideFiles files = side_files(options.checkpoint, options.adapter);
  write_model_folder(folder.folder(), source.checkpoint(), source.config(), types.plain,
                     trained.chat_template(), &files);
  if (is_blocks(types.dtype)) say_bitsandbytes(folder.folder(), source, types, tensors);
  const Written written = writer_for(folder.folder(), tensors, options, types);
  write_tensors(source, tensors, *written.writer);
  const BlockErrors errors = compare_with_source(source, tensors, folder.folder().string());
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
                                 types.name, written.amount);
  text += chat_template_text(trained);
  if (is_blocks(types.dtype))
    text += fmt::format("{} of its {} tensors are {}, the others as they were\n", in_blocks,
                        tensors.size(), types.name);
  text += errors.text();
  if (!rest_folder.empty())
    text += worded(
        "the prompts of {} cannot be folded into weights: use the model with --adapter {}/rest\n",
        source.method()->name(), options.out);
  if (options.verify)
    text += compare_logits({options.checkpoint, options.adapter},
                           {folder.folder().string(), rest_folder}, types.dtype, options.out);
  folder.commit();
  return text;
}

std::string export_hf(const ExportOptions& options, const std::string&) {
  const ModelSource source(options.checkpoint, options.adapter);
  const ExportDtype dtype = parse_export_dtype(options.dtype, source.dtype());
  if (dtype.kept) source.say_narrowed();
  return write_hf(source, options,
                  {.name = dtype.name(),
                   .dtype = dtype.dtype,
                   .plain = dtype.dtype,
                   .of = [&](const ExportedTensor& tensor) {
                     return dtype_for(dtype, source, *tensor.pieces.front().source);
                   }});
}

}  // namespace falconer
