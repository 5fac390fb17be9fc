#include "model/block.h"

#include <algorithm>

#include "ops/embedding.h"
#include "ops/pass_observer.h"
#include "ops/residual.h"

namespace falconer {
namespace {

enum class MixerKind : uint8_t { kAttention, kMlp, kSsm };
struct PathPlan {
  std::optional<Role> norm;
  std::vector<MixerKind> mixers;
  std::optional<Role> behind = {};
};
using BlockPlan = std::vector<std::vector<PathPlan>>;

BlockPlan plan_of(const ModelConfig& config) {
  using enum MixerKind;
  PathPlan attention{Role::kAttentionNorm, {kAttention}}, mlp{Role::kMlpNorm, {kMlp}};
  if (config.norm_behind) {
    attention.behind = Role::kAttentionNormBehind;
    mlp.behind = Role::kMlpNormBehind;
  }
  if (config.ssm.heads > 0) attention.mixers = {kSsm, kAttention};
  if (!config.norm_before) attention.norm = mlp.norm = std::nullopt;
  if (!config.parallel) return {{attention}, {mlp}};
  if (!config.shared_norm) return {{attention, mlp}};
  return {{{Role::kAttentionNorm, {kAttention, kMlp}}}};
}

const char* name_of_norm(const Norm& norm) {
  switch (norm.id().role) {
    case Role::kAttentionNorm:
      return "input_norm";
    case Role::kMlpNorm:
      return "mlp_norm";
    case Role::kAttentionNormBehind:
      return "attention_norm_behind";
    default:
      return "mlp_norm_behind";
  }
}

}  // namespace

void Block::declare(const ModelConfig& config, int64_t layer, const ModuleVisitor& visit) {
  const BlockPlan plan = plan_of(config);
  for (const auto& branch : plan)
    for (const PathPlan& path : branch)
      for (const std::optional<Role>& norm : {path.norm, path.behind})
        if (norm) visit(Norm::declared(config, {layer, *norm}));
  for (const auto& branch : plan)
    for (const PathPlan& path : branch)
      for (const MixerKind mixer : path.mixers) {
        if (mixer == MixerKind::kAttention) Attention::declare(config, layer, visit);
        if (mixer == MixerKind::kMlp) Mlp::declare(config, layer, visit);
        if (mixer == MixerKind::kSsm) SsmMixer::declare(config, layer, visit);
      }
}

Block::Block(const ModelConfig& config, const Weights& weights, int64_t layer) : layer_(layer) {
  for (const auto& branch_plan : plan_of(config)) {
    Branch& branch = branches_.emplace_back();
    for (const PathPlan& plan : branch_plan) {
      Path& path = branch.emplace_back();
      if (plan.norm) path.norm.emplace(config, weights.at({layer, *plan.norm}));
      if (plan.behind) path.behind.emplace(config, weights.at({layer, *plan.behind}));
      for (const MixerKind kind : plan.mixers) {
        if (kind != MixerKind::kAttention) {
          if (kind == MixerKind::kMlp)
            path.mixers.push_back(std::make_unique<Mlp>(config, weights, layer));
          else
            path.mixers.push_back(std::make_unique<SsmMixer>(config, weights, layer));
          continue;
        }
        auto attention = std::make_unique<Attention>(config, weights, layer);
        attention_ = attention.get();
        path.mixers.push_back(std::move(attention));
      }
      // Behind the first branch the wanted rows alone are there.
      FALCONER_CHECK(branches_.size() == 1 || !path.mixes_rows());
      FALCONER_CHECK(!path.behind || path.mixers.size() == 1);
    }
  }
}

bool Block::Path::mixes_rows() const {
  return std::any_of(mixers.begin(), mixers.end(), [](const auto& m) { return m->mixes_rows(); });
}

bool Block::Path::trainable() const {
  return (norm && norm->trainable()) || (behind && behind->trainable()) ||
         std::any_of(mixers.begin(), mixers.end(), [](const auto& m) { return m->trainable(); });
}

bool Block::Path::wants_dout(bool want_dx) const {
  return wants_dn(want_dx) ||
         std::any_of(mixers.begin(), mixers.end(), [](const auto& m) { return m->trainable(); });
}

bool Block::trainable(const Branch& branch) {
  return std::any_of(branch.begin(), branch.end(),
                     [](const Path& path) { return path.trainable(); });
}

bool Block::trainable() const {
  return std::any_of(branches_.begin(), branches_.end(),
                     [](const Branch& branch) { return trainable(branch); });
}

std::vector<Mixer*> Block::mixers() const {
  std::vector<Mixer*> all;
  for (const Branch& branch : branches_)
    for (const Path& path : branch)
      for (const auto& mixer : path.mixers) all.push_back(mixer.get());
  return all;
}

bool Block::wants_dx(size_t b, bool want_dx) const {
  const auto before = branches_.begin() + static_cast<std::ptrdiff_t>(b);
  return want_dx || std::any_of(branches_.begin(), before,
                                [](const Branch& branch) { return trainable(branch); });
}

bool Block::reads_again(const Branch& branch, bool want_dx) const {
  return std::any_of(branch.begin(), branch.end(), [&](const Path& path) {
    if (path.norm) return path.norm->wants_dy(want_dx);
    return std::any_of(path.mixers.begin(), path.mixers.end(),
                       [](const auto& mixer) { return mixer->needs_input(); });
  });
}

/// What one backward works with.
struct Block::Back {
  Run& run;
  const Batch& batch;
  const BlockTables& tables;
  bool labelled;  // of the last block
  View wanted;    // in the first branch of the last block
};

struct Block::Pass {
  Run& run;
  const Batch& batch;
  const BlockTables& tables;
  BlockCache* cache;
  bool want_dx;
  BlockKept& kept;
  int64_t rows, width;           // of y
  std::vector<View> outputs;     // of a branch's mixers; their memory serves every branch
  size_t output = 0, mixer = 0;  // how many of a branch's outputs, of the block's mixers were used

