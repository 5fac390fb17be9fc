// falconer score: losses and logits of rows.
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "api/common.h"
#include "api/data/read_rows.h"
#include "api/finetune/rank_run.h"
#include "api/measure/token_losses.h"
#include "api/model/activations.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/base_check.h"
#include "api/model/logits.h"
#include "api/model/ranks_at_use.h"
#include "api/model/resolve.h"
#include "base/json_text.h"
#include "base/output.h"
#include "checkpoint/safetensors_writer.h"
#include "data/dataset.h"
#include "data/format/fields.h"
#include "data/format/tokens.h"
#include "data/prepared.h"
#include "falconer/use.h"
#include "method/finite_weights.h"
#include "method/session.h"
#include "ranks/job.h"
#include "text/token_ids.h"
#include "text/tokenizer.h"

namespace falconer {
namespace {

Row read_row(const nlohmann::ordered_json& json, const ModelConfig& config,
             const Tokenizer* tokenizer) {
  Row row;
  if (find_field(json, "input_ids") != nullptr) {
    RowContext context{.vocab = config.vocab, .unread = {}};
    row = std::get<Row>(parse_tokens(json, context));
  } else if (find_field(json, "text") != nullptr) {
    if (tokenizer == nullptr)
      fail(
          "holds text, and the checkpoint has no tokenizer; copy its tokenizer.json into the "
          "folder");
    row.ids = tokenizer->encode(text_field(json, "text"));
    row.labels = row.ids;
    check_token_ids(row.ids, config.vocab, "its text");
  } else {
    fail("has neither \"input_ids\" nor \"text\"");
  }
  if (row.ids.empty()) fail("has no tokens");
  if (static_cast<int64_t>(row.ids.size()) > config.context)
    fail("has {} tokens, and the model's context is {}", row.ids.size(), config.context);
  return row;
}

class Scorer {
 public:
  Scorer(Session& session, bool logits) : session_(session), want_logits_(logits) {}

  struct Scored {
    nlohmann::ordered_json json;
    Tensor logits;
  };

  Scored score(const Row& row) {
    Scored scored;
    // One pass with every next token as a target; the labels choose among the losses afterwards.
    const std::vector<float> losses = token_losses(session_, {&row.ids, 1});
    double sum = 0;
    int64_t count = 0;
    std::vector<float> logprobs;
    for (size_t i = 0; i < losses.size(); ++i) {
      const float loss = losses[i];
      logprobs.push_back(-loss);
      if (row.labels[i + 1] == kIgnoredLabel) continue;
      // Labels are the ids in ordinary data; where they differ the loss is that of the label.
      if (row.labels[i + 1] != row.ids[i + 1]) other_labels_ = true;
      sum += loss;
      ++count;
    }
    if (other_labels_) relabelled(row, sum, count);
    other_labels_ = false;
    scored.json["loss"] = count > 0 ? nlohmann::ordered_json(sum / static_cast<double>(count))
                                    : nlohmann::ordered_json(nullptr);
    scored.json["tokens"] = count;
    scored.json["logprobs"] = logprobs;
    if (!std::isfinite(sum)) fail("the loss is {}: {}", sum, why_not_finite(session_));
    if (want_logits_) scored.logits = logits_of(session_, row.ids);
    return scored;
  }

 private:
  void run(int64_t targets, const std::function<void(Run&)>& pass) {
    if (targets == 0) return;  // nothing is computed
    session_.reserve(pass);
    session_.make_pass(targets, pass);
  }

  void relabelled(const Row& row, double& sum, int64_t& count) {
    const BatchBuffer::Sequence sequence{.ids = row.ids, .labels = row.labels};
    const BatchBuffer buffer = BatchBuffer::for_training({&sequence, 1});
    LossSum total;
    run(buffer.batch().target_count(),
        [&](Run& run) { total = session_.decoder().loss(run, buffer.batch()); });
    sum = total.sum;
    count = total.count;
  }

  Session& session_;
  bool want_logits_ = false;
  bool other_labels_ = false;
};

/// What comes of the rows, in their order, whoever has scored them: rows are dealt to the ranks in turn.
class Results {
 public:
  Results(const ScoreOptions& options, OutputRule& rule, Ranks* ranks)
      : logits_file_(options.logits), ranks_(ranks) {
    if (is_first(ranks)) output_.emplace(options.output, rule);
  }

  bool own(int64_t row) const {
    return ranks_ == nullptr || row % ranks_->size() == ranks_->rank();
  }

