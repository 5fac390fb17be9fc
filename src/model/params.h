// Named parameters, and the modules of a decoder that they belong to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_file.h"
#include "model/division.h"
#include "model/modules.h"
#include "ops/run.h"
#include "tensor/arena.h"

namespace falconer {

/// Rows of a matrix that the ranks put together at one time.
struct Band {
  int64_t row = 0, rows = 0;
  int64_t first = 0;   // its first element
  Pieces pieces = {};  // of its elements
  int64_t begin = 0,
          own = 0;  // this rank's piece: where in the band, and where among this rank's elements
  int64_t count = 0;
};

/// One tensor that a model or a method owns by name. `value` lies in a mapped file or in an arena.
/// What does not learn has no gradient. Gradients are f32 whatever the rest is, and trainable values too unless
/// the method says otherwise.
///
/// Of a job of several ranks, `value` and `grad` of a matrix may not be there; bands of them are, while they are
/// computed with (visits.h). What each rank keeps is in own_value and own_grad: its piece of every band, one behind
/// the other.
struct Param {
  std::string name;  // as in the files that it is read from and saved to
  std::vector<int64_t> shape;
  View value, grad;
  bool learns = false;
  int64_t layer = ModuleId::kOutside;  // of the decoder, that it belongs to
  bool in_arena = false;               // value is private memory, not a read-only map
  bool mapped = false;                 // value lies in a mapped file
  // Of a value in blocks: once more, as products in whole numbers read it (Kernels::pack_lanes), and what it was packed
  // from, in whose place an adapter may have put another value.
  View lanes;
  const void* packed = nullptr;
  bool whole =
      false;  // while it does not learn, products round it to 8 bits (LinearForward::whole)

  Division division;         // one rank: nothing of what follows is there
  View own_value, own_grad;  // (1, own_count()); own_grad is the sum over all ranks
  View whole_grad;           // where every rank has all of that sum

  bool trainable() const { return learns; }
  std::vector<Band> bands() const;
  int64_t own_count() const;
  /// This rank's piece of a band's values, which lie where the rank keeps them, and of the gradient's sum.
  View own_value_of(const Band& band) const;
  View own_grad_of(const Band& band) const;
  int64_t rows() const;
  int64_t cols() const;
  int64_t size() const { return rows() * cols(); }
  /// Small and always in f32: a bias, a norm, the taps of a convolution. Nothing of it is divided or quantised.
  bool vector() const { return shape.size() != 2; }
};

/// This rank's piece of a band (1,n), in a whole matrix.
View piece_of(const View& whole, const Band& band);

/// Gives `param` a gradient (zeroed) and a value of its own in `arena`: vectors in f32, matrices as
/// `matrix`. A matrix of the model that ranks divide gets its piece of them. With a measuring arena only sizes are
/// noted.
void make_trainable(Param& param, Arena& arena, Dtype matrix = Dtype::kF32);

/// Gives a frozen vector another memory in `arena`, with the value that it has: what is then set leaves the
/// one before as it is, and whoever keeps its view can bring it back.
void own_value(Param& param, Arena& arena);

/// A module with its tensors.
struct Module {
  ModuleId id;
  ModuleKind kind = ModuleKind::kLinear;
  std::string name;  // "transformer.h.0.mlp.dense_h_to_4h"
  Param* w = nullptr;
  Param* b = nullptr;  // null: no bias
  std::vector<SitePart> parts = {};
  int32_t number = 0;  // of linear layers, in the order of declaration: names their random numbers
};

/// All tensors of a decoder. The head's weight is the embedding where the head is tied.
struct Weights {
  std::vector<std::unique_ptr<Param>> params;  // in the order in which they are saved
  std::vector<Module> modules;                 // as declared
  Param* embedding = nullptr;

  /// Null: this model has none there.
  const Module* find(const ModuleId& id) const;
  /// Internal error: this model has none there.
  const Module& at(const ModuleId& id) const;
  const Module& head() const { return at({ModuleId::kOutside, Role::kHead}); }
};

/// Names and shapes, no values yet. Matrices are divided as `division` says.
Weights declare_weights(const ModelConfig& config, const Division& division = {});

/// Values from files. A matrix whose stored dtype is `matrix` or bf16, or f16 where `matrix` is f32, or that is in
/// blocks, is used where it is mapped (blocks that a file has in pieces are put together); others are converted to
/// `matrix` into `fixed`; vectors always become f32. On a device that is left to place_weights(), once it is known what
/// will learn, but for what is in another order or packed in files. `quantise`: matrices of layers that are not in blocks
/// become blocks of this format, or of one that fits their rows (fitting_format()), in the host's memory. With a measuring
/// arena nothing is read. Errors: a tensor is missing, has another shape, or is one that this architecture does not have.
void load_weights(Weights& weights, const ModelConfig& config, const TensorFiles& files,
                  Dtype matrix, Arena& fixed, std::optional<Dtype> quantise = {});

/// For a plan, with a measuring arena: as load_weights() would, of files with plain matrices of `stored`.
void assume_weights(Weights& weights, Dtype stored, Dtype matrix, Arena& fixed,
                    std::optional<Dtype> quantise = {});

/// Matrices of `dtype` from N(0, init_std), norms that multiply by 1, biases 0 in f32, by counted random
/// numbers from `seed`.
void init_weights(Run& run, Weights& weights, const ModelConfig& config, uint64_t seed, Dtype dtype,
                  Arena& fixed);

/// Of matrices that are divided and that still lie in mapped files, this rank's piece goes to `fixed`; on a device
/// as `activation`.
void divide_mapped(Weights& weights, Dtype activation, Arena& fixed);

/// On a device: what load_weights() left in files goes to `fixed`, matrices as `activation`. Nothing
/// on the host, nor for what is there already, or is divide_mapped()'s.
void place_weights(Weights& weights, Dtype activation, Arena& fixed);

/// Error: a tensor of `weights`, which are those of `config`, is missing from the files or has
/// another shape, or they hold one that this architecture does not have.
void check_weights(const Weights& weights, const ModelConfig& config, const TensorFiles& files);

/// Memory for the vectors (zeros); matrices stay without values.
void allocate_vectors(Weights& weights, Arena& fixed);

/// True where the config says tied but the files hold a head of its own that differs from the
/// embedding.
bool head_differs(const ModelConfig& config, const TensorFiles& files);

}  // namespace falconer
