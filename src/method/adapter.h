// LLaMA-Adapter (Zhang et al., 2023): a learned prompt per layer, attended to beside the sequence,
// behind a gate of 0.
#pragma once

#include "method/method.h"

namespace falconer {

/// One layer's prompt. Its keys and values are rows E of the prompt through the layer's own
/// projection (hooks included), not normalised and not rotated; what the attention over them adds is
/// scaled by a gate per head.
class PrefixHook : public AttentionHook {
 public:
  PrefixHook(const ModelConfig& config, int64_t layer, int64_t length);

  void allocate(Arena& fixed, bool training);
  /// E ~ N(0,1), gates 0: the start is the base.
  void initialise(uint64_t seed);
  Param& prompt() { return prompt_; }
  Param& gate() { return gate_; }
  const Param& prompt() const { return prompt_; }
  const Param& gate() const { return gate_; }
  int64_t layer() const { return layer_; }

  bool trainable() const override { return prompt_.trainable(); }
  void forward(Run& run, const QkvProjection& qkv, const Heads& q, const View& out,
               PrefixKept& kept, PrefixCache* cache) const override;
  void backward(Run& run, const QkvProjection& qkv, const Heads& q, const View& dout,
                const View& delta, const Heads& dq, PrefixKept& kept) const override;

 private:
  Param prompt_, gate_;
  int64_t layer_;
};

class Adapter : public Method {
 public:
  explicit Adapter(MethodOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "adapter"; }
  void attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed, bool training) override;
  void initialise(uint64_t seed) override;
  std::map<std::string, std::string> settings() const override;
  SavedAdapter save() const override;
  SavedAdapter save_as(AdapterForm form) const override;
  void load(const TensorFiles& files, const std::set<std::string>& copies) override;
  bool merges() const override { return false; }
  bool merges_into(const std::string&) const override { return false; }
  void merge_tensor(const std::string&, const View&) const override {}
  SavedAdapter unmerged() const override { return save(); }

 protected:
  /// Attaches the prompts alone.
  void attach_prefixes(Decoder& decoder, Arena& fixed, bool training);
  void save_prefixes(SavedAdapter& saved) const;
  void load_prefixes(class AdapterReader& reader);
  std::string config_json(const char* type) const;

  MethodOptions options_;
  std::vector<std::unique_ptr<PrefixHook>> prefixes_;
};

std::unique_ptr<Method> make_adapter(const MethodOptions& options);

/// 3 for "transformer.h.3.attn...", -1 for a name without a layer.
int64_t layer_of_lit_name(const std::string& name);

}  // namespace falconer
