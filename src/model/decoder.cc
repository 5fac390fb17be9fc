#include "model/decoder.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/scaled_input.h"
#include "ops/embedding.h"
#include "ops/loss.h"
#include "ops/pass_observer.h"
#include "ops/residual.h"
#include "ops/soft_cap.h"

namespace falconer {
namespace {

// ALiBi's slopes, as the reference builds them: powers of 2^(-8/n) for the nearest power of two n,
// then every other power of the next. They are rounded to bf16 there, and so here.
void fill_alibi(const View& out) {
  const int64_t heads = out.cols;
  std::vector<float> slopes;
  int64_t n = 1;
  while (2 * n <= heads) n *= 2;
  const double base = std::pow(2.0, -std::pow(2.0, -(std::log2(static_cast<double>(n)) - 3)));
  const double extra =
      std::pow(2.0, -std::pow(2.0, -(std::log2(2.0 * static_cast<double>(n)) - 3)));
  for (int64_t h = 0; h < heads; ++h) {
    const double slope = h < n ? std::pow(base, static_cast<double>(h + 1))
                               : std::pow(extra, static_cast<double>(2 * (h - n) + 1));
    slopes.push_back(BF16(static_cast<float>(slope)));
  }
  set_values(out, slopes);
}

// Tokens whose rows a band has, as they follow each other, with their rows counted from the band's first. All of
// them where it is the whole table.
template <class Use>
void for_ids_in(const Run& run, const View& ids, const Band& band, int64_t rows, const Use& use) {
  if (band.pieces.n == 0 || run.dry) return use(0, ids);
  const int32_t* const all = ids.row<int32_t>(0);
  const auto within = [&](int64_t i) { return all[i] >= band.row && all[i] < band.row + rows; };
  for (int64_t i = 0; i < ids.size(); ++i) {
    const int64_t first = i;
    std::vector<int32_t> some;
    for (; i < ids.size() && within(i); ++i)
      some.push_back(all[i] - static_cast<int32_t>(band.row));
    if (const int64_t count = std::ssize(some); count > 0)
      use(first, View{some.data(), 1, count, count, Dtype::kI32, nullptr});
  }
}

}  // namespace

Decoder::Decoder(const ModelConfig& config, const Weights& weights, Run& run, Arena& fixed)
    : config_(config),
      weights_(&weights),
      norm_(config, weights.at({ModuleId::kOutside, Role::kFinalNorm})),
      head_(weights.head()),
      rotations_(config, run, fixed, tables_) {
  for (int64_t i = 0; i < config.layers; ++i) blocks_.emplace_back(config, weights, i);
  if (config.alibi) {
    tables_.alibi = fixed.push(1, config.heads, Dtype::kF32);
    if (!fixed.measuring()) fill_alibi(tables_.alibi);
  }
}

std::vector<LinearSite*> Decoder::sites() {
  std::vector<LinearSite*> all;
  for (const Block& block : blocks_)
    for (Mixer* mixer : block.mixers())
      for (LinearSite* site : mixer->sites()) all.push_back(site);
  all.push_back(&head_);
  return all;
}

bool Decoder::embedding_learns() const {
  return weights_->embedding->trainable() ||
         (embedding_hook_ != nullptr && embedding_hook_->trainable());
}

int64_t Decoder::first_trainable() const {
  if (embedding_learns()) return 0;
  int64_t first = 0;
  while (first < config_.layers && !blocks_[first].trainable()) ++first;
  return first;
}

View Decoder::embed(Run& run, const Batch& batch, bool kept) const {
  // Whoever made the ids: nothing is read or learned beyond the table.
  if (batch.least_id < 0 || batch.most_id >= vocab())
    fail("there is a token {}, and the model's embedding has {} rows (ids 0 to {})",
         batch.least_id < 0 ? batch.least_id : batch.most_id, vocab(), vocab() - 1);
  const View x = run.push(kept, batch.tokens(), config_.width);
  const InPart part(run, {"embedding"});
  if (embedding_hook_ != nullptr) embedding_hook_->before(run);
  const Visit visit(run, kAtEmbedding, config_.layers > 0 ? 0 : kAtHead);
  for_bands_of(run, *weights_->embedding, VisitFor::kForward,
               [&](const Band& band, const View& w, const View&) {
                 for_ids_in(run, batch.ids, band, w.rows, [&](int64_t first, const View& ids) {
                   embedding_forward(run,
                                     {.ids = ids, .w = w, .y = x.row_range(first, ids.size())});
                 });
               });
  scale_by(run, x, config_.embedding_scale);
  tell_made(run, {"embedding"}, x);
  return x;
}

View Decoder::last_norm(Run& run, const View& x, bool keep, NormKept& kept) const {
  const InPart part(run, {"final_norm"});
  const View n = norm_.forward(run, x, keep, keep, kept);
  tell_made(run, {"final_norm"}, n);
  return n;
}

void Decoder::make_logits(Run& run, const View& n, const View& out, HookKept& kept) const {
  const bool alone = head_.is_product_alone();
  head_.forward(run, n, out, kept, alone ? static_cast<float>(config_.logit_scale) : 1);
  if (!alone) scale_by(run, out, config_.logit_scale);
  if (config_.logit_cap != 0)
    soft_cap_forward(run, {.x = out, .cap = static_cast<float>(config_.logit_cap)});
}

/// What a pass is for, and what its forward leaves for its backward.
struct Decoder::LossPass {
  const Batch& batch;
  bool backward;
  int64_t first;   // block that backward goes down to
  bool embedding;  // learns
  std::vector<BlockKept> kept;
  std::vector<size_t> marks;
  std::vector<View> inputs;

