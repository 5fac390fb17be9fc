// The modules of a decoder: what each is for, where it stands, how large it is. A model declares them once,
// in the order in which they are saved; loading, saving, fingerprints, counts, memory pages, merging and
// every format's names walk what was declared.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_file.h"
#include "model/config.h"

namespace falconer {

/// What a module is for. The tables of names, of Hugging Face, LitGPT, llama.cpp and PEFT, are by this.
enum class Role : uint8_t {
  kEmbedding,
  kAttentionNorm,        // before attention; of a block with a shared norm, before all
  kAttentionNormBehind,  // of what attention gives
  kMlpNorm,              // before the MLP
  kMlpNormBehind,
  kQkv,  // queries, keys and values in one matrix
  kQ,
  kK,
  kV,
  kQNorm,  // of queries
  kKNorm,
  kDense,   // behind attention
  kGateUp,  // gate and up in one matrix
  kGate,
  kUp,
  kDown,
  kSsmIn,        // z, x, B, C and dt of a state space mixer
  kSsmConv,      // its convolution
  kSsmDecay,     // A_log
  kSsmSkip,      // D
  kSsmTimeBias,  // dt_bias
  kSsmNorm,      // behind the gate
  kSsmOut,
  kFinalNorm,
  kHead
};
/// "q": in flags (--lora-targets) and messages.
std::string_view role_name(Role role);

/// A module is one of the decoder's layers' or stands outside of them.
struct ModuleId {
  static constexpr int64_t kOutside = -1;
  int64_t layer = kOutside;
  Role role = Role::kEmbedding;

  auto operator<=>(const ModuleId&) const = default;
};

/// Rows of a fused matrix that belong together: "q" of grouped attention is several ranges.
struct SitePart {
  using Range = RowRange;
  std::string name;  // "q", "k", "v"
  std::vector<Range> rows;

  int64_t count() const;
};

enum class ModuleKind : uint8_t { kTable, kNorm, kLinear, kConv, kVector };

/// A table has weight (out,in), a norm weight (out), a linear layer weight (out,in); `bias`: and a bias
/// (out). A convolution of each channel by itself has weight (out,1,in), in taps. A vector is one tensor (out), which is
/// called as the module is.
struct ModuleShape {
  ModuleId id;
  ModuleKind kind = ModuleKind::kLinear;
  int64_t out = 0, in = 1;
  bool bias = false;
  std::vector<SitePart> parts = {};  // of a fused matrix
  bool tied = false;                 // the head's weight is the embedding
};

/// Behind the module's name, and the sizes, of its weight.
const char* weight_end(ModuleKind kind);
std::vector<int64_t> weight_shape(const ModuleShape& module);

using ModuleVisitor = std::function<void(const ModuleShape&)>;

/// Tells `visit` of all modules of a model.
void declare_modules(const ModelConfig& config, const ModuleVisitor& visit);
/// The same as a list.
std::vector<ModuleShape> modules_of(const ModelConfig& config);

/// What a format calls modules: "transformer.h." and "self_attention.dense" for a layer's, whole names for
/// the others.
struct ModuleNames {
  std::string layers;  // what stands before the number of a layer
  std::map<Role, std::string> of_role;

  /// Internal error: this format has no name for it.
  std::string operator()(const ModuleId& id) const;
};

}  // namespace falconer
