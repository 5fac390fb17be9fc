// LLaMA-Adapter v2 (Gao et al., 2023) as Lit-Parrot has it: the prompts of v1, a scale and a bias
// on every linear layer, and the norms before attention and MLP and behind the last block.
#pragma once

#include "method/adapter.h"
#include "model/arch/other_names.h"

namespace falconer {

/// y = s (x W' + b_base + b): s starts at 1, b at 0.
class ScaleBiasHook : public LinearHook {
 public:
  /// `lit_module` names the tensors: "transformer.h.0.attn.qkv".
  ScaleBiasHook(LinearSite& site, const std::string& lit_module);

  void allocate(Arena& fixed, bool training);
  void initialise();
  LinearSite& site() const { return *site_; }
  Param& scale() { return scale_; }
  Param& bias() { return bias_; }
  const Param& scale() const { return scale_; }
  const Param& bias() const { return bias_; }

  bool trainable() const override { return scale_.trainable(); }
  bool needs_x() const override { return false; }
  bool edits_dy() const override { return true; }
  void forward(Run& run, const View& x, const View& y, HookKept& kept) const override;
  void backward_out(Run& run, const View& dy, HookKept& kept) const override;
  void backward_in(Run&, const View&, HookKept&) const override {}

 private:
  LinearSite* site_;
  Param scale_, bias_;
};

class AdapterV2 : public Adapter {
 public:
  explicit AdapterV2(MethodOptions options) : Adapter(std::move(options)) {}

  std::string_view name() const override { return "adapter-v2"; }
  void attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed, bool training) override;
  void initialise(uint64_t seed) override;
  SavedAdapter save() const override;
  SavedAdapter save_as(AdapterForm form) const override;
  void load(const TensorFiles& files, const std::set<std::string>& copies) override;
  /// Scales and biases fold into the weights (the model then has biases, and a head of its own);
  /// the prompts and the head's bias have no place in a Hugging Face model and stay an adapter.
  bool merges() const override { return true; }
  ModelConfig merged_config(const ModelConfig& config) const override;
  bool merges_into(const std::string& name) const override;
  void merge_tensor(const std::string& name, const View& values) const override;
  SavedAdapter unmerged() const override;

 private:
  struct NormParam {
    std::string lit_name;
    Param* param;
  };
  /// A site's name where it is one of LitGPT's modules, else one of ours: of what learns, not of files.
  std::string name_of(const LinearSite& site) const;
  ScaleBiasHook& hook_at(const ModuleId& id) const;
  SavedAdapter save_in(const std::vector<OtherModule>& modules) const;
  void load_module(AdapterReader& reader, const OtherModule& module);

  std::vector<OtherModule> modules_, parrot_;  // LitGPT's, and Lit-Parrot's where it has the family
  std::vector<std::unique_ptr<ScaleBiasHook>> hooks_;
  std::vector<NormParam> norms_;
};

std::unique_ptr<Method> make_adapter_v2(const MethodOptions& options);

}  // namespace falconer
