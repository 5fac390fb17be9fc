#include "model/arch/rope_settings.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace falconer {
namespace {

constexpr RealRange kShares{.least = 0, .most = 1};
constexpr RealRange kFactors{.least = 0, .most = 1e6, .open_least = true};

/// Of one kind of layers.
struct RopeSettings {
  double base;
  double share;  // of a head, that is rotated
  RopeScaling scaling;
};

std::vector<double> factors_in(const ConfigFields& f, const char* key) {
  const nlohmann::json* list = f.find(key);
  std::vector<double> values;
  if (list == nullptr) return values;
  if (!list->is_array())
    fail("{}: \"{}\" is {}, expected a list of numbers", f.where(), key, found_text(*list));
  for (const nlohmann::json& one : *list)
    values.push_back(real_number(one, key, kFactors, f.where()));
  return values;
}

RopeScaling read_scaling(const nlohmann::json& object, const ConfigFields& f) {
  const ConfigFields rope(object, f.where());
  RopeScaling s;
  const std::string name = rope.text({"rope_type", "type"}).value_or("default");
  const std::optional<RopeType> type = rope_type_of(name);
  if (!type)
    fail(
        "{}: rotary scaling of type \"{}\" is not supported; expected default, linear, dynamic, "
        "llama3, yarn or longrope",
        f.where(), printable(name));
  s.type = *type;
  s.factor = rope.real("factor", kFactors);
  // null is a factor of yarn: that of the contexts. Phi-3's longrope was called so, too.
  if (!s.factor &&
      (*type == RopeType::kLinear || *type == RopeType::kDynamic || *type == RopeType::kLlama3 ||
       (*type == RopeType::kYarn && !object.contains("factor") &&
        !object.contains("short_factor"))))
    fail("{}: rotary scaling of type \"{}\" has no \"factor\"", f.where(), name);
  // Beside the rest, as Phi-3's files have it, it wins.
  s.original_context =
      f.whole("original_max_position_embeddings", kContexts)
          .value_or(rope.whole("original_max_position_embeddings", kContexts).value_or(0));
  for (const auto& [key, value] : {std::pair("low_freq_factor", &s.low_freq_factor),
                                   std::pair("high_freq_factor", &s.high_freq_factor)})
    *value = *type == RopeType::kLlama3 ? rope.required_real(key, kFactors)
                                        : rope.real(key, kFactors).value_or(*value);
  if (*type == RopeType::kLlama3 && s.high_freq_factor <= s.low_freq_factor)
    fail("{}: \"high_freq_factor\" is {}, expected more than \"low_freq_factor\", {}", f.where(),
         s.high_freq_factor, s.low_freq_factor);
  s.attention_factor = rope.real("attention_factor", kFactors);
  s.mscale = rope.real("mscale", {.least = 0, .most = 1e6});
  s.mscale_all_dim = rope.real("mscale_all_dim", {.least = 0, .most = 1e6});
  s.beta_fast = rope.real("beta_fast", kFactors).value_or(32);
  s.beta_slow = rope.real("beta_slow", kFactors).value_or(1);
  s.truncate = rope.boolean("truncate").value_or(true);
  s.short_factors = factors_in(rope, "short_factor");
  s.long_factors = factors_in(rope, "long_factor");
  return s;
}

/// Shares that transformers would pass over: a model that was made with them computes something else there.
void refuse_or_leave_share(const ConfigFields& fields, const char* key, RopeType type) {
  const double share = fields.real(key, kShares).value_or(1);
  if (share == 1) return;
  if (type != RopeType::kDefault)
    fail(
        "{}: \"{}\" is {}, and positions are scaled: transformers has no model of this family with "
        "both; take one of them out",
        fields.where(), key, share);
  warn_once(fmt::format(
      "{}: \"{}\" is {}, which models of this family do not have; all of each head is rotated, as "
      "in transformers",
      fields.where(), key, share));
}

RopeSettings read_settings(const nlohmann::json& object, const ConfigFields& f,
                           const RopeDefaults& defaults) {
  const ConfigFields rope(object, f.where());
  const double base = f.real({"rope_theta", "rotary_emb_base"}, kRopeBases).value_or(defaults.base);
  RopeSettings read{.base = rope.real("rope_theta", kRopeBases).value_or(base),
                    .share = defaults.share,
                    .scaling = read_scaling(object, f)};
  if (defaults.share_key == nullptr) {
    refuse_or_leave_share(f, "partial_rotary_factor", read.scaling.type);
    refuse_or_leave_share(rope, "partial_rotary_factor", read.scaling.type);
    return read;
  }
  const double share = f.real(defaults.share_key, kShares).value_or(defaults.share);
  read.share = rope.real("partial_rotary_factor", kShares).value_or(share);
  return read;
}

/// Error: settings from which no rotation can be made, such as a base of 1 with yarn.
void check_frequencies(const ModelConfig& m, const std::string& where) {
  const RopeFrequencies made =
      rope_frequencies(m.rope_scaling, m.rope_base, m.rope_dims, m.context);
  const bool finite = std::all_of(made.values.begin(), made.values.end(),
                                  [](float value) { return std::isfinite(value); });
  if (!finite || !std::isfinite(made.factor))
    fail("{}: no rotation of positions comes out of a base of {} and its scaling", where,
         m.rope_base);
}

}  // namespace

void read_rope(const ConfigFields& f, ModelConfig& m, const RopeDefaults& defaults) {
  static const nlohmann::json none = nlohmann::json::object();
  const nlohmann::json* found = &none;
  for (const char* key : {"rope_parameters", "rope_scaling"})  // transformers takes the latter
    if (const nlohmann::json* one = f.find(key);
        one != nullptr && one->is_object() && !one->empty())
      found = one;
  const nlohmann::json &full = object_in(*found, "full_attention"),
                       &sliding = object_in(*found, "sliding_attention");
  const bool apart = !full.empty() || !sliding.empty();
  const RopeSettings all = read_settings(apart ? full : *found, f, defaults);
  m.rope_base = all.base;
  m.rope_dims = static_cast<int64_t>(static_cast<double>(m.head_size) * all.share);
  m.rope_scaling = all.scaling;
  for (const auto* factors : {&all.scaling.short_factors, &all.scaling.long_factors})
    if (all.scaling.type == RopeType::kLongRope && std::ssize(*factors) != m.rope_dims / 2)
      fail("{}: \"{}\" has {} numbers, expected {}, one for each pair of rotated dimensions",
           f.where(), factors == &all.scaling.short_factors ? "short_factor" : "long_factor",
           factors->size(), m.rope_dims / 2);
  if (m.rope_dims % 2 == 0 && m.rope_dims > 0) check_frequencies(m, f.where());
  if (const auto local = f.real("rope_local_base_freq", kRopeBases)) m.window_rope_base = *local;
  if (sliding.empty()) return;
  const RopeSettings windows = read_settings(sliding, f, defaults);
  if (windows.scaling.type != RopeType::kDefault || windows.share != all.share)
    fail(
        "{}: \"sliding_attention\" has a rotation that is scaled, or of another share of a head, "
        "which is not supported",
        f.where());
  m.window_rope_base = windows.base;
}

}  // namespace falconer
