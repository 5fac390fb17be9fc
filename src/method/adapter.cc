#include "method/adapter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "base/random.h"
#include "method/load_tensor.h"
#include "ops/prefix_attention.h"
#include "ops/residual.h"

namespace falconer {

PrefixHook::PrefixHook(const ModelConfig& config, int64_t layer, int64_t length) : layer_(layer) {
  const std::string base = fmt::format("transformer.h.{}.attn.", layer);
  prompt_ = {.name = base + "adapter_wte.weight", .shape = {length, config.width}};
  gate_ = {.name = base + "gating_factor", .shape = {1, 1, config.heads, 1}};
}

void PrefixHook::allocate(Arena& fixed, bool training) {
  for (Param* param : {&prompt_, &gate_}) {
    // The gate is [1,1,H,1] in files and one row of H here.
    const bool gate = param == &gate_;
    const int64_t rows = gate ? 1 : param->rows(), cols = gate ? param->size() : param->cols();
    param->value = fixed.push(rows, cols, Dtype::kF32);
    param->in_arena = true;
    if (!fixed.measuring()) clear(param->value);
    if (!training) continue;
    param->learns = true;
    param->grad = fixed.push(rows, cols, Dtype::kF32);
    if (!fixed.measuring()) clear(param->grad);
  }
}

void PrefixHook::initialise(uint64_t seed) {
  const RandomStream stream(seed, RandomPurpose::kInit, 2, static_cast<uint32_t>(layer_));
  std::vector<float> values;
  for (int64_t i = 0; i < prompt_.size(); ++i)
    values.push_back(stream.normal(static_cast<uint64_t>(i)));
  set_values(prompt_.value, values);
  clear(gate_.value);
}

void PrefixHook::forward(Run& run, const QkvProjection& qkv, const Heads& q, const View& out,
                         PrefixKept& kept, PrefixCache* cache) const {
  const QkvLayout& layout = qkv.layout();
  const int64_t length = prompt_.value.rows;
  if (cache != nullptr && cache->qkv) {
    kept.qkv = cache->qkv.view();
  } else {
    const bool keep = run.keep && trainable();
    kept.input = prompt_.value;
    if (run.activation != Dtype::kF32) {
      kept.input = run.push(keep && qkv.needs_x(), length, qkv.in());
      copy(run, prompt_.value, kept.input);
    }
    kept.qkv = run.push(keep, length, qkv.out());
    qkv.forward(run, kept.input, kept.qkv, kept.sites);
    if (cache != nullptr && !run.dry) {
      cache->qkv = Tensor(length, qkv.out(), run.activation, run.device());
      copy(run, kept.qkv, cache->qkv.view());
    }
  }
  prefix_attention_forward(run, {.q = q,
                                 .k = layout.k(kept.qkv),
                                 .v = layout.v(kept.qkv),
                                 .gate = gate_.value,
                                 .out = out,
                                 .scale = layout.scale,
                                 .cap = layout.cap});
}

void PrefixHook::backward(Run& run, const QkvProjection& qkv, const Heads& q, const View& dout,
                          const View& delta, const Heads& dq, PrefixKept& kept) const {
  const ArenaScope scope(*run.scratch);
  const QkvLayout& layout = qkv.layout();
  const int64_t length = prompt_.value.rows;
  const View dqkv = run.scratch->push(length, qkv.out(), run.activation);
  set_zero(run, dqkv);  // the prompt's queries are not used
  prefix_attention_backward(run, {.q = q,
                                  .k = layout.k(kept.qkv),
                                  .v = layout.v(kept.qkv),
                                  .gate = gate_.value,
                                  .dout = dout,
                                  .delta = delta,
                                  .dq = dq,
                                  .dk = layout.k(dqkv),
                                  .dv = layout.v(dqkv),
                                  .dgate = gate_.grad,
                                  .scale = layout.scale,
                                  .cap = layout.cap});
  if (!trainable()) return;
  const View d = run.scratch->push(length, qkv.in(), run.activation);
  qkv.backward(run, kept.sites, dqkv, d);
  const View wide = run.scratch->push(length, qkv.in(), Dtype::kF32);
  copy(run, d, wide);
  residual(run, {.x = prompt_.grad, .a = wide, .y = prompt_.grad});
}

void Adapter::attach_prefixes(Decoder& decoder, Arena& fixed, bool training) {
  const ModelConfig& config = decoder.config();
  if (!kAdapterLength.holds(options_.adapter_length))
    fail_usage("--adapter-length is {}, expected {}", options_.adapter_length,
               expectation(kAdapterLength));
  if (!kAdapterStart.holds(options_.adapter_start_layer))
    fail_usage("--adapter-start-layer is {}, expected {}", options_.adapter_start_layer,
               expectation(kAdapterStart));
  options_.adapter_start_layer = adapter_start(options_.adapter_start_layer, config.layers);
  for (int64_t l = options_.adapter_start_layer; l < config.layers; ++l) {
    auto hook = std::make_unique<PrefixHook>(config, l, options_.adapter_length);
    hook->allocate(fixed, training);
    decoder.blocks()[l].attention().attach(hook.get());
    params_.push_back(&hook->prompt());
    params_.push_back(&hook->gate());
    prefixes_.push_back(std::move(hook));
  }
}

void Adapter::attach(Run&, Decoder& decoder, Weights&, Arena& fixed, bool training) {
  attach_prefixes(decoder, fixed, training);
}

void Adapter::initialise(uint64_t seed) {
  for (const auto& hook : prefixes_) hook->initialise(seed);
}

std::string Adapter::config_json(const char* type) const {
  nlohmann::ordered_json config;
  config["peft_type"] = type;
  config["task_type"] = "CAUSAL_LM";
  config["adapter_length"] = options_.adapter_length;
  config["adapter_start_layer"] = options_.adapter_start_layer;
  return json_text(config, 2) + "\n";
}

void Adapter::save_prefixes(SavedAdapter& saved) const {
  for (const auto& hook : prefixes_)
    for (const Param* param : {&std::as_const(*hook).prompt(), &std::as_const(*hook).gate()})
      saved.tensors.push_back({param->name, param->shape, host_values(param->value)});
}

void Adapter::load_prefixes(AdapterReader& reader) {
  for (const auto& hook : prefixes_) {
    set_values(hook->prompt().value, reader.read(hook->prompt().name, hook->prompt().shape));
    // LitGPT's gates are [1,1,H,1], Lit-Parrot's [1,H,1,1].
    std::vector<int64_t> shape = hook->gate().shape;
    if (const StoredTensor* gate = reader.find(hook->gate().name);
        gate != nullptr && gate->shape == std::vector<int64_t>{1, shape[2], 1, 1})
      shape = gate->shape;
    set_values(hook->gate().value, reader.read(hook->gate().name, shape));
  }
}

std::map<std::string, std::string> Adapter::settings() const {
  return {{"adapter_length", fmt::format("{}", options_.adapter_length)},
          {"adapter_start_layer", fmt::format("{}", options_.adapter_start_layer)}};
}

SavedAdapter Adapter::save() const {
  SavedAdapter saved{.config_json = config_json("ADAPTER")};
  save_prefixes(saved);
  std::sort(saved.tensors.begin(), saved.tensors.end(),
            [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
  return saved;
}

SavedAdapter Adapter::save_as(AdapterForm form) const {
  if (form == AdapterForm::kGguf)
    fail("llama.cpp has no prompts of LLaMA-Adapter; of an adapter it can use LoRA alone");
  SavedAdapter saved = save();
  if (form == AdapterForm::kLitParrot)
    for (SavedTensor& tensor : saved.tensors)
      if (tensor.name.ends_with(".gating_factor")) tensor.shape = {1, tensor.shape[2], 1, 1};
  return saved;
}

void Adapter::load(const TensorFiles& files, const std::set<std::string>& copies) {
  AdapterReader reader(files, copies);
  load_prefixes(reader);
  reader.finish();
}

std::unique_ptr<Method> make_adapter(const MethodOptions& options) {
  return std::make_unique<Adapter>(options);
}

int64_t layer_of_lit_name(const std::string& name) {
  constexpr std::string_view kPrefix = "transformer.h.";
  if (!name.starts_with(kPrefix)) return -1;
  int64_t layer = -1;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return layer;
}

}  // namespace falconer
