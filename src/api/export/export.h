// What the formats of falconer export share, and the functions that write each.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/model/model_source.h"
#include "falconer/checkpoint.h"
#include "train/run_folder.h"

namespace falconer {

/// What --dtype asks for.
struct ExportDtype {
  Dtype dtype = Dtype::kF32;  // of most tensors, where each keeps its own
  bool kept = false;          // "auto": each tensor of a model stays in what it is stored in

  std::string name() const { return std::string(name_of(dtype)); }
};
/// What a tensor of `source` is written as.
Dtype dtype_for(const ExportDtype& asked, const ModelSource& source, const Param& param);
/// f32 where its pieces are stored as several.
Dtype dtype_for(const ExportDtype& asked, const ModelSource& source, const ExportedTensor& tensor);
/// `otherwise` for "auto". Error (usage): another name, or a format in blocks where it cannot be.
ExportDtype parse_export_dtype(const std::string& name, Dtype otherwise, bool blocks_too = false);
/// All that it knows: "auto", "f32", ... and the formats in blocks that a GGUF can be written in.
std::vector<std::string> export_dtype_names();

/// All that --format of quantize knows.
std::vector<std::string> quantize_formats();

/// A single file, not a folder.
bool writes_a_file(const ExportOptions& options);

/// Error: something stands at `out` and `force` was not given; or it is a folder that no export
/// wrote, or one that this export reads.
void check_target(const ExportOptions& options);

/// Finds a model and the adapter that is to be folded into it, warns of another quantisation, and checks the target.
/// Errors: those of resolve.h, base_check.h and check_target().
void take_sources(ExportOptions& options, const std::string& checkpoint, const std::string& adapter,
                  bool any_base);

/// The name of something in a model's or an adapter's folder that neither an export nor a run writes
/// there; empty where there is none.
std::string foreign_name_in(const std::filesystem::path& folder);

/// How the adapter, or the model where there is none, was trained; empty where that is not recorded.
ModelRecord trained_as(const ExportOptions& options);
/// A line on the chat template that is written because of it; "" where the model's own is.
std::string chat_template_text(const ModelRecord& record);

/// falconer.json, which knows the prompt style, goes along with what was made of its folder.
void carry_record(const std::string& from, const std::string& to);

// Each returns text for people. Checkpoint and adapter are paths; `named` is the checkpoint as the
// user has it, which may be a name on the hub.
std::string export_hf(const ExportOptions& options, const std::string& named);
std::string export_gguf(const ExportOptions& options, const std::string& named);
std::string export_lit(const ExportOptions& options, const std::string& named);
std::string export_adapter(const ExportOptions& options, const std::string& named);

/// What the tensors of a file are stored as.
struct MatrixTypes {
  std::string name;           // for people: "q4_k_m"
  Dtype dtype = Dtype::kF32;  // of most matrices
  uint32_t file_type = 0;     // GGUF's number
  Dtype plain = Dtype::kF32;  // of a folder: what config.json says of what is no blocks
  bool double_quant = false;  // of a folder with blocks
  std::function<Dtype(const ExportedTensor&)> of = nullptr;
  std::function<ColumnWeights(const ExportedTensor&)> importances =
      nullptr;  // none: nothing is known
};
// Each returns text for people, as those above do. A folder with blocks is one of bitsandbytes.
std::string write_gguf(const ModelSource& source, const ExportOptions& options,
                       const std::string& named, const MatrixTypes& types);
std::string write_hf(const ModelSource& source, const ExportOptions& options,
                     const MatrixTypes& types);

/// What was written, of which `text` tells.
ExportReport export_report(const ExportOptions& options, std::string text);

/// "7.21 GB in 196 tensors"
std::string amount_of(const std::vector<TensorSpec>& specs);

}  // namespace falconer
