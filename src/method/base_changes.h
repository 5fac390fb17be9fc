// What an adapter of PEFT puts in the place of the base's own tensors: modules_to_save, biases that were
// trained along, embeddings saved along, a LoRA of the embedding, the bias of a LoRA's B.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "method/load_tensor.h"
#include "method/method.h"
#include "model/decoder.h"

namespace falconer {

/// All of it is frozen: it is computed with, saved again and merged, and does not learn.
class BaseChanges {
 public:
  /// What adapter_config.json says.
  struct Settings {
    std::vector<std::string> modules_to_save;
    std::string bias = "none";
    bool lora_bias = false;
    bool ensure_weight_tying = false;  // without an effect, or refused
    std::string ties = {};  // which name it ties the two for, of a model whose head is tied
    bool olora = false;     // take_olora_out() of each weight with a LoRA
  };
  /// Of a linear layer's LoRA.
  struct LoraSize {
    int64_t rank = 0;
    double scale = 1;
  };
  struct EmbeddingLora {
    std::string module;
    int64_t rank = 0;  // 0: there is none
    double scale = 1;
  };

  BaseChanges() = default;
  /// `where` is the file that says so.
  BaseChanges(Settings settings, EmbeddingLora embedding, std::string where)
      : settings_(std::move(settings)), lora_(std::move(embedding)), where_(std::move(where)) {}

  const Settings& settings() const { return settings_; }
  const EmbeddingLora& embedding() const { return lora_; }
  /// Whether the file's tensor `name` belongs to a module of modules_to_save: it is never left out.
  bool keeps(const std::string& name) const;

  /// Takes the values, and gives the base's tensors memory of their own in `fixed` for them. `loras` has
  /// the modules with a LoRA of the same adapter; `copies` are the base's own and need no place. Errors: a shape that the base
  /// does not have, a tensor of modules_to_save that is missing, one that PEFT would not look at.
  void attach(Run& run, const TensorFiles& files, const std::set<std::string>& copies,
              const std::map<std::string, LoraSize>& loras, Decoder& decoder, Weights& weights,
              Arena& fixed);
  /// Marks what attach() took as read.
  void load(AdapterReader& reader) const;
  /// Adds the tensors as the file had them.
  void save(SavedAdapter& saved) const;

  /// Nothing but a LoRA: what other programs' files of adapters can hold. Valid after attach.
  bool none() const { return taken_.empty() && residuals_.empty(); }
  /// Of some tensor, for a message.
  std::string first_name() const {
    return taken_.empty() ? "what is left of the base (\"olora\")" : taken_.front().name;
  }

  bool merges_into(const std::string& name) const;
  void merge_tensor(const std::string& name, const View& values) const;
  /// Error: a bias of the head, which no Hugging Face model has.
  void change_config(ModelConfig& config) const;

 private:
  struct Taken {
    std::string name;  // in the file
    std::vector<int64_t> shape;
    View value;
  };
  struct Found {
    const StoredTensor* stored = nullptr;
    bool copy = false;
  };
  struct AddedBias {
    View own;  // of B
    float scale = 1;
  };
  class Attaching;

  bool saves(const std::string& module) const;

  Settings settings_;
  EmbeddingLora lora_;
  std::string where_;
  std::vector<Taken> taken_;
  std::set<std::string> same_;           // names in the file of what one of taken_ is, too
  std::map<std::string, View> changed_;  // by the base's names
  std::map<std::string, AddedBias> added_biases_;  // by module
  std::map<std::string, LoraSize> residuals_;      // by the names of weights that olora changes
  View lora_a_, lora_b_;                           // of the embedding
  std::vector<std::unique_ptr<Param>> own_;        // a head or a bias that the base does not have
  std::string embedding_name_, head_module_;
  bool unties_ = false, new_biases_ = false;
};

}  // namespace falconer
