#include "model/arch/other_names.h"

namespace falconer {
namespace {

ModuleNames lit_names(const char* qkv) {
  return {.layers = "transformer.h.",
          .of_role = {{Role::kEmbedding, "transformer.wte"},
                      {Role::kAttentionNorm, "norm_1"},
                      {Role::kMlpNorm, "norm_2"},
                      {Role::kQkv, qkv},
                      {Role::kDense, "attn.proj"},
                      {Role::kUp, "mlp.fc"},
                      {Role::kDown, "mlp.proj"},
                      {Role::kFinalNorm, "transformer.ln_f"},
                      {Role::kHead, "lm_head"}}};
}

// With two norms "attn_norm" is the MLP's, and attention reads "attn_norm_2".
ModuleNames llama_cpp_names(const ModelConfig& config) {
  return {.layers = "blk.",
          .of_role = {{Role::kEmbedding, "token_embd"},
                      {Role::kAttentionNorm, config.shared_norm ? "attn_norm" : "attn_norm_2"},
                      {Role::kMlpNorm, "attn_norm"},
                      {Role::kQkv, "attn_qkv"},
                      {Role::kDense, "attn_output"},
                      {Role::kUp, "ffn_up"},
                      {Role::kDown, "ffn_down"},
                      {Role::kFinalNorm, "output_norm"},
                      {Role::kHead, "output"}}};
}

}  // namespace

const OtherNames& litgpt_names() {
  static const OtherNames names = {
      .names = [](const ModelConfig&) { return lit_names("attn.qkv"); }, .parts = true};
  return names;
}

const OtherNames& lit_parrot_names() {
  static const OtherNames names = {
      .names = [](const ModelConfig&) { return lit_names("attn.attn"); }, .parts = false};
  return names;
}

const OtherNames& gguf_names() {
  static const OtherNames names = {.names = llama_cpp_names, .parts = true};
  return names;
}

std::map<std::string, std::string> names_elsewhere(const ModelConfig& config,
                                                   const OtherNames& names) {
  std::map<std::string, std::string> map;
  const ModuleNames ours = architecture(config.family).names(config), theirs = names.names(config);
  declare_modules(config, [&](const ModuleShape& module) {
    for (const char* kind : {".weight", ".bias"})
      map[ours(module.id) + kind] = theirs(module.id) + kind;
  });
  return map;
}

}  // namespace falconer