  void add(Scorer::Scored scored) {
    if (ranks_ == nullptr)
      output_->write(scored.json);
    else
      lines_.push_back(json_text(scored.json));
    if (!logits_file_.empty()) logits_.push_back(std::move(scored.logits));
  }

  void finish(int64_t rows, int64_t vocab) {
    if (ranks_ != nullptr) bring_together(rows, vocab);
    if (!output_) return;
    if (!logits_file_.empty()) write_logits();
    output_->commit();
  }

 private:
  // Row by row of all ranks, so that no one has to hold more than the results.
  void bring_together(int64_t rows, int64_t vocab) {
    refuse_difference(ranks_, "number of rows", std::to_string(rows));
    const std::vector<Tensor> mine = std::move(logits_);
    logits_.clear();
    for (int64_t begin = 0, i = 0; begin < rows; begin += ranks_->size(), ++i) {
      const auto at = static_cast<size_t>(i);
      for (const std::string& line : ranks_->gather_texts(at < lines_.size() ? lines_[at] : ""))
        if (output_ && !line.empty()) output_->write(nlohmann::ordered_json::parse(line));
      if (logits_file_.empty()) continue;
      for (const std::string& bytes :
           ranks_->gather_texts(at < mine.size() ? bytes_of(mine[at]) : ""))
        if (output_ && !bytes.empty()) logits_.push_back(tensor_of(bytes, vocab));
    }
  }
  static std::string bytes_of(const Tensor& tensor) {
    return {static_cast<const char*>(tensor.view().data), tensor.view().bytes()};
  }
  static Tensor tensor_of(const std::string& bytes, int64_t vocab) {
    Tensor tensor(static_cast<int64_t>(bytes.size() / sizeof(float)) / vocab, vocab, Dtype::kF32);
    std::memcpy(tensor.view().data, bytes.data(), bytes.size());
    return tensor;
  }
  void write_logits() const {
    std::vector<NamedView> views;
    for (size_t i = 0; i < logits_.size(); ++i)
      views.push_back({fmt::format("logits.{}", i),
                       {logits_[i].view().rows, logits_[i].view().cols},
                       logits_[i].view()});
    write_marked(logits_file_, [&](const auto& path) { write_safetensors(path, views); });
  }

  std::string logits_file_;
  Ranks* ranks_;
  std::optional<ResultWriter> output_;  // of the first rank
  std::vector<std::string> lines_;      // of this rank
  std::vector<Tensor> logits_;
};

}  // namespace

void score(const ScoreOptions& options) {
  Ranks* const ranks = joined_ranks();
  ScoreOptions mine = options;
  refuse_other_settings(ranks, settings_of(mine));
  const std::string checkpoint = resolve_checkpoint(options.checkpoint);
  const std::string adapter = resolve_adapter(options.adapter);
  const std::string data = resolve_data(options.data);
  OutputRule rule(options.overwrite);
  for (const std::string& input : {checkpoint, adapter, data}) rule.reads(input);
  if (!options.logits.empty()) rule.check_result(options.logits, "--logits");
  if (!options.dump_activations.empty())
    rule.check_result(options.dump_activations, "--dump-activations");
  Results results(options, rule, ranks);
  check_base(adapter, checkpoint, options.any_base);
  warn_of_quantisation(adapter, checkpoint, parse_quantise(options.quantize));
  const std::optional<Tokenizer> tokenizer = find_tokenizer(checkpoint, adapter);
  const auto session = Session::open({.checkpoint = checkpoint,
                                      .adapter = adapter,
                                      .precision = parse_precision(options.precision),
                                      .device = device_of_rank(ranks, options.device),
                                      .quantise = parse_quantise(options.quantize),
                                      .whole_numbers = in_whole_numbers(options.compute, false),
                                      .division = division_for_use(ranks, options.shard),
                                      .ranks = ranks});
  refuse_other_tensors(ranks, session->weights());
  check_prepared(data, tokenizer ? &*tokenizer : nullptr, checkpoint, options.any_base);
  Scorer scorer(*session, !options.logits.empty());
  std::string dump = options.dump_activations;  // of the first row
  int64_t rows = 0;
  for_each_json_line(data, [&](const nlohmann::ordered_json& json, int64_t) {
    const std::string to = std::exchange(dump, "");
    if (!results.own(rows++)) return;
    const Row row = read_row(json, session->config(), tokenizer ? &*tokenizer : nullptr);
    // Before the losses: where one is not finite, what the file holds says where it comes from.
    if (!to.empty()) write_activations(*session, row.ids, to);
    results.add(scorer.score(row));
  });
  session->pass_for_others();
  results.finish(rows, session->config().vocab);
}

}  // namespace falconer
