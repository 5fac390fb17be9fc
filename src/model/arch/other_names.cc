#include "model/arch/other_names.h"

namespace falconer {
namespace {

LayerNames lit_layer(int64_t index, const char* qkv) {
  const std::string h = fmt::format("transformer.h.{}.", index);
  return {.norm1 = h + "norm_1",
          .norm2 = h + "norm_2",
          .qkv = h + qkv,
          .dense = h + "attn.proj",
          .up = h + "mlp.fc",
          .down = h + "mlp.proj"};
}
LayerNames litgpt_layer(const ModelConfig&, int64_t index) { return lit_layer(index, "attn.qkv"); }
LayerNames lit_parrot_layer(const ModelConfig&, int64_t index) {
  return lit_layer(index, "attn.attn");
}

// With two norms "attn_norm" is the MLP's, and attention reads "attn_norm_2".
LayerNames gguf_layer(const ModelConfig& config, int64_t index) {
  const std::string h = fmt::format("blk.{}.", index);
  return {.norm1 = h + (config.shared_norm ? "attn_norm" : "attn_norm_2"),
          .norm2 = h + "attn_norm",
          .qkv = h + "attn_qkv",
          .dense = h + "attn_output",
          .up = h + "ffn_up",
          .down = h + "ffn_down"};
}

const TopNames kLitTop = {
    .embedding = "transformer.wte", .norm = "transformer.ln_f", .head = "lm_head"};

}  // namespace

const OtherNames& litgpt_names() {
  static const OtherNames names = {.top = kLitTop, .layer = litgpt_layer, .parts = true};
  return names;
}

const OtherNames& lit_parrot_names() {
  static const OtherNames names = {.top = kLitTop, .layer = lit_parrot_layer, .parts = false};
  return names;
}

const OtherNames& gguf_names() {
  static const OtherNames names = {
      .top = {.embedding = "token_embd", .norm = "output_norm", .head = "output"},
      .layer = gguf_layer,
      .parts = true};
  return names;
}

std::map<std::string, std::string> names_elsewhere(const ModelConfig& config,
                                                   const OtherNames& names) {
  std::map<std::string, std::string> map;
  const auto add = [&](const std::string& ours, const std::string& theirs) {
    for (const char* kind : {".weight", ".bias"}) map[ours + kind] = theirs + kind;
  };
  const Architecture& arch = architecture(config.family);
  add(arch.top.embedding, names.top.embedding);
  add(arch.top.norm, names.top.norm);
  add(arch.top.head, names.top.head);
  for (int64_t i = 0; i < config.layers; ++i) {
    const LayerNames ours = arch.layer(config, i), theirs = names.layer(config, i);
    add(ours.norm1, theirs.norm1);
    if (!(config.parallel && config.shared_norm)) add(ours.norm2, theirs.norm2);
    add(ours.qkv, theirs.qkv);
    add(ours.dense, theirs.dense);
    add(ours.up, theirs.up);
    add(ours.down, theirs.down);
  }
  return map;
}

}  // namespace falconer
