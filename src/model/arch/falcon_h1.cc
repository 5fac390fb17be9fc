// Falcon-H1: attention and a state space mixer (Mamba-2) beside each other in every block, and factors nearly
// everywhere, which are applied as transformers' class does.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/arch/families.h"
#include "model/arch/llama_shape.h"

namespace falconer {
namespace {

constexpr RealRange kMultipliers{.least = -1e6, .most = 1e6};
constexpr WholeRange kTaps{1, 64};

/// A list of `N` factors; ones where it is missing or null.
template <size_t N>
std::array<double, N> factors(const ConfigFields& f, const char* key) {
  std::array<double, N> made;
  made.fill(1);
  const nlohmann::json* const list = f.find(key);
  if (list == nullptr) return made;
  if (!list->is_array() || list->size() != N)
    fail("{}: {} is no list of {} numbers; is it the model's own config.json?", f.where(), key, N);
  for (size_t i = 0; i < N; ++i) {
    if (!(*list)[i].is_number() || !kMultipliers.holds((*list)[i].get<double>()))
      fail("{}: {}[{}] is {}, expected a number from {} to {}", f.where(), key, i,
           printable((*list)[i].dump()), kMultipliers.least, kMultipliers.most);
    made[i] = (*list)[i].get<double>();
  }
  return made;
}

double factor(const ConfigFields& f, const char* key) {
  return f.real(key, kMultipliers).value_or(1);
}

// Steps of time are not limited: transformers' class limits them while it reads a prompt, and not token by token.
void check_time_steps(const ConfigFields& f) {
  const nlohmann::json* const limit = f.find("time_step_limit");
  if (limit == nullptr) return;
  const bool open = limit->is_array() && limit->size() == 2 && (*limit)[0].is_number() &&
                    (*limit)[0].get<double>() <= 0 && bare_number((*limit)[1]) == "Infinity";
  if (!open)
    fail("{}: time_step_limit is {}, and only [0, Infinity] is supported: no limit", f.where(),
         printable(limit->dump()));
}

void check_switches(const ConfigFields& f, const SsmConfig& ssm) {
  const std::string activation = f.text("hidden_act").value_or("silu");
  if (activation != "silu" && activation != "swish")
    fail("{}: hidden_act is \"{}\", and a state space mixer is supported with \"silu\"", f.where(),
         printable(activation));
  if (ssm.norm && f.boolean("mamba_norm_before_gate").value_or(true))
    fail(
        "{}: mamba_norm_before_gate is true, as it is where a file does not say; of transformers' "
        "own two ways to compute it one puts the norm first and one, on GPUs, the gate. Supported "
        "is false",
        f.where());
}

// There, and null: which is not what a file means that does not say it.
bool is_null(const nlohmann::json& json, const char* key) {
  return json.contains(key) && json[key].is_null();
}

SsmConfig read_ssm(const ConfigFields& f, const nlohmann::json& json, int64_t width) {
  SsmConfig s;
  s.heads = f.whole("mamba_n_heads", kHeadCounts).value_or(128);
  const bool by_share = is_null(json, "mamba_d_ssm");
  const int64_t all = by_share ? f.whole("mamba_expand", {1, 1024}).value_or(2) * width
                               : f.whole("mamba_d_ssm", kWidths).value_or(1024);
  if (all % s.heads != 0)
    fail("{}: a state space mixer of {} columns has no {} equal heads (mamba_n_heads)", f.where(),
         all, s.heads);
  s.head_size = all / s.heads;
  if (const nlohmann::json* const size = f.find("mamba_d_head");
      size != nullptr && *size != "auto" &&
      f.required_whole("mamba_d_head", kWidths) != s.head_size)
    fail("{}: {} heads of {} (mamba_d_head) are not the mixer's {} columns (mamba_d_ssm)",
         f.where(), s.heads, f.required_whole("mamba_d_head", kWidths), all);
  s.groups = f.whole("mamba_n_groups", kHeadCounts).value_or(1);
  if (s.heads % s.groups != 0)
    fail("{}: {} heads of a state space mixer cannot share {} groups evenly", f.where(), s.heads,
         s.groups);
  s.state = f.whole("mamba_d_state", kWidths).value_or(256);
  s.taps = f.whole("mamba_d_conv", kTaps).value_or(4);
  s.norm = f.boolean("mamba_rms_norm").value_or(false);
  s.in_bias = f.boolean("mamba_proj_bias").value_or(false);
  s.conv_bias = f.boolean("mamba_conv_bias").value_or(true);
  s.out_bias = f.boolean("projectors_bias").value_or(false);
  s.in_scale = factor(f, "ssm_in_multiplier");
  s.out_scale = factor(f, "ssm_out_multiplier");
  s.part_scales = factors<5>(f, "ssm_multipliers");
  return s;
}

ModelConfig read_falcon_h1_config(const nlohmann::json& json, const std::string& where) {
  const ConfigFields f(json, where);
  ModelConfig m = read_llama_shape(f, {.norm_eps = 1e-5, .context = 8192});
  if (!json.contains("num_key_value_heads")) m.groups = 8;
  m.ssm = read_ssm(f, json, m.width);
  check_switches(f, m.ssm);
  check_time_steps(f);
  m.qkv_bias = m.dense_bias = f.boolean("attention_bias").value_or(false);
  m.mlp_bias = f.boolean("mlp_bias").value_or(false);
  m.attention_in_scale = factor(f, "attention_in_multiplier");
  m.attention_out_scale = factor(f, "attention_out_multiplier");
  m.key_scale = factor(f, "key_multiplier");
  const std::array<double, 2> mlp = factors<2>(f, "mlp_multipliers");
  m.gate_scale = mlp[0];
  m.down_scale = mlp[1];
  m.embedding_scale = factor(f, "embedding_multiplier");
  m.logit_scale = factor(f, "lm_head_multiplier");
  read_token_ids(json, where, m);
  return m;
}

ModuleNames falcon_h1_names(const ModelConfig&) {
  return {.layers = "model.layers.",
          .of_role = {{Role::kEmbedding, "model.embed_tokens"},
                      {Role::kAttentionNorm, "input_layernorm"},
                      {Role::kMlpNorm, "pre_ff_layernorm"},
                      {Role::kQ, "self_attn.q_proj"},
                      {Role::kK, "self_attn.k_proj"},
                      {Role::kV, "self_attn.v_proj"},
                      {Role::kDense, "self_attn.o_proj"},
                      {Role::kGate, "feed_forward.gate_proj"},
                      {Role::kUp, "feed_forward.up_proj"},
                      {Role::kDown, "feed_forward.down_proj"},
                      {Role::kSsmIn, "mamba.in_proj"},
                      {Role::kSsmConv, "mamba.conv1d"},
                      {Role::kSsmDecay, "mamba.A_log"},
                      {Role::kSsmSkip, "mamba.D"},
                      {Role::kSsmTimeBias, "mamba.dt_bias"},
                      {Role::kSsmNorm, "mamba.norm"},
                      {Role::kSsmOut, "mamba.out_proj"},
                      {Role::kFinalNorm, "model.final_layernorm"},
                      {Role::kHead, "lm_head"}}};
}

bool falcon_h1_ignores(std::string_view tensor) {
  return llama_ignores(tensor) || tensor.ends_with(".mamba.mup_vector");
}

template <class Json>
void add_biases(const ModelConfig& config, Json& json) {
  json["attention_bias"] = config.qkv_bias;
  json["mlp_bias"] = config.mlp_bias;
  json["mamba_proj_bias"] = config.ssm.in_bias;
  json["projectors_bias"] = config.ssm.out_bias;
}

void write_falcon_h1_config(const ModelConfig& config, nlohmann::json& json) {
  write_vocabulary(config, json);
  add_biases(config, json);
}

nlohmann::ordered_json falcon_h1_config_json(const ModelConfig& m) {
  nlohmann::ordered_json json = llama_config_json(m, "FalconH1ForCausalLM");
  add_biases(m, json);
  const SsmConfig& s = m.ssm;
  json["mamba_d_ssm"] = s.width();
  json["mamba_n_heads"] = s.heads;
  json["mamba_d_head"] = s.head_size;
  json["mamba_n_groups"] = s.groups;
  json["mamba_d_state"] = s.state;
  json["mamba_d_conv"] = s.taps;
  json["mamba_rms_norm"] = s.norm;
  json["mamba_norm_before_gate"] = false;
  json["mamba_conv_bias"] = s.conv_bias;
  json["ssm_in_multiplier"] = s.in_scale;
  json["ssm_out_multiplier"] = s.out_scale;
  json["ssm_multipliers"] = s.part_scales;
  json["attention_in_multiplier"] = m.attention_in_scale;
  json["attention_out_multiplier"] = m.attention_out_scale;
  json["key_multiplier"] = m.key_scale;
  json["mlp_multipliers"] = {m.gate_scale, m.down_scale};
  json["embedding_multiplier"] = m.embedding_scale;
  json["lm_head_multiplier"] = m.logit_scale;
  return json;
}

}  // namespace

const Architecture& falcon_h1_architecture() {
  static const Architecture made = {.name = "falcon_h1",
                                    .model_types = {"falcon_h1"},
                                    .read_config = read_falcon_h1_config,
                                    .names = falcon_h1_names,
                                    .ignores = falcon_h1_ignores,
                                    .write_config = write_falcon_h1_config,
                                    .config_json = falcon_h1_config_json};
  return made;
}

}  // namespace falconer
