// falconer export: a checkpoint or an adapter in another program's format.
#include "api/export/export.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "api/export/gguf_mix.h"
#include "api/finetune/run_place.h"
#include "api/model/base_check.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json_text.h"
#include "base/nearest.h"
#include "base/output.h"
#include "base/partial.h"
#include "base/path.h"
#include "base/plural.h"
#include "base/small_letters.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_tokenizer.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

struct Format {
  const char* name;
  std::string (*write)(const ExportOptions&, const std::string& named);
  bool adapter_needed;
};

constexpr Format kFormats[] = {
    {"hf", export_hf, false},       {"gguf", export_gguf, false},
    {"litgpt", export_lit, false},  {"lit-parrot", export_lit, false},
    {"peft", export_adapter, true}, {"gguf-lora", export_adapter, true},
};

/// Files by which a folder is known as a model or an adapter.
constexpr const char* kMarks[] = {"config.json", "adapter_config.json", "lit_model.pth",
                                  "model_config.yaml", "lit_config.json"};

/// What else an export or a run writes beside them and kSideFiles, by the ends of names.
constexpr std::string_view kEnds[] = {
    ".safetensors",         ".safetensors.index.json", ".pth",       ".pth.lora",
    ".pth.adapter",         ".pth.adapter_v2",         "SHA256SUMS", "falconer.json",
    "hyperparameters.yaml", "trainer_state.json",      "rest"};

bool ends_with_one(const std::string& name, const auto& ends) {
  return std::any_of(std::begin(ends), std::end(ends),
                     [&](std::string_view one) { return name.ends_with(one); });
}

bool is_mark(const std::string& name) {
  return std::find(std::begin(kMarks), std::end(kMarks), name) != std::end(kMarks);
}

/// All of the folder goes: it must be a model or an adapter and hold nothing else.
void check_replaceable(const fs::path& folder) {
  if (std::none_of(std::begin(kMarks), std::end(kMarks),
                   [&](const char* name) { return is_there(folder / name); }))
    fail("{}: is a folder that holds neither a model nor an adapter; it is not replaced",
         folder.string());
  if (const std::string foreign = foreign_name_in(folder); !foreign.empty())
    fail(
        "{}: holds {} as well, which no export writes, and all of it would be replaced; move that "
        "away, or give --out another name",
        folder.string(), foreign);
}

bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  return !b.empty() && fs::exists(b, ignored) && fs::equivalent(a, b, ignored);
}

}  // namespace

std::string foreign_name_in(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!is_mark(name) && !ends_with_one(name, kEnds) && !ends_with_one(name, kSideFiles) &&
        !is_partial_name(name))
      return name;
  }
  return {};
}

std::vector<std::string> export_dtype_names() {
  std::vector<std::string> names = {"auto", "f32", "f16", "bf16"};
  for (const BlockFormat* format : block_formats())
    if (format->ggml >= 0 && format->encode != nullptr) names.emplace_back(format->name());
  return names;
}

ExportDtype parse_export_dtype(const std::string& typed, Dtype otherwise, bool blocks_too) {
  const std::string name = small_letters(typed);
  if (name == "auto") return {otherwise, true};
  if (name == "f32") return {Dtype::kF32};
  if (name == "f16") return {Dtype::kF16};
  if (name == "bf16") return {Dtype::kBF16};
  const std::vector<std::string> names = export_dtype_names();
  const bool known = std::find(names.begin(), names.end(), name) != names.end();
  if (!known && gguf_mix_named(name) != nullptr)
    fail_usage(
        "--dtype {} is a mix of formats; write it with falconer quantize MODEL --format {}, or "
        "take one of {}",
        printable(typed), name, joined(names, ", "));
  if (!known) fail_choice("--dtype", typed, names);
  if (!blocks_too) fail_usage("--dtype {} goes with --format gguf alone", name);
  return {block_format_named(name)->dtype};
}

Dtype dtype_for(const ExportDtype& asked, const ModelSource& source, const Param& param) {
  return asked.kept ? source.dtype_of(param) : asked.dtype;
}

Dtype dtype_for(const ExportDtype& asked, const ModelSource& source, const ExportedTensor& tensor) {
  const Dtype first = dtype_for(asked, source, *tensor.pieces.front().source);
  const bool one = std::all_of(
      tensor.pieces.begin(), tensor.pieces.end(),
      [&](const ExportedPiece& piece) { return dtype_for(asked, source, *piece.source) == first; });
  return one ? first : Dtype::kF32;
}

bool writes_a_file(const ExportOptions& options) {
  if (options.format.starts_with("gguf")) return true;
  return options.format.starts_with("lit") && !options.adapter.empty() &&
         options.out.ends_with(".pth");
}

