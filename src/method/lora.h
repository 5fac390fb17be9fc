// LoRA (Hu et al., 2021), with rank-stabilised scaling and DoRA, on any linear layer or on q, k, v
// inside the fused one.
#pragma once

#include <functional>

#include "method/base_changes.h"
#include "method/method.h"
#include "method/token_rows.h"

namespace falconer {

/// Where B may be non-zero: `rows` of the output see `rank_count` ranks from `rank_begin`. A plain
/// LoRA is one block that covers all; q and v inside the fused product are one block for each of
/// their row ranges.
struct LoraBlock {
  SitePart::Range rows;
  int64_t rank_begin = 0, rank_count = 0;
};

/// LoRA at one site:   y = x W' + b + s (drop(x) A') B'
/// and with DoRA:      y = (m / |W + s B A|) (x W' + s (drop(x) A') B') + b
/// where the norm is per row and counts as a constant. A (R,K), B (M,R), m (1,M), all f32;
/// s = alpha / r, or alpha / sqrt(r) where rank-stabilised.
/// Backward, with da = s dy B restricted to the blocks:
///   dB += s dy' a      dA += da' drop(x)      dx += drop(da A)
class LoraHook : public LinearHook {
 public:
  struct Spec {
    LinearSite* site = nullptr;
    int64_t rank = 0;  // R, over all blocks
    std::vector<LoraBlock> blocks;
    double scale = 1, dropout = 0;
    bool dora = false;
  };
  explicit LoraHook(Spec spec);

  /// Makes A, B and m in `fixed`, with gradients where `training`.
  void allocate(Run& run, Arena& fixed, bool training);
  void initialise(uint64_t seed);

  bool trainable() const override { return a_.trainable(); }
  bool needs_x() const override { return a_.trainable(); }
  bool edits_dy() const override { return spec_.dora; }
  void forward(Run& run, const View& x, const View& y, HookKept& kept) const override;
  void backward_out(Run& run, const View& dy, HookKept& kept) const override;
  void backward_in(Run& run, const View& dx, HookKept& kept) const override;
  /// W (M,K) f32 becomes W + s B A, or DoRA's rescaled sum.
  void merge(const View& w) const;

  const Spec& spec() const { return spec_; }
  Param& a() { return a_; }
  Param& b() { return b_; }
  Param* magnitude() { return spec_.dora ? &m_ : nullptr; }
  const Param& a() const { return a_; }
  const Param& b() const { return b_; }
  /// Numbers that learn: B counts only inside the blocks.
  int64_t trainable_count() const;
  /// Sets m to the row norms of W + s B A: DoRA's start, after A and B have their values.
  void reset_magnitude(Run& run);
  /// Where nothing learns, and A, B and m have their values: what forward would compute anew for
  /// every token is made once.
  void prepare_inference(Run& run);

 private:
  View dropped(Run& run, const View& x) const;
  void row_norms(Run& run, const View& norms) const;
  void norms_by_gram(Run& run, const RowRange& rows, const View& gram, const View& norms) const;
  void norms_of_sum(Run& run, const RowRange& rows, const View& norms) const;
  /// DoRA's m / |W + s B A| per row of y.
  View dora_factor(Run& run, HookKept& kept) const;

  Spec spec_;
  Param a_, b_, m_;
  View w_squares_;  // (1,M): row sums of squares of the frozen W, for DoRA
  // For inference alone: A and B as products of a bf16 run read them, DoRA's factor.
  View narrow_a_, narrow_b_, factor_;
};

using LoraHooks = std::vector<std::unique_ptr<LoraHook>>;

class Lora : public Method {
 public:
  /// Sites by target names: "q", "k", "v", "qkv", a module's last name ("dense"), "head" or
  /// "all-linear".
  explicit Lora(MethodOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "lora"; }
  void attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed, bool training) override;
  void initialise(uint64_t seed) override;
  int64_t trainable_count() const override;
  std::map<std::string, std::string> settings() const override;
  SavedAdapter save() const override;
  /// Errors as well: the adapter changes the base, for which only PEFT's form has a place.
  SavedAdapter save_as(AdapterForm form) const override;
  void read_from(const TensorFiles& files, const std::set<std::string>& copies) override;
  bool keeps(const std::string& name) const override { return changes_.keeps(name); }
  void load(const TensorFiles& files, const std::set<std::string>& copies) override;
  bool merges_into(const std::string& name) const override;
  void merge_tensor(const std::string& name, const View& values) const override;
  ModelConfig merged_config(const ModelConfig& config) const override;

  /// How tensors are named in the file that load() will read; set before attach. PEFT's by default.
  enum class FileForm { kPeft, kLitGpt };
  void set_file_form(FileForm form) { form_ = form; }
  /// Rank, scale and blocks per module, where a file says so itself. Set before attach; replaces
  /// the targets.
  struct ModuleSpec {
    /// The ranks in which a row of B is not zero; none where both are 0.
    struct Used {
      int64_t begin = 0, end = 0;
    };
    int64_t rank = 0;
    double scale = 1;
    /// Of a fused site, the parts that it was made for ("q,v"), or kWholeSite; where the file does
    /// not say (""), `rows` tells.
    std::string parts;
    std::vector<Used> rows;  // of B
  };
  static constexpr const char* kWholeSite = "all";
  /// Whether the adapter is meant for a module (`head`: the model's head); nothing where that is not
  /// known. What it is meant for must be there, and nothing else.
  using Targets = std::function<std::optional<bool>(const std::string& module, bool head)>;
  /// `where` is the file that says so.
  void set_modules(std::map<std::string, ModuleSpec> modules, Targets targets, std::string where) {
    modules_ = std::move(modules);
    targets_ = std::move(targets);
    where_ = std::move(where);
  }
  /// What the file has beside the LoRAs of linear layers. Set before attach.
  void set_changes(BaseChanges changes) { changes_ = std::move(changes); }
  /// Rows of the embedding that belong to the adapter. Set before attach.
  void set_token_rows(std::unique_ptr<TokenRows> rows) { tokens_ = std::move(rows); }
  const MethodOptions& options() const { return options_; }

 private:
  void check_embedding(const Weights& weights) const;
  std::vector<LoraHook::Spec> specs(Decoder& decoder) const;
  std::vector<LoraHook::Spec> specs_of_modules(Decoder& decoder) const;

  MethodOptions options_;
  FileForm form_ = FileForm::kPeft;
  std::map<std::string, ModuleSpec> modules_;
  Targets targets_;
  std::string where_;
  std::vector<std::string> sites_;  // the model's modules that could have a LoRA
  LoraHooks hooks_;
  BaseChanges changes_;
  const TensorFiles* files_ = nullptr;  // between read_from() and load()
  std::set<std::string> copies_;
  std::unique_ptr<TokenRows> tokens_;  // null: none
  ModelConfig config_;
  Run* run_ = nullptr;
};

std::unique_ptr<Method> make_lora(const MethodOptions& options);

}  // namespace falconer
