// Rows of the embedding, and of a head of its own, that belong to a LoRA while the others stay the base's:
// of tokens that the tokenizer was given (--resize-embeddings), or those that PEFT's
// trainable_token_indices name. What computes is one matrix with all rows, in memory of its own.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "method/load_tensor.h"
#include "method/method.h"

namespace falconer {

/// Gives `table` (V,C) memory of its own in `fixed`, of `rows` rows and of `dtype`: its own, and beyond
/// them their mean, which is returned in f32 (nothing where `fixed` measures). One without values only
/// gets the shape.
std::vector<float> grow_table(Param& table, int64_t rows, Dtype dtype, Arena& fixed);

class TokenRows : public EmbeddingHook {
 public:
  /// New rows behind those of the model, `vocab` with them. They begin as the mean of the others;
  /// transformers draws them around that mean, with a billionth of the others' covariance.
  explicit TokenRows(int64_t vocab) : vocab_(vocab) {}

  /// What an adapter's files say. By modules; "" is the embedding.
  struct Said {
    std::map<std::string, std::vector<int64_t>> ids;
    std::map<std::string, int64_t> stored;  // rows of tables that are in the file as a whole
    std::string where;
  };
  explicit TokenRows(Said said) : said_(std::move(said)) {}

  /// Behind the LoRA. Errors: rows of a module that has none, or of the head alone where it is the embedding;
  /// an id twice; a LoRA on a head whose rows are here.
  void attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed, bool training);
  void initialise();
  void load(AdapterReader& reader);
  void add_to(std::vector<Param*>& params);
  void add_to(SavedAdapter& saved) const;
  bool grew() const { return grew_; }
  int64_t base_rows() const { return base_rows_; }
  int64_t trainable_count() const;
  bool merges_into(const std::string& name) const;
  void merge(const std::string& name, const View& values) const;

  bool trainable() const override;
  void before(Run& run) const override;
  void backward(Run& run, const Batch& batch, const View& dx) const override;

 private:
  /// Ids that follow each other, as the rows `row` and on.
  struct Stretch {
    int64_t id = 0, row = 0, count = 0;
  };
  struct Table {
    std::string module;
    Param* whole = nullptr;
    View value;                // of `whole`, while this is attached
    Param rows;                // (k,C) f32
    std::vector<int64_t> ids;  // of each row
    int64_t said = 0;  // of them the adapter's file names; the rest it has as part of a table
    std::vector<Stretch> stretches;
    std::vector<float> mean;  // of the base's rows
  };
  /// Where the head reads rows that learn.
  class HeadHook : public LinearHook {
   public:
    explicit HeadHook(const Table& table) : table_(table) {}
    bool trainable() const override { return table_.rows.trainable(); }
    bool needs_x() const override { return trainable(); }
    bool edits_dy() const override { return false; }
    void forward(Run&, const View&, const View&, HookKept&) const override {}
    void backward_out(Run& run, const View& dy, HookKept& kept) const override;
    void backward_in(Run&, const View&, HookKept&) const override {}

   private:
    const Table& table_;
  };

  std::vector<int64_t> ids_of(const std::string& module) const;
  void check_modules(const std::string& embedding, const std::string& head, bool tied) const;
  int64_t rows_with(int64_t had) const;
  void make(Run& run, Param& whole, std::string module, int64_t had, Arena& fixed, bool training);
  std::vector<float> read(AdapterReader& reader, const Table& table) const;
  void read_the_rest(AdapterReader& reader, const Table& table, std::vector<float>& values) const;
  bool learns() const;
  void write(Run& run) const;

  int64_t vocab_ = 0;      // with the new rows
  int64_t base_rows_ = 0;  // without them
  Said said_;
  bool grew_ = false, tied_ = false;
  std::string embedding_, head_;  // modules
  std::vector<std::unique_ptr<Table>> tables_;
  const Table* of_embedding_ = nullptr;
  std::unordered_map<int32_t, int32_t> row_of_;  // of the embedding's ids
  std::unique_ptr<HeadHook> head_hook_;
  Run* run_ = nullptr;
};

/// Null where the adapter has none.
std::unique_ptr<TokenRows> token_rows_from_peft(const nlohmann::ordered_json& config,
                                                const std::string& where, const TensorFiles& files);

}  // namespace falconer