  /// One that was made elsewhere.
  void use_output(const View& view) {
    outputs.resize(std::max(outputs.size(), output + 1));
    outputs[output++] = view;
  }
  View next_output() {
    if (output == outputs.size()) outputs.push_back(run.scratch->push(rows, width, run.activation));
    return outputs[output++];
  }
};

void Block::forward(Run& run, const Batch& batch, const View& x, const View& wanted, const View& y,
                    const BlockTables& tables, BlockCache* cache, bool want_dx,
                    BlockKept& kept) const {
  const ArenaScope scope(*run.scratch);
  kept.wanted = wanted;
  kept.branches.resize(branches_.size());
  Pass pass{.run = run,
            .batch = batch,
            .tables = tables,
            .cache = cache,
            .want_dx = want_dx,
            .kept = kept,
            .rows = wanted ? wanted.size() : x.rows,
            .width = x.cols,
            .outputs = {}};
  View from = x;
  for (size_t b = 0; b < branches_.size(); ++b) {
    View to = y;
    if (b + 1 < branches_.size()) {
      const bool keep = run.keep && reads_again(branches_[b + 1], wants_dx(b + 1, want_dx));
      if (keep || !y) to = run.push(keep, pass.rows, pass.width);
    }
    branch_forward(pass, b, from, to);
    from = to;
  }
  tell_made(run, {"block", layer_}, y);
}

void Block::branch_forward(Pass& pass, size_t b, const View& x, const View& y) const {
  const Branch& branch = branches_[b];
  Run& run = pass.run;
  const bool want_dx = wants_dx(b, pass.want_dx);
  const View wanted = b == 0 ? pass.kept.wanted : View{};
  View rows = x;  // of x, that are wanted
  if (wanted) {
    const bool keep = std::any_of(branch.begin(), branch.end(), [&](const Path& path) {
      return !path.mixes_rows() && path.wants_dn(want_dx);
    });
    rows = run.push(keep, pass.rows, x.cols);
    gather_forward(run, {.x = x, .index = wanted, .y = rows});
  }
  pass.output = 0;
  pass.kept.branches[b].resize(branch.size());
  for (size_t p = 0; p < branch.size(); ++p) {
    const bool all = branch[p].mixes_rows();
    path_forward(pass, branch[p], all ? x : rows, all ? wanted : View{}, static_cast<bool>(y),
                 want_dx, pass.kept.branches[b][p]);
  }
  if (!y) return;
  View sum = rows;
  for (size_t i = 0; i < pass.output; i += 2) {
    const View second = i + 1 < pass.output ? pass.outputs[i + 1] : View{};
    residual(run, {.x = sum, .a = pass.outputs[i], .b = second, .y = y});
    sum = y;
  }
}

void Block::path_forward(Pass& pass, const Path& path, const View& in, const View& wanted,
                         bool want_out, bool want_dx, PathKept& kept) const {
  Run& run = pass.run;
  const bool want_dn = path.wants_dn(want_dx);
  View n = in;
  if (path.norm) {
    const bool keep = std::any_of(path.mixers.begin(), path.mixers.end(), [&](const auto& mixer) {
      return (mixer->mixes_rows() || !wanted) && mixer->needs_input();
    });
    n = path.norm->forward(run, in, want_dn, keep, kept.norm);
    tell_made(run, {name_of_norm(*path.norm), layer_}, n);
  }
  kept.mixers.resize(path.mixers.size());
  for (size_t m = 0; m < path.mixers.size(); ++m) {
    const Mixer& mixer = *path.mixers[m];
    View own = n;
    if (wanted && !mixer.mixes_rows()) {
      own = run.push(mixer.needs_input(), wanted.size(), n.cols);
      gather_forward(run, {.x = n, .index = wanted, .y = own});
    }
    // Where a norm behind learns or hands its gradient on, it reads what the mixer gives again.
    const bool again = path.behind && path.behind->wants_dy(path.wants_dout(want_dx));
    View y;
    if (path.behind && (want_out || again))
      y = run.push(again, pass.rows, pass.width);
    else if (want_out)
      y = pass.next_output();
    mixer_forward(pass, mixer, own, wanted, y, want_dn, kept.mixers[m]);
    if (!path.behind || !y) continue;
    const View normed = path.behind->forward(run, y, again, false, kept.behind);
    tell_made(run, {name_of_norm(*path.behind), layer_}, normed);
    if (want_out) pass.use_output(normed);
  }
}

void Block::mixer_forward(Pass& pass, const Mixer& mixer, const View& n, const View& wanted,
                          const View& y, bool want_dn, MixerKept& kept) const {
  MixerCache* const cache = pass.cache != nullptr ? &(*pass.cache)[pass.mixer] : nullptr;
  ++pass.mixer;
  const LabelledRows labelled(pass.run, pass.kept.wanted && !mixer.mixes_rows());
  mixer.forward(pass.run, {.batch = pass.batch, .wanted = wanted, .tables = pass.tables}, n, y,
                cache, want_dn, kept);
  tell_made(pass.run, {mixer.name(), layer_}, y);
}

void Block::backward(Run& run, const Batch& batch, const View& dy, const View& dx,
                     const BlockTables& tables, bool want_dx, BlockKept& kept) const {
  const ArenaScope scope(*run.scratch);
  Back back{.run = run,
            .batch = batch,
            .tables = tables,
            .labelled = static_cast<bool>(kept.wanted),
            .wanted = {}};
  for (size_t b = branches_.size(); b-- > 0;) {
    if (b == 0) back.wanted = kept.wanted;
    branch_backward(back, branches_[b], dy, b == 0 ? dx : dy, wants_dx(b, want_dx),
                    kept.branches[b]);
  }
}

// The gradient of what a path's mixer gave, from that of what its norm behind made of it.
View Block::before_norm(Run& run, const Path& path, const View& dy, bool want_dx,
                        const PathKept& kept) {
  View dout;
  if (path.wants_dout(want_dx)) {
    dout = run.scratch->push(dy.rows, dy.cols, run.activation);
    set_zero(run, dout);
  }
  path.behind->backward(run, dy, dout, kept.behind);
  return dout;
}

// From dout, the gradient of what the mixers gave, to dn, that of what they read: the last one's sets it, the
// others add to it.
void Block::path_backward(const Back& back, const Path& path, const View& dout, const View& dn,
                          PathKept& kept) const {
  Run& run = back.run;
  for (size_t m = path.mixers.size(); m-- > 0;) {
    const Mixer& mixer = *path.mixers[m];
    const bool gathered = back.wanted && path.mixes_rows() && !mixer.mixes_rows();
    const bool add = m + 1 < path.mixers.size();
    FALCONER_CHECK(!(gathered && add));  // it is last in its path
    const View own = gathered && dn ? run.scratch->push(dout.rows, dout.cols, run.activation) : dn;
    {
      const LabelledRows labelled(run, back.labelled && !mixer.mixes_rows());
      mixer.backward(run, {.batch = back.batch, .wanted = back.wanted, .tables = back.tables}, dout,
                     own, add, kept.mixers[m]);
    }
    if (gathered && dn) gather_backward(run, {.dy = own, .index = back.wanted, .dx = dn});
  }
}

// The mixers first, all of which read dy; only then it becomes the gradient of x.
void Block::branch_backward(const Back& back, const Branch& branch, const View& dy, const View& dx,
                            bool want_dx, std::vector<PathKept>& kept) const {
  Run& run = back.run;
  std::vector<View> dns(branch.size());
  for (size_t p = branch.size(); p-- > 0;) {
    const Path& path = branch[p];
    const View dout = path.behind ? before_norm(run, path, dy, want_dx, kept[p]) : dy;
    if (path.wants_dn(want_dx))
      dns[p] = run.scratch->push(path.mixes_rows() ? dx.rows : dy.rows, dy.cols, run.activation);
    if (dout) path_backward(back, path, dout, dns[p], kept[p]);
  }
  const auto add_gradients = [&](bool of_all_rows, const View& to) {
    for (size_t p = branch.size(); p-- > 0;) {
      if (branch[p].mixes_rows() != of_all_rows || !dns[p]) continue;
      if (branch[p].norm)
        branch[p].norm->backward(run, dns[p], want_dx ? to : View{}, kept[p].norm);
      else
        residual(run, {.x = to, .a = dns[p], .y = to});
    }
  };
  add_gradients(false, dy);
  if (back.wanted && want_dx) gather_backward(run, {.dy = dy, .index = back.wanted, .dx = dx});
  add_gradients(true, dx);
}

}  // namespace falconer
