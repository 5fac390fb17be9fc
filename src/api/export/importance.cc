#include "api/export/importance.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "api/common.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/tensor_watch.h"
#include "base/log.h"
#include "base/threads.h"
#include "data/load.h"
#include "method/finite_weights.h"
#include "method/session.h"

namespace falconer {
namespace {

/// What no token has reached has still some weight, or its codes would be anything.
constexpr double kLeastImportance = 1e-3;

/// At a linear layer, before whatever else sits there.
class InputSquares : public LinearHook {
 public:
  explicit InputSquares(LinearSite& site)
      : site_(site), next_(site.hook()), sums_(static_cast<size_t>(site.in())) {
    site_.attach(this);
  }
  InputSquares(const InputSquares&) = delete;
  InputSquares& operator=(const InputSquares&) = delete;
  ~InputSquares() override { site_.attach(next_); }

  const std::string& weight() const { return site_.weight().name; }

  /// With the mean 1.
  ColumnWeights importances() const {
    double sum = 0;
    for (const double one : sums_) sum += one;
    if (!(sum > 0)) return nullptr;
    const double mean = sum / static_cast<double>(sums_.size());
    std::vector<float> all;
    for (const double one : sums_)
      all.push_back(static_cast<float>(std::max(one / mean, kLeastImportance)));
    return std::make_shared<const std::vector<float>>(std::move(all));
  }

  bool trainable() const override { return next_ != nullptr && next_->trainable(); }
  bool needs_x() const override { return next_ != nullptr && next_->needs_x(); }
  bool edits_dy() const override { return false; }
  void forward(Run& run, const View& x, const View& y, HookKept& kept) const override {
    if (!run.dry) add(x);
    if (next_ != nullptr) next_->forward(run, x, y, kept);
  }
  void backward_out(Run&, const View&, HookKept&) const override {
    FALCONER_CHECK(!"nothing is trained here");
  }
  void backward_in(Run&, const View&, HookKept&) const override {}

 private:
  void add(const View& x) const {
    parallel_for(x.cols, 64, [&](int64_t begin, int64_t end) {
      std::vector<float> values(static_cast<size_t>(end - begin));
      for (int64_t i = 0; i < x.rows; ++i) {
        const View row = x.row_range(i, 1).col_range(begin, end - begin);
        const float* at = values.data();
        if (x.dtype == Dtype::kF32)
          at = row.row<float>(0);
        else
          for (int64_t j = 0; j < row.cols; ++j)
            values[static_cast<size_t>(j)] = static_cast<float>(row.row<BF16>(0)[j]);
        for (int64_t j = begin; j < end; ++j) {
          const auto value = static_cast<double>(at[j - begin]);
          sums_[static_cast<size_t>(j)] += value * value;
        }
      }
    });
  }

  LinearSite& site_;
  const LinearHook* next_;
  mutable std::vector<double> sums_;  // over rows, in their order
};

LoadedData load(const std::string& data, const Session& session, const Tokenizer* tokenizer,
                const std::string& prompt_style) {
  const ModelConfig& config = session.config();
  LoadOptions options{.vocab = config.vocab,
                      .prompt_style = prompt_style,
                      .checkpoint = template_files(session.options().checkpoint),
                      .must_teach = false};
  options.encode.max_seq_length = std::min(options.encode.max_seq_length, config.context);
  return load_dataset(data, tokenizer, options);
}

}  // namespace

Importances::Importances(const std::string& checkpoint, const std::string& adapter,
                         const std::string& data, const std::string& prompt_style) {
  const auto session = [&] {
    const LogLevelHere quiet(
        LogLevel::kWarning);  // the precision is none of this command's settings
    return Session::open({.checkpoint = checkpoint, .adapter = adapter});
  }();
  const std::optional<Tokenizer> tokenizer = find_tokenizer(checkpoint, adapter);
  const LoadedData rows = load(data, *session, tokenizer ? &*tokenizer : nullptr, prompt_style);
  std::deque<InputSquares> sites;
  for (LinearSite* site : session->decoder().sites())
    if (&site->weight() != session->weights().embedding) sites.emplace_back(*site);
  TensorWatch watch("computed", static_cast<size_t>(rows.rows().size()), "rows");
  for (int64_t i = 0; i < rows.rows().size(); ++i) {
    watch.look(static_cast<size_t>(i));
    const Row row = rows.rows()[i];
    if (row.ids.size() < 2) continue;
    const BatchBuffer::Sequence sequence{.ids = row.ids, .labels = row.ids};
    const BatchBuffer batch = BatchBuffer::for_training({&sequence, 1});
    LossSum loss;
    const auto pass = [&](Run& run) { loss = session->decoder().loss(run, batch.batch()); };
    session->reserve(pass);
    session->make_pass(batch.batch().target_count(), pass);
    if (!std::isfinite(loss.sum))
      fail("{}: the loss of row {} is {}: {}", data, i + 1, loss.sum, why_not_finite(*session));
    tokens_ += std::ssize(row.ids);
  }
  if (tokens_ == 0) fail("{}: no row has two tokens, from which importances could be had", data);
  for (const InputSquares& site : sites) weights_[site.weight()] = site.importances();
}

ColumnWeights Importances::of(const std::string& weight) const {
  const auto found = weights_.find(weight);
  return found == weights_.end() ? nullptr : found->second;
}

}  // namespace falconer