  bool wants_dx(int64_t l) const { return l > first || embedding; }
};

// Head, loss and their gradients go in chunks of rows: logits never exist whole.
void Decoder::head_loss(Run& run, const LossPass& pass, const View& n, const View& dn, float scale,
                        const View& losses) const {
  const Batch& batch = pass.batch;
  const bool backward = pass.backward;
  const InPart part(run, {"head"});
  const Visit visit(run, kAtHead,
                    pass.backward && pass.first < config_.layers ? config_.layers - 1 : kNowhere);
  // As often as any rank: the others wait for this one's pieces.
  for (int64_t begin = 0; begin < std::max(n.rows, run.head_rows); begin += run.head_chunk) {
    const ArenaScope scope(*run.scratch), kept_scope(*run.kept);
    const LabelledRows labelled(run, true, begin);
    const int64_t rows = std::clamp<int64_t>(n.rows - begin, 0, run.head_chunk);
    const View logits = run.scratch->push(rows, vocab(), Dtype::kF32);
    HookKept kept;
    make_logits(run, n.row_range(begin, rows), logits, kept);
    View dlogits;  // in the place of the logits, unless these are read again
    if (backward)
      dlogits = run.activation == Dtype::kF32 && config_.logit_cap == 0
                    ? logits
                    : run.scratch->push(rows, vocab(), run.activation);
    cross_entropy(run, {.logits = logits,
                        .targets = batch.targets.col_range(begin, rows),
                        .losses = losses.col_range(begin, rows).reshape(rows, 1),
                        .dlogits = dlogits,
                        .scale = scale * static_cast<float>(config_.logit_scale)});
    if (backward) {
      const InPart back(run, {.name = "head", .backward = true});
      if (config_.logit_cap != 0)
        soft_cap_backward(
            run, {.y = logits, .d = dlogits, .cap = static_cast<float>(config_.logit_cap)});
      head_.backward(run, kept, dlogits, dn.row_range(begin, rows));
    }
  }
}

View Decoder::blocks_forward(Run& run, LossPass& pass) const {
  const Batch& batch = pass.batch;
  run.keep = pass.backward && pass.first == 0;
  View x = embed(run, batch, true);
  for (int64_t l = 0; l < config_.layers; ++l) {
    const bool learns = pass.backward && l >= pass.first;
    run.keep = learns && !run.recompute;
    pass.inputs[l] = x;
    pass.marks[l] = run.kept->mark();
    // Below the first block that learns nothing is kept, and each block writes over its input. Of
    // the last one only the labelled rows are read.
    const View wanted = l + 1 == config_.layers ? batch.target_rows : View{};
    const View y = wanted   ? run.scratch->push(wanted.size(), x.cols, run.activation)
                   : learns ? run.kept->push(x.rows, x.cols, run.activation)
                            : x;
    const Visit visit(run, l, l + 1 < config_.layers ? l + 1 : kAtHead);
    const InPart part(run, {"layer", l});
    blocks_[l].forward(run, batch, x, wanted, y, tables_, nullptr, pass.wants_dx(l), pass.kept[l]);
    x = y;
  }
  return x;
}

// dx (N,C) serves every block; what is in it at the end is the embedding's.
void Decoder::blocks_backward(Run& run, LossPass& pass, View dy, const View& dx) const {
  const Batch& batch = pass.batch;
  for (int64_t l = config_.layers - 1; l >= pass.first; --l) {
    const Visit visit(run, l, l > pass.first ? l - 1 : kNowhere);
    const InPart part(run, {.name = "layer", .layer = l, .backward = true});
    if (run.recompute) {
      run.kept->release(pass.marks[l]);
      pass.kept[l] = {};
      const View wanted = l + 1 == config_.layers ? batch.target_rows : View{};
      blocks_[l].forward(run, batch, pass.inputs[l], wanted, {}, tables_, nullptr, pass.wants_dx(l),
                         pass.kept[l]);
    }
    blocks_[l].backward(run, batch, dy, dx, tables_, pass.wants_dx(l), pass.kept[l]);
    dy = dx;
    run.kept->release(pass.marks[l]);
  }
}

// dx, the gradient of what the embedding gave, is used up.
void Decoder::embedding_gradient(Run& run, const Batch& batch, const View& dx) const {
  const InPart part(run, {.name = "embedding", .backward = true});
  if (config_.embedding_scale != 1)
    scale(run, {.x = dx, .factor = static_cast<float>(config_.embedding_scale)});
  if (weights_->embedding->trainable()) {
    const Visit visit(run, kAtEmbedding, kNowhere);
    for_bands_of(run, *weights_->embedding, VisitFor::kGradients,
                 [&](const Band& band, const View&, const View& dw) {
                   for_ids_in(run, batch.ids, band, dw.rows, [&](int64_t first, const View& ids) {
                     embedding_backward(
                         run, {.ids = ids, .dy = dx.row_range(first, ids.size()), .dw = dw});
                   });
                 });
  }
  if (embedding_hook_ != nullptr && embedding_hook_->trainable())
    embedding_hook_->backward(run, batch, dx);
}

LossSum Decoder::loss_and_gradient(Run& run, const Batch& batch, std::optional<float> scale,
                                   const View& losses) const {
  if (batch.target_count() == 0) return {};
  rotations_.reach(run, batch, tables_);
  const ArenaScope scope(*run.scratch), kept_scope(*run.kept);
  const bool backward = scale.has_value();
  const auto layers = static_cast<size_t>(config_.layers);
  LossPass pass{.batch = batch,
                .backward = backward,
                .first = backward ? first_trainable() : config_.layers,
                .embedding = backward && embedding_learns(),
                .kept = std::vector<BlockKept>(layers),
                .marks = std::vector<size_t>(layers),
                .inputs = std::vector<View>(layers)};
  const View x = blocks_forward(run, pass);
  run.keep = backward;
  NormKept norm;
  const View n = last_norm(run, x, backward, norm);
  // Somebody below the head learns: its input's gradient is wanted.
  const bool below = pass.wants_dx(config_.layers);
  const bool want_dn = backward && norm_.wants_dy(below);
  const View dn = want_dn ? run.scratch->push(n.rows, n.cols, run.activation) : View{};
  const View own = run.scratch->push(1, n.rows, Dtype::kF32);
  head_loss(run, pass, n, dn, scale.value_or(0), own);
  if (!backward) return sum_of(run, own, losses);
  const View dy = run.scratch->push(n.rows, n.cols, run.activation);
  if (want_dn) {
    const InPart part(run, {.name = "final_norm", .backward = true});
    set_zero(run, dy);
    norm_.backward(run, dn, below ? dy : View{}, norm);
  }
  const View dx = run.scratch->push(batch.tokens(), config_.width, run.activation);
  blocks_backward(run, pass, dy, dx);
  if (pass.embedding) embedding_gradient(run, batch, dx);
  return sum_of(run, own, losses);
}

// Read last: on a device this waits for all that was queued.
LossSum Decoder::sum_of(const Run& run, const View& own, const View& losses) const {
  LossSum total{.sum = 0, .count = own.size()};
  if (run.dry) return total;
  const std::vector<float> values = host_values(own);
  for (const float loss : values) total.sum += static_cast<double>(loss);
  if (losses) set_values(losses, values);
  return total;
}

View Decoder::through_blocks(Run& run, const Batch& batch, const View& rows, KvCache* cache,
                             const OnInput& on_input) const {
  View x = embed(run, batch, false);
  for (int64_t l = 0; l < config_.layers; ++l) {
    if (on_input) on_input(l, x);
    BlockKept kept;
    const Visit visit(run, l, l + 1 < config_.layers ? l + 1 : kAtHead);
    const InPart part(run, {"layer", l});
    // A part of a prompt has few of them, if it is one row.
    const bool some = rows && l + 1 == config_.layers && (rows.size() < x.rows || run.as_many);
    const View y = some ? run.scratch->push(rows.size(), config_.width, run.activation) : x;
    blocks_[l].forward(run, batch, x, some ? rows : View{}, y, tables_,
                       cache != nullptr ? &cache->layer(l) : nullptr, false, kept);
    x = y;
  }
  return x;
}

// Another rank may need the head more often: in chunks of its rows. `begin`: of the first that this one has not made.
void Decoder::go_along_with_heads(Run& run, const View& n, int64_t begin) const {
  for (; begin < run.head_rows; begin += run.head_chunk) {
    const ArenaScope scope(*run.scratch);
    HookKept kept;
    make_logits(run, n.row_range(0, 0), run.scratch->push(0, vocab(), Dtype::kF32), kept);
  }
}

void Decoder::logits(Run& run, const Batch& batch, const View& rows, const View& out,
                     KvCache* cache) const {
  rotations_.reach(run, batch, tables_);
  const ArenaScope scope(*run.scratch);
  run.keep = false;
  const View x = through_blocks(run, batch, out ? rows : View{}, cache);
  if (!out) return;
  NormKept norm;
  const InPart part(run, {"head"});
  const LabelledRows labelled(run, true);
  const View n = last_norm(run, x, false, norm);
  const Visit visit(run, kAtHead, kNowhere);
  if (run.device() == nullptr) {
    HookKept kept;
    make_logits(run, n, out, kept);
    go_along_with_heads(run, n, run.head_chunk);
    return tell_made(run, {"logits"}, out);
  }
  int64_t begin = 0;
  for (; begin < n.rows; begin += run.head_chunk) {
    const ArenaScope chunk_scope(*run.scratch);
    const int64_t count = std::min(run.head_chunk, n.rows - begin);
    const View chunk = run.scratch->push(count, out.cols, Dtype::kF32);
    HookKept kept;
    make_logits(run, n.row_range(begin, count), chunk, kept);
    if (!run.dry) copy_converted(chunk, out.row_range(begin, count));
  }
  go_along_with_heads(run, n, begin);
  tell_made(run, {"logits"}, out);
}

void Decoder::hidden_states(Run& run, const Batch& batch, const View& out) const {
  rotations_.reach(run, batch, tables_);
  const ArenaScope scope(*run.scratch);
  run.keep = false;
  const auto hand_out = [&](int64_t state, const View& x) {
    if (!run.dry) copy_converted(x, out.row_range(state * x.rows, x.rows));
  };
  const View x = through_blocks(run, batch, {}, nullptr, hand_out);
  NormKept norm;
  const InPart part(run, {"head"});
  hand_out(config_.layers, last_norm(run, x, false, norm));
}

KvCache::KvCache(const Decoder& decoder, int64_t pages, Dtype dtype, Device* device,
                 int64_t sequences)
    : pages_(pages) {
  for (const Block& block : decoder.blocks()) {
    BlockCache& caches = layers_.emplace_back();
    for (const Mixer* mixer : block.mixers())
      caches.push_back(mixer->make_cache({pages * kPageRows, sequences}, dtype, device));
  }
}

void KvCache::copy_state(Run& run, int64_t from, int64_t to) {
  for (BlockCache& layer : layers_)
    for (const MixerCache& mixer : layer)
      for (const Tensor* tensor : {&mixer.states, &mixer.tails})
        if (tensor->view().rows > 0)
          copy(run, tensor->view().row_range(from, 1), tensor->view().row_range(to, 1));
}

int64_t KvCache::page_bytes(const Decoder& decoder, Dtype dtype) {
  int64_t bytes = 0;
  for (const Block& block : decoder.blocks())
    for (const Mixer* mixer : block.mixers()) bytes += kPageRows * mixer->cache_bytes(dtype);
  return bytes;
}

int64_t KvCache::state_bytes(const Decoder& decoder, Dtype dtype) {
  int64_t bytes = 0;
  for (const Block& block : decoder.blocks())
    for (const Mixer* mixer : block.mixers()) bytes += mixer->state_bytes(dtype);
  return bytes;
}

}  // namespace falconer
