// The whole decoder: embedding, blocks, last norm, head, loss; one forward for training, prefill
// and decode.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/block.h"
#include "model/rotations.h"
#include "model/visits.h"

namespace falconer {

/// Sum of the losses of next tokens, and how many there were.
struct LossSum {
  double sum = 0;
  int64_t count = 0;
};

class Decoder {
 public:
  /// `weights` must outlive the decoder. Tables are made in `fixed`.
  Decoder(const ModelConfig& config, const Weights& weights, Run& run, Arena& fixed);

  const ModelConfig& config() const { return config_; }
  std::vector<Block>& blocks() { return blocks_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  LinearSite& head() { return head_; }
  void attach(const EmbeddingHook* hook) { embedding_hook_ = hook; }
  const EmbeddingHook* hook() const { return embedding_hook_; }
  const Weights& weights() const { return *weights_; }
  /// Every linear layer, in the order of declaration.
  std::vector<LinearSite*> sites();

  /// Loss of the labelled tokens; train() also adds scale * its gradient to every trainable
  /// parameter. `losses` (1, targets) f32, in host memory, receives the single losses where it is not
  /// empty.
  LossSum loss(Run& run, const Batch& batch) const { return loss_and_gradient(run, batch, {}, {}); }
  LossSum loss(Run& run, const Batch& batch, const View& losses) const {
    return loss_and_gradient(run, batch, {}, losses);
  }
  LossSum train(Run& run, const Batch& batch, float scale) const {
    return loss_and_gradient(run, batch, scale, {});
  }

  /// Logits (n,V) f32, in host memory, of the rows listed in `rows` (1,n) i32, ascending. With a
  /// cache, the batch continues what the cache holds; an empty `out` only fills the cache.
  void logits(Run& run, const Batch& batch, const View& rows, const View& out,
              KvCache* cache = nullptr) const;

  /// What goes into each block, and what comes out behind the last norm, of all tokens: `out`
  /// ((layers+1)*N, C) f32, in host memory, has them below each other. The first is the embedding, the
  /// last what the head is given.
  void hidden_states(Run& run, const Batch& batch, const View& out) const;

  /// The first block whose backward is needed: 0 where the embedding learns or the first block
  /// does; the number of blocks where none does.
  int64_t first_trainable() const;

 private:
  /// Rows of the embedding, which an adapter may have given more than config() says.
  int64_t vocab() const { return weights_->embedding->rows(); }
  bool embedding_learns() const;
  struct LossPass;
  View blocks_forward(Run& run, LossPass& pass) const;
  void blocks_backward(Run& run, LossPass& pass, View dy, const View& dx) const;
  void embedding_gradient(Run& run, const Batch& batch, const View& dx) const;
  LossSum loss_and_gradient(Run& run, const Batch& batch, std::optional<float> scale,
                            const View& losses) const;
  View embed(Run& run, const Batch& batch, bool kept) const;
  /// The forward that keeps nothing: what comes out of the last block, of the rows listed in `rows` or, where
  /// that is empty, of all. `on_input`, where it is given, is told what goes into each block.
  using OnInput = std::function<void(int64_t layer, const View& x)>;
  View through_blocks(Run& run, const Batch& batch, const View& rows, KvCache* cache,
                      const OnInput& on_input = {}) const;
  View last_norm(Run& run, const View& x, bool keep, NormKept& kept) const;
  /// The head's product, scaled and capped as the model has it.
  void make_logits(Run& run, const View& n, const View& out, HookKept& kept) const;
  void go_along_with_heads(Run& run, const View& n, int64_t begin) const;
  void head_loss(Run& run, const LossPass& pass, const View& n, const View& dn, float scale,
                 const View& losses) const;
  LossSum sum_of(const Run& run, const View& own, const View& losses) const;

  ModelConfig config_;
  const Weights* weights_;
  std::vector<Block> blocks_;
  Norm norm_;
  LinearSite head_;
  const EmbeddingHook* embedding_hook_ = nullptr;
  mutable BlockTables tables_;
  mutable Rotations rotations_;  // behind the tables that it fills
};

}  // namespace falconer