void check_target(const ExportOptions& options) {
  fs::path out = options.out;
  if (options.out.empty()) fail_usage("--out is empty; name what is to be written");
  std::error_code ignored;
  if (writes_a_file(options) && (!out.has_filename() || fs::is_directory(out, ignored)))
    fail("{}: is a folder; --format {} writes a file, name one in it", options.out, options.format);
  if (writes_a_file(options) && place_of(out).through)
    fail("{}: is no file, and what is written is read back; name a file", options.out);
  if (!out.has_filename()) out = out.parent_path();
  if (!fs::exists(out, ignored)) {
    refuse_inside_model(options.out, options.checkpoint);
    if (out.has_parent_path()) make_folder(out.parent_path());
    return;
  }
  if (!writes_a_file(options) && !fs::is_directory(out, ignored))
    fail("{}: is a file, and what is written is a folder; give --out another name", options.out);
  if (fs::is_directory(out, ignored) && fs::is_empty(out, ignored)) return;
  if (!options.force)
    fail("{}: is there already; give --out another name, or --overwrite to replace it",
         options.out);
  for (const std::string& source : {options.checkpoint, options.adapter})
    for (fs::path at = source.empty() ? fs::path() : fs::absolute(source); at.has_relative_path();
         at = at.parent_path())
      if (same_place(out, at))
        fail("{}: holds what is exported from; give --out another name", options.out);
  refuse_inside_model(options.out, options.checkpoint);
  OutputRule rule(options.force);
  for (const std::string& source : {options.checkpoint, options.adapter}) rule.reads(source);
  if (writes_a_file(options)) {
    if (options.format.starts_with("gguf") && fs::file_size(out, ignored) > 0 && !is_gguf(out))
      fail("{}: is there, and is no GGUF file; it is not replaced, give --out another name",
           options.out);
    return rule.check_file(out, "--out");
  }
  check_replaceable(out);
  rule.check_folder(out, "--out");
}

ModelRecord trained_as(const ExportOptions& options) {
  const std::string& folder = options.adapter.empty() ? options.checkpoint : options.adapter;
  std::error_code ignored;
  return fs::is_directory(folder, ignored) ? read_record(folder).value_or(ModelRecord())
                                           : ModelRecord();
}

std::string chat_template_text(const ModelRecord& record) {
  if (record.chat_template().empty()) return "";
  return fmt::format("its chat template is the prompt style that was trained, {}\n",
                     record.prompt_style);
}

void carry_record(const std::string& from, const std::string& to) {
  const fs::path record = fs::path(from) / "falconer.json";
  std::error_code ignored;
  if (fs::exists(record, ignored))
    write_file(fs::path(to) / "falconer.json", read_text_file(record, 1 << 24));
}

std::string amount_of(const std::vector<TensorSpec>& specs) {
  size_t bytes = 0;
  for (const TensorSpec& spec : specs) bytes += byte_count(spec);
  const auto size = static_cast<double>(bytes);
  const std::string amount =
      size >= 1e9 ? fmt::format("{:.2f} GB", size / 1e9) : fmt::format("{:.2f} MB", size / 1e6);
  return fmt::format("{} in {} {}", amount, specs.size(), plural(specs.size(), "tensor"));
}

namespace {

/// An adapter alone needs the shape of its base, and LitGPT's folder its tokenizer: no weights are
/// fetched for that.
CheckpointPart part_needed(const ExportOptions& options, bool adapter_alone) {
  if (adapter_alone) return CheckpointPart::kConfig;
  const bool lit_adapter = options.format.starts_with("lit") && !options.adapter.empty();
  return lit_adapter ? CheckpointPart::kTokenizer : CheckpointPart::kAll;
}

}  // namespace

void take_sources(ExportOptions& options, const std::string& checkpoint, const std::string& adapter,
                  bool any_base) {
  options.checkpoint = resolve_checkpoint(checkpoint);
  options.adapter = resolve_adapter(adapter);
  check_base(options.adapter, options.checkpoint, any_base);
  warn_of_quantisation(options.adapter, options.checkpoint, {});
  check_target(options);
}

ExportReport export_report(const ExportOptions& options, std::string text) {
  nlohmann::ordered_json json = {{"checkpoint", options.checkpoint},
                                 {"adapter", options.adapter},
                                 {"format", options.format},
                                 {"out", options.out},
                                 {"verified", options.verify},
                                 {"bytes", 0},
                                 {"files", nlohmann::ordered_json::array()}};
  // Of a model logits are compared, and that says so.
  if (options.verify && text.find("verified: ") == std::string::npos)
    text += "verified: what was read back is what was to be written, value by value\n";
  std::vector<fs::path> files;
  if (!fs::is_directory(options.out))
    files.emplace_back(options.out);
  else
    for (const auto& entry : fs::recursive_directory_iterator(options.out))
      if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  uintmax_t bytes = 0;
  for (const fs::path& file : files) {
    const uintmax_t size = fs::file_size(file);
    bytes += size;
    json["files"].push_back({{"path", file.string()}, {"bytes", size}});
  }
  json["bytes"] = bytes;
  // What cannot be folded into weights.
  const fs::path rest = fs::path(options.out) / "rest";
  if (fs::exists(rest)) json["rest"] = rest.string();
  std::string shown = json_text(json, 2);
  return {.text = std::move(text), .json = shown + "\n"};
}

ExportReport export_model(const ExportOptions& named) {
  ExportOptions options = named;
  check_shard_size(options.max_shard_bytes);
  for (const Format& format : kFormats) {
    if (options.format != format.name) continue;
    if (format.adapter_needed && options.adapter.empty())
      fail_usage("--format {} writes an adapter; name it with --adapter", format.name);
    options.checkpoint =
        resolve_checkpoint(named.checkpoint, part_needed(named, format.adapter_needed));
    options.adapter = resolve_adapter(named.adapter);
    if (part_needed(named, format.adapter_needed) == CheckpointPart::kAll) {
      check_base(options.adapter, options.checkpoint, options.any_base);
      warn_of_quantisation(options.adapter, options.checkpoint, {});
    }
    check_target(options);
    return export_report(options, format.write(options, named.checkpoint));
  }
  std::vector<std::string> known;
  for (const Format& format : kFormats) known.emplace_back(format.name);
  fail_choice("--format", options.format, known);
}

}  // namespace falconer
