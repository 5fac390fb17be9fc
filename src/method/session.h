// A model in memory, ready to run: weights, decoder, what a method attached, and the arenas,
// planned before allocated.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "method/learners.h"
#include "method/method.h"
#include "method/precision.h"
#include "model/divided_weights.h"
#include "model/mixed_rows.h"
#include "ops/devices.h"

namespace falconer {

/// What an optimizer keeps beside every trainable tensor.
struct OptimizerMemory {
  int moments = 0;       // tensors of its size
  bool coded = false;    // in 8 bits, with their scales behind them; small ones in f32 all the same
  bool offload = false;  // in the host's memory, where the device's kernels reach them
};

struct SessionOptions {
  std::string checkpoint;               // a Hugging Face folder
  std::string source;                   // whose config and tokenizer a saved model has; "": its
  std::optional<MethodOptions> method;  // attach a new one
  std::string adapter;  // or one that was saved (a folder or .pth), named "default", and
  std::optional<double> lora_dropout;      // the one setting that may be given beside it
  Precision precision = Precision::kAuto;  // see computed_in()
  bool training = false;
  OptimizerMemory optimizer;
  bool from_scratch = false;          // random weights for config.json, none are read
  std::optional<ModelConfig> config;  // with from_scratch: in the place of config.json
  std::optional<Dtype> assumed;  // a plan from config.json alone: what matrices would be stored in,
  std::string assumed_why;       // and what is said of it
  uint64_t seed = 1;
  std::string device = "cpu";        // as open_device() takes it
  bool deterministic = false;        // as Device::deterministic
  const Kernels* kernels = nullptr;  // in the place of the device's, for checking one by another
  std::optional<Dtype> quantise;  // matrices of layers, which then do not learn, become such blocks
  // Products with matrices in blocks round activations to 8 bits; of training, those with all linear layers that do not
  // learn round both, and gradients.
  bool whole_numbers = false;
  bool low_memory = false;  // forget mapped weights behind their use
  bool recompute = false;   // keep a block's input alone for backward
  Division division = {};   // of a job's ranks
  Ranks* ranks = nullptr;   // null: this process is alone, or memory is planned
  bool planning = false;    // sizes only: no memory is taken, no weight is read
  // The adapter's own tensors and no weights, which need not be there: it can be saved and merged,
  // and nothing can be run.
  bool adapter_only = false;
};

/// Bytes by what they are for.
struct MemoryPlan {
  size_t mapped = 0;    // weights read where they lie in files
  size_t fixed = 0;     // converted weights, trainable tensors, gradients, optimizer state, tables
  size_t kept = 0;      // activations for backward
  size_t scratch = 0;   // the rest of a pass
  size_t services = 0;  // what the device, or the CPU's products, need beside the model
  size_t pinned = 0;    // of the host's memory: optimizer state that is kept off a device
  // Of `fixed`, which has tables and the like besides. Of ranks that divide a tensor: this one's piece.
  size_t weights = 0, gradients = 0, optimizer = 0;
  size_t converted =
      0;  // of `weights`, those that do not learn: no file has them as they are computed with
  size_t gathered = 0;        // where bands of weights are put together while they are used
  size_t band_gradients = 0;  // and where their gradients are made
};

class Session {
 private:
  /// What the decoder computes with: hooks, and where the base's tensors have their values.
  struct Attached {
    struct Place {
      View value;
      bool in_arena = false, mapped = false;
    };
    std::vector<const LinearHook*> sites;
    std::vector<SiteTensors> tensors;  // of the sites
    std::vector<const AttentionHook*> blocks;
    std::vector<Place> places;
    const EmbeddingHook* embedding = nullptr;
    int64_t vocab = 0;  // rows of the embedding, and of the head
    Method* method = nullptr;
  };

 public:
  /// Errors: whatever is wrong with the checkpoint, the adapter or the options.
  static std::unique_ptr<Session> open(const SessionOptions& options);

  /// With the rows that the adapter in use gives the embedding.
  const ModelConfig& config() const { return config_; }
  Decoder& decoder() { return *decoder_; }
  Weights& weights() { return weights_; }
  /// Null where nothing is attached.
  Method* method() { return attached_; }
  Run& run() { return run_; }
  const Run& run() const { return run_; }
  /// Where the model lies; null: the host's memory.
  Device* device() const { return device_.device.get(); }
  const SessionOptions& options() const { return options_; }
  /// Why it computes in what it does (ComputedIn::why); logged where it is opened to run.
  const std::string& why_computed_so() const { return why_computed_so_; }
  /// What is updated here; empty where nothing is trained.
  const Learners& learners() const { return learners_; }
  /// Whether weights or gradients come and go with the layers, so that every rank goes through every pass.
  bool divided() const { return divided_ != nullptr; }
  /// What this rank has sent for the layers; learners() sends once a step besides.
  Traffic sent_for_layers() const { return divided_ == nullptr ? Traffic{} : divided_->sent(); }
  /// Values that learn were changed: by the optimizer, or read from a checkpoint.
  void values_changed();
  /// Every gradient that was made is at its home.
  void finish_gradients();
  /// For each of learners() its moments in f32, or in u8 and behind them a row of f32 scales for each; zeroed.
  const std::vector<std::vector<View>>& optimizer_state() const { return optimizer_state_; }

