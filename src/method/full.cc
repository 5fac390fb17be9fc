#include "method/full.h"

#include "method/token_rows.h"

namespace falconer {
namespace {

class Full : public Method {
 public:
  Full(Dtype matrix, int64_t vocab) : matrix_(matrix), vocab_(vocab) {}
  std::string_view name() const override { return "full"; }
  void attach(Run&, Decoder&, Weights& weights, Arena& fixed, bool training) override {
    for (Param* table : {weights.embedding, weights.head().w})
      if (table->rows() < vocab_) grow_table(*table, vocab_, matrix_, fixed);
    for (const auto& param : weights.params) {
      if (training) make_trainable(*param, fixed, matrix_);
      params_.push_back(param.get());
    }
  }
  void initialise(uint64_t) override {}
  bool saves_whole_model() const override { return true; }
  SavedAdapter save_as(AdapterForm) const override { return {}; }
  bool merges_into(const std::string&) const override { return false; }
  void merge_tensor(const std::string&, const View&) const override {}

 private:
  Dtype matrix_;  // that weights learn in
  int64_t vocab_;
};

}  // namespace

std::unique_ptr<Method> make_full(const MethodOptions& options) {
  return std::make_unique<Full>(options.bf16_weights ? Dtype::kBF16 : Dtype::kF32, options.vocab);
}

}  // namespace falconer
