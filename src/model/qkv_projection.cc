#include "model/qkv_projection.h"

#include <algorithm>
#include <cmath>

#include "model/qkv_rows.h"

namespace falconer {

void QkvProjection::declare(const ModelConfig& c, int64_t layer, const ModuleVisitor& visit) {
  const auto linear = [&](Role role, int64_t out, std::vector<SitePart> parts = {}) {
    visit({.id = {layer, role},
           .out = out,
           .in = c.width,
           .bias = c.qkv_bias,
           .parts = std::move(parts)});
  };
  if (c.qkv != ModelConfig::Qkv::kSplit) return linear(Role::kQkv, c.qkv_rows(), qkv_parts(c));
  linear(Role::kQ, c.q_rows());
  linear(Role::kK, c.kv_rows());
  linear(Role::kV, c.kv_rows());
}

namespace {

double score_scale(const ModelConfig& config) {
  return config.score_scale != 0 ? config.score_scale
                                 : 1.0 / std::sqrt(static_cast<double>(config.head_size));
}

}  // namespace

// A factor on keys is one on scores.
QkvProjection::QkvProjection(const ModelConfig& config, const Weights& weights, int64_t layer)
    : layout_{.groups = config.groups,
              .per_group = config.per_group(),
              .size = config.head_size,
              .by_group = config.qkv == ModelConfig::Qkv::kByGroup,
              .scale = static_cast<float>(config.key_scale * score_scale(config)),
              .cap = static_cast<float>(config.score_cap)} {
  declare(config, layer,
          [&](const ModuleShape& module) { sites_.emplace_back(weights.at(module.id)); });
}

int64_t QkvProjection::out() const {
  int64_t total = 0;
  for (const LinearSite& site : sites_) total += site.out();
  return total;
}

bool QkvProjection::trainable() const {
  return std::any_of(sites_.begin(), sites_.end(),
                     [](const LinearSite& site) { return site.trainable(); });
}

bool QkvProjection::needs_x() const {
  return std::any_of(sites_.begin(), sites_.end(),
                     [](const LinearSite& site) { return site.needs_x(); });
}

void QkvProjection::forward(Run& run, const View& x, const View& qkv, QkvKept& kept) const {
  int64_t column = 0;
  for (size_t i = 0; i < sites_.size(); ++i) {
    sites_[i].forward(run, x, qkv.col_range(column, sites_[i].out()), kept.sites[i]);
    column += sites_[i].out();
  }
}

void QkvProjection::backward(Run& run, QkvKept& kept, const View& dqkv, const View& dx,
                             bool add_dx) const {
  int64_t column = 0;
  for (size_t i = 0; i < sites_.size(); ++i) {
    sites_[i].backward(run, kept.sites[i], dqkv.col_range(column, sites_[i].out()), dx,
                       add_dx || i > 0);
    column += sites_[i].out();
  }
}

}  // namespace falconer