  /// The name of SessionOptions::adapter.
  static constexpr const char* kFirstAdapter = "default";
  /// Reads an adapter beside those that are loaded, under a name of the caller's. All are on one base, of
  /// which nothing is read again, and wait to be used. Of a session that computes and does not train. Errors:
  /// there is one of that name, or whatever is wrong with the adapter; nothing changes then.
  void load_adapter(const std::string& name, const std::string& path);
  /// From the next pass on; "": the base alone. Error (usage): none of that name is loaded.
  void use_adapter(const std::string& name);
  /// Gives its memory back; where it was used, the base alone is. That of kFirstAdapter lies with the
  /// base's, and goes with the session. Error (usage): none of that name is loaded.
  void unload_adapter(const std::string& name);
  /// The names of those that are loaded, and of the one that is used ("": none).
  std::vector<std::string> adapters() const;
  const std::string& adapter() const { return used_; }
  /// What a loaded adapter is ("lora"), and the bytes of its own; none of kFirstAdapter, which lies with the base's.
  /// Error (usage): none of that name is loaded.
  struct AdapterFacts {
    std::string kind, path;
    size_t bytes = 0;
  };
  AdapterFacts facts(const std::string& name);
  /// Where the one that is used was read from; "": none.
  std::string adapter_path() const;
  /// What a loaded adapter computes its rows by, as long as it is loaded; "": nothing, the base alone. Error (usage):
  /// none of that name is loaded.
  const AdapterParts& parts(const std::string& name);
  /// What is in use, as it is now; valid until that changes, by training too.
  AdapterParts parts() const;
  /// Whether one pass may have rows of this adapter and of others: it changes nothing of the base but norms.
  bool mixes(const std::string& name);
  /// While it lives, passes have MixedRows, and their rows are computed by the parts that these name. Tensors are the
  /// base's, or those of an adapter that does not mix, or of what is in use where none is given.
  class Mixing {
   public:
    explicit Mixing(Session& session) : Mixing(session, session.attached()) {}
    Mixing(Session& session, const std::string& adapter);
    Mixing(const Mixing&) = delete;
    Mixing& operator=(const Mixing&) = delete;
    ~Mixing();

   private:
    struct Before;
    Mixing(Session& session, Attached tensors);
    Session& session_;
    std::unique_ptr<Before> before_;
  };

  /// Runs `pass` dry, then makes kept and scratch arenas that are large enough for it (never
  /// smaller than before).
  void reserve(const std::function<void(Run&)>& pass);
  /// Whether weights are divided, so that a rank cannot make a pass alone.
  bool passes_together() const { return options_.ranks != nullptr && options_.division.weights(); }
  /// Computes `pass`, which was reserved for; where passes are made together when every rank has come to one.
  /// `head_rows`: whose logits are made chunk by chunk in it; 1 where all are made at once.
  void make_pass(int64_t head_rows, const std::function<void(Run&)>& pass);
  /// Goes through what passes the other ranks still make, until none makes any: where this one's rows have ended.
  void pass_for_others();
  /// Bytes that could be had now for the model's arenas.
  int64_t available_bytes() const;
  MemoryPlan plan() const;

 private:
  explicit Session(SessionOptions options) : options_(std::move(options)) {}
  void choose_precision();
  /// Of matrices that cannot stay as they lie in files.
  Dtype matrix_dtype() const;
  void build(Arena& fixed, Arena& state);
  void attach_method(Arena& fixed, Arena& state);
  void make_visits(Arena& fixed);
  void pack_lanes(Arena& fixed);
  void divide_fixed(MemoryPlan& plan) const;
  void refuse_division() const;
  void refuse_quantising() const;
  void refuse_whole_numbers() const;
  /// The most head rows of all ranks in the pass to come; 0: none makes any.
  int64_t most_head_rows(int64_t mine) const;
  /// What the ranks put this session's tensors together by; null: alone, or planned.
  TensorRanks* tensor_ranks() const;
  /// The tensors of an adapter's file that are the base's own.
  std::set<std::string> copies_in(const OpenedAdapter& adapter, const Method& method);

  struct LoadedAdapter {
    std::string path;
    Arena memory;
    std::unique_ptr<Method> method;  // null of kFirstAdapter, which is method_
    Attached attached;
    std::optional<AdapterParts> parts;  // once they were asked for, as is the next
    std::optional<bool> mixes;
  };
  class Build;
  /// Of scratch, for building what needs `measured` bytes.
  size_t building_room(size_t measured) const;
  Attached attached() const;
  AdapterParts parts_of(const Attached& attached) const;
  bool changes_norms_alone(const Attached& own) const;
  void attach(const Attached& wanted);
  LoadedAdapter& loaded(const std::string& name);

  SessionOptions options_;
  OpenedDevice device_;  // before all that lies on it
  ModelConfig config_;
  std::optional<TensorFiles> files_;
  std::optional<OpenedAdapter> adapter_;
  std::optional<std::set<std::string>> copies_;  // in adapter_, once it was compared
  Arena fixed_, state_, kept_, scratch_;  // state_: of an optimizer that is kept off the device
  Run run_;
  Weights weights_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Method> method_;
  Method* attached_ = nullptr;
  Attached base_;  // without an adapter
  std::optional<AdapterParts> base_parts_;
  std::unique_ptr<RowRoutes> routes_;
  std::map<std::string, LoadedAdapter> loaded_;
  int64_t base_vocab_ = 0;  // rows of the checkpoint's embedding
  std::string used_;        // of loaded_; "": none
  Learners learners_;
  std::unique_ptr<WeightVisits> visits_;  // null: all weights stay
  DividedVisits* divided_ = nullptr;      // the same, where ranks have divided them
  std::vector<std::vector<View>> optimizer_state_;
  std::string why_computed_so_;
  size_t fixed_bytes_ = 0, state_bytes_ = 0, kept_bytes_ = 0, scratch_bytes_ = 0;
  size_t building_bytes_ = 0;                  // of scratch, while it is built
  std::unique_ptr<TensorRanks> device_ranks_;  // of a device; last, so that it leaves first
};

}  // namespace falconer
