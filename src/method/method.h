// A finetuning method: what it attaches to the decoder, what it lets change, and what that looks
// like in files.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/number.h"
#include "checkpoint/tensor_file.h"
#include "model/decoder.h"

namespace falconer {

/// Settings of every method; each reads its own.
struct MethodOptions {
  std::string method = "lora";  // a name in the registry
  int64_t lora_r = 8;
  double lora_alpha = 16;
  double lora_dropout = 0.05;
  std::vector<std::string> lora_targets = {"q", "v"};
  bool lora_rs = false;    // rank-stabilised: scale by alpha / sqrt(r)
  bool lora_dora = false;  // weight-decomposed: a magnitude per output row
  int64_t adapter_length = 10;
  int64_t adapter_start_layer = 2;
  int64_t vocab = 0;          // lora, full: rows that the embedding gets where it has fewer
  bool bf16_weights = false;  // full: matrices learn in bf16 (stochastic rounding), not in f32
};

// What they may be, in flags and in files.
inline constexpr WholeRange kLoraRank{1, 4096};
inline constexpr RealRange kLoraAlpha{-1e9, 1e9};  // usual ones are below 100
// PEFT's files have q, k and v as one LoRA of three times the rank and alpha.
inline constexpr WholeRange kFileRank{1, 3 * kLoraRank.most};
inline constexpr RealRange kFileAlpha{3 * kLoraAlpha.least, 3 * kLoraAlpha.most};
inline constexpr RealRange kLoraDropout{0, 1 - 0x1p-24};  // what is left is above 0 in f32, too
inline constexpr WholeRange kAdapterLength{1, 65536};
inline constexpr WholeRange kAdapterStart{0, 1 << 20};

/// A tensor in the form that it has in an adapter's file.
struct SavedTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// An adapter in the form of files: adapter_config.json and the tensors of
/// adapter_model.safetensors.
struct SavedAdapter {
  std::string config_json;
  std::vector<SavedTensor> tensors;  // sorted by name
  /// Beside the tensors in their file: what PEFT's settings have no place for.
  std::map<std::string, std::string> metadata = {};
};

/// Whose files an adapter is written for.
enum class AdapterForm {
  kOwn,        // what save() gives: PEFT's for LoRA, LitGPT's names for the adapters
  kLitGpt,     // and its hyperparameters as config_json
  kLitParrot,  // of 2023: "attn.attn" with rows as in the checkpoint, gates [1,H,1,1]
  kGguf        // llama.cpp's names and order of rows; config_json has "alpha"
};

class Method {
 public:
  virtual ~Method() = default;
  virtual std::string_view name() const = 0;

  /// Of an adapter that was read, before attach(): its file, which lives as long as attach() and load() need it,
  /// and which of its tensors are known to be the base's own (base_copies.h).
  virtual void read_from(const TensorFiles&, const std::set<std::string>&) {}
  /// Whether a tensor of its file belongs to the adapter even where it is what the base has.
  virtual bool keeps(const std::string&) const { return false; }
  /// Makes the method's tensors in `fixed` (with gradients where `training`) and attaches its
  /// hooks. Where not `training`, tensors of the base that it changes get memory of their own there, so that
  /// the base can be had back. Called once; with a measuring arena only sizes are noted. Errors: options that
  /// this model cannot have.
  virtual void attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed,
                      bool training) = 0;
  /// First values of the method's own tensors: the model then computes what the base does.
  virtual void initialise(uint64_t seed) = 0;

  /// Everything that learns, in a fixed order. Valid after attach.
  const std::vector<Param*>& params() const { return params_; }
  /// Numbers that learn (fewer than the elements of params() where a part stays zero).
  virtual int64_t trainable_count() const;
  /// What it is, under the names of a run's settings ("lora_r", "adapter_length"): of an adapter that
  /// was read, what its file says. Valid after attach.
  virtual std::map<std::string, std::string> settings() const { return {}; }

  /// A method that changes the model itself is saved as a model.
  virtual bool saves_whole_model() const { return false; }
  virtual SavedAdapter save() const { return {}; }
  /// Error: that form has no place for what this adapter is, or for a part of it.
  virtual SavedAdapter save_as(AdapterForm form) const = 0;
  /// Takes the values of tensors that an adapter's file holds, under the names that attach() made.
  /// `copies` are known to be the base's own (base_copies.h). Errors: one is missing, has another
  /// shape, or is left over.
  virtual void load(const TensorFiles&, const std::set<std::string>&) {}

  /// Whether anything of it can be folded into weights.
  virtual bool merges() const { return true; }
  /// The shape of the model that merging gives (a head untied, biases added).
  virtual ModelConfig merged_config(const ModelConfig& config) const { return config; }
  /// Whether merge_tensor changes the tensor `name`.
  virtual bool merges_into(const std::string& name) const = 0;
  /// Edits the f32 values of the base tensor `name` of the merged model; absent biases arrive as 0.
  virtual void merge_tensor(const std::string& name, const View& values) const = 0;
  /// What cannot be folded into a Hugging Face model, as an adapter of its own; no tensors: all was
  /// folded.
  virtual SavedAdapter unmerged() const { return {}; }

 protected:
  std::vector<Param*> params_;
};

/// "lora", "adapter", "adapter-v2", "full". Error (usage): another name, with the known ones
/// listed.
std::unique_ptr<Method> make_method(const MethodOptions& options);
std::vector<std::string> method_names();

/// Opens an adapter: a folder with adapter_config.json and adapter_model.safetensors (PEFT's LORA,
/// or ADAPTER, ADAPTER_V2, LORA_QV), a folder or a file of LitGPT or Lit-Parrot (lit_model.pth.lora,
/// any .pth). Knows the method from what is there. `lora_dropout` replaces what the file says, for
/// training on. Errors: not there, not an adapter, a PEFT feature that is not supported (named).
struct OpenedAdapter {
  MethodOptions options;
  TensorFiles files;
  std::unique_ptr<Method> method;  // not attached yet
};
OpenedAdapter open_adapter(const std::string& path,
                           std::optional<double> lora_dropout = std::nullopt);

}  // namespace falconer
