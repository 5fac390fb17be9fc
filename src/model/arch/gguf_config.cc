#include "model/arch/gguf_config.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "checkpoint/gguf_tokenizer.h"
#include "model/arch/limits.h"

namespace falconer {
namespace {

/// A number that was rounded to f32, as the shortest text that means the same f32: 1e-5 again and not
/// 9.99999974738e-6. Others stay as they are.
double as_written(double number) {
  const auto narrow = static_cast<float>(number);
  if (static_cast<double>(narrow) != number || !std::isfinite(number)) return number;
  const std::string text = fmt::format("{}", narrow);
  double read = number;
  std::from_chars(text.data(), text.data() + text.size(), read);
  return read;
}

/// In f32, which is what a GGUF has; said where that is another number.
float in_f32(double number, const char* what) {
  const auto narrow = static_cast<float>(number);
  if (as_written(static_cast<double>(narrow)) != number)
    log_warning("a GGUF holds {} in 32 bits: {} becomes {}", what, number, narrow);
  return narrow;
}

}  // namespace

ModelConfig read_gguf_config(const Gguf& gguf) {
  const std::string where = gguf.path().string();
  const std::string_view architecture = gguf.text("general.architecture");
  if (architecture != "falcon")
    fail("{}: is a model of the architecture \"{}\"; of GGUF files those of \"falcon\" can be read",
         where, printable(architecture));
  if (const std::string_view type = gguf.text("general.type", "model"); type != "model")
    fail("{}: holds {}, not a model; give it where it belongs", where, printable(type));
  ModelConfig m;
  m.layers = gguf.integer("falcon.block_count", {}, kLayerCounts);
  m.width = gguf.integer("falcon.embedding_length", {}, kWidths);
  m.heads = gguf.integer("falcon.attention.head_count", {}, kHeadCounts);
  m.groups = gguf.integer("falcon.attention.head_count_kv", m.heads, kHeadCounts);
  m.head_size = m.width / m.heads;
  m.mlp_width = gguf.integer("falcon.feed_forward_length", {}, kWidths);
  m.context = gguf.integer("falcon.context_length", 2048, kContexts);
  m.norm_eps = as_written(gguf.number("falcon.attention.layer_norm_epsilon", {}, kNormEpsilons));
  m.rope_base = as_written(gguf.number("falcon.rope.freq_base", 10000.0, kRopeBases));
  m.rope_dims = gguf.integer("falcon.rope.dimension_count", m.head_size);
  if (m.rope_dims != m.head_size)
    fail("{}: {} of the {} dimensions of a head are rotated; a Falcon model's are all", where,
         m.rope_dims, m.head_size);
  if (gguf.text("falcon.rope.scaling.type", "none") != "none")
    fail("{}: its positions are scaled, which is not supported", where);
  const GgufTensor* embedding = gguf.tensor("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2)
    fail("{}: has no tensor token_embd.weight; it may hold a vocabulary alone", where);
  m.vocab = embedding->shape[0];
  m.shared_norm = gguf.tensor("blk.0.attn_norm_2.weight") == nullptr;
  m.tied_head = gguf.tensor("output.weight") == nullptr;
  m.eos_ids = ends_in_gguf(gguf);
  m.bos_id = token_id_in_gguf(gguf, "tokenizer.ggml.bos_token_id");
  return m;
}

void check_gguf_model(const ModelConfig& m) {
  const auto refuse = [](const char* what) {
    fail(
        "llama.cpp cannot compute this model: its Falcon has no {}. Export it with --format hf "
        "instead",
        what);
  };
  if (m.family != "falcon")
    fail("models of the family \"{}\" cannot be exported as GGUF, only Falcon's", m.family);
  if (m.alibi) refuse("ALiBi (as falcon-rw has it)");
  if (m.qkv_bias || m.dense_bias || m.mlp_bias)
    refuse("biases in its linear layers (falcon-rw, or a merged Adapter v2)");
  if (!m.parallel) refuse("attention and MLP one after the other");
}

void add_gguf_config(const ModelConfig& m, GgufMetadata& metadata) {
  check_gguf_model(m);
  const auto number = [&](const char* key, int64_t value) {
    metadata.add(std::string("falcon.") + key, static_cast<uint32_t>(value));
  };
  number("context_length", m.context);
  metadata.add("falcon.tensor_data_layout", "jploski");  // rows of attn_qkv: all q, all k, all v
  number("embedding_length", m.width);
  number("feed_forward_length", m.mlp_width);
  number("block_count", m.layers);
  number("attention.head_count", m.heads);
  number("attention.head_count_kv", m.groups);
  metadata.add("falcon.attention.layer_norm_epsilon", in_f32(m.norm_eps, "the norm's epsilon"));
  if (m.rope_base != 10000)
    metadata.add("falcon.rope.freq_base", in_f32(m.rope_base, "the rotary base"));
}

}  // namespace falconer
