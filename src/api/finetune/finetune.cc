// falconer finetune: settings to a run.
#include "falconer/finetune.h"

#include <filesystem>

#include "api/common.h"
#include "api/finetune/assumed.h"
#include "api/finetune/finetune_options.h"
#include "api/finetune/finetuning.h"
#include "api/finetune/finished_run.h"
#include "api/finetune/memory_plan.h"
#include "api/finetune/rank_plan.h"
#include "api/finetune/rank_run.h"
#include "api/finetune/recipe.h"
#include "api/finetune/run_context.h"
#include "api/finetune/run_place.h"
#include "api/finetune/run_start.h"
#include "api/finetune/run_texts.h"
#include "api/finetune/sample_prompt.h"
#include "api/measure/profiling.h"
#include "api/measure/tensor_numbers.h"
#include "api/model/adapter_tokenizer.h"
#include "api/model/base_check.h"
#include "api/model/load_options.h"
#include "api/model/resolve.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/system.h"
#include "data/load.h"
#include "data/prepared.h"
#include "falconer/data.h"
#include "model/open_model.h"
#include "ops/watched.h"
#include "ranks/job.h"
#include "train/optimizer_file.h"
#include "train/run_status.h"
#include "train/trainer.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// What is said of the rows.
enum class Shown { kNothing, kRows, kRowsAndPreview };

class Finetuning {
 public:
  /// `planning`: a plan alone, which takes for granted what is not there; for as many ranks, if it names any.
  Finetuning(const FinetuneOptions& options, const RunContext& context, Shown shown,
             bool planning = false, const PlannedRanks* planned = nullptr)
      : level_(context.verbosity.empty() ? std::nullopt
                                         : std::optional(parse_verbosity(context.verbosity))),
        asked_(options),
        o_(options),
        context_(context),
        shown_(shown) {
    if (planned != nullptr) planned_ = *planned;
    if (context_.rows) take_rows_in_memory(o_);
    if (planning && o_.data.empty()) {
      o_.data = "rows that are assumed";
      rows_assumed_ = true;
    }
    check_options(o_);
    std::optional<std::string> config_alone;
    if (planning) config_alone = folder_of_config(o_.checkpoint);
    o_.checkpoint = config_alone ? *config_alone
                                 : resolve_checkpoint(o_.checkpoint,
                                                      o_.from_scratch ? CheckpointPart::kTokenizer
                                                                      : CheckpointPart::kAll);
    o_.init_adapter = resolve_adapter(o_.init_adapter);
    if (!context_.rows && !rows_assumed_) o_.data = resolve_data(o_.data);
    config_ = read_model_config(o_.checkpoint);
    if (planning && !o_.from_scratch && (config_alone || !has_weights(o_.checkpoint)))
      assumed_ = assumed_weights(o_.checkpoint);
    tokenizer_ = find_tokenizer(o_.checkpoint);
    check_init_tokenizer(o_.init_adapter, tokenizer_, o_.any_base);
  }

  void load_data() {
    o_.max_seq_length = std::min(o_.max_seq_length, config_.context);
    if (o_.packing && o_.micro_batch_tokens == 0) o_.micro_batch_tokens = o_.max_seq_length;
    if (rows_assumed_) {
      data_ = assumed_rows(o_);
      return;
    }
    LoadOptions load = load_options_of(o_, o_.checkpoint, vocab_);
    load.scratch = scratch_folder(o_.out);
    load.text = context_.rows;
    if (!context_.rows)
      check_prepared(o_.data, tokenizer_ ? &*tokenizer_ : nullptr, o_.checkpoint, o_.any_base);
    data_ = load_dataset(o_.data, tokenizer_ ? &*tokenizer_ : nullptr, load);
    choose_style();
    const RunLength length = run_length(o_.batch_size, o_.epochs, data_.rows().size());
    o_.batch_size = length.batch_size;
    o_.epochs = length.epochs;
    if (context_.rows || !fs::is_directory(o_.data)) o_.test_size = data_.held_out().size();
    if (shown_ != Shown::kNothing) show_data();
  }

  void show_data() const {
    say_rows(o_, data_, step_plan(), tokenizer_ && style_ ? &*tokenizer_ : nullptr,
             shown_ == Shown::kRowsAndPreview);
    if (data_.report.truncated > 0 && o_.max_seq_length == config_.context)
      log_info("rows are cut at {} tokens, the model's context", config_.context);
  }

  // No more rows are computed at one time than a step has, whatever is asked for.
  StepPlanOptions step_plan() const {
    return {.batch_size = *o_.batch_size,
            .micro_batch_size = std::min(o_.micro_batch_size, *o_.batch_size),
            .micro_batch_tokens = o_.micro_batch_tokens,
            .max_steps = o_.max_steps,
            .epochs = *o_.epochs,
            .shuffle = o_.shuffle,
            .seed = o_.seed,
            .ranks = planned_            ? static_cast<int>(planned_->ranks)
                     : ranks_ == nullptr ? 1
                                         : ranks_->size()};
  }

  // Of rows that were token ids already: what the flag says, or what they were prepared with.
  void choose_style() {
    RenderedAs& rendered = data_.rendered;
    refuse_other_rendering(o_, rendered);
    if (!o_.prompt_style.empty() && rendered.prompt_style != o_.prompt_style) {
      rendered.prompt_style = o_.prompt_style;
      rendered.prompt_template.clear();
    }
    if (rendered.prompt_style.empty()) return;
    style_ = PromptStyle::recorded(rendered.prompt_style, rendered.prompt_template,
                                   template_files(o_.checkpoint));
    rendered.prompt_template = style_->source();
  }

  void open_session(const fs::path& checkpoint, bool planning) {
    const int64_t vocab = vocab_with(0, tokenizer_, o_.resize_embeddings);
    SessionOptions s = session_options(o_, checkpoint, vocab, planning);
    s.division = planned_ ? planned_division(*planned_, o_.shard) : division_of(ranks_, o_.shard);
    if (assumed_) {
      s.assumed = assumed_->dtype;
      s.assumed_why = assumed_->why;
    }
    if (!device_.empty()) s.device = device_;
    if (!planning) s.ranks = ranks_;
    session_ = Session::open(s);
    if (session_->method()->name() != o_.method)
      fail_usage("{} is an adapter of method {}, and the command asks for {}", s.adapter,
                 session_->method()->name(), o_.method);
  }

  TrainOptions train_options() {
    TrainOptions t =
        train_options_of(o_, step_plan(), StepPlan(data_.rows(), step_plan()).total_steps());
    t.record = {.method = o_.method,
                .prompt_style = data_.rendered.prompt_style,
                .base_checkpoint = asked_.checkpoint,
                .prompt_template = data_.rendered.prompt_template};
    t.record.data = data_record(o_, asked_.data);
    return t;
  }

  std::string plan_text(const TrainOptions& options) {
    Trainer trainer(*session_, data_.rows(), data_.held_out(), options);
    trainer.reserve();
    if (!planned_) return memory_plan_text(*session_, o_.method, options.batches);
    rank_plan_ = plan_memory_of_rank(*session_, *planned_);
    return rank_memory_text(*rank_plan_, *session_,
                            plan_heading(*session_, o_.method, options.batches));
  }

  bool fits_all() const {  // on every rank
    return rank_plan_ ? rank_plan_->fits() : all_of(ranks_, fits(*session_));
  }

  // All that can be wrong is found here, before anything in the run's folder is touched.
  TrainOptions check(bool dry) {
    refuse_other_start(ranks_, settings_of(o_));
    device_ = training_device_of_rank(ranks_, o_.device);
    if (is_first(ranks_)) {
      folder_.emplace(o_, dry, ranks_ == nullptr ? 1 : ranks_->size());
      checkpoint_ = find_checkpoint(o_, dry);
    }
    checkpoint_ = first_ranks_path(ranks_, checkpoint_);
    open_before_data();
    refuse_other_tensors(ranks_, session_->weights());
    load_data();
    if (ranks_ != nullptr) refuse_difference(ranks_, "set of rows", fingerprint(data_.rows()));
    check_held_out(data_.held_out(), o_);
    if (!o_.sample_prompt.empty())
      sample_ = sample_prompt(o_, tokenizer_ ? &*tokenizer_ : nullptr, style_, config_.context);
    TrainOptions options = train_options();
    choose_plan(options);
    options.record.settings = recorded_settings(o_, options.optimizer, options.warmup_steps);
    record_method(options.record.settings, *session_, o_, checkpoint_);
    if (!o_.init_adapter.empty() && checkpoint_.empty())
      refuse_other_than_adapter(o_, options.record.settings);
    if (is_first(ranks_)) refuse_full_disk(*session_, data_.rows(), o_, options);
    return options;
  }

  // Rows may be many, and what model, adapter and method refuse is known without them.
  void open_before_data() {
    // A run goes on in what it began with, however much memory there is now.
    if (const auto record = read_record(checkpoint_); record && o_.master_weights == "auto")
      if (const auto was = record->settings.find("master_weights"); was != record->settings.end())
        o_.master_weights = was->second;
    open_session(checkpoint_, true);
    opened_ = true;
    vocab_ = session_->config().vocab;
    check_rows_for_tokens(o_, config_.vocab, vocab_, tokenizer_, checkpoint_);
  }

  // Makes the plan, and tries where it does not fit what needs less memory.
  void choose_plan(const TrainOptions& options) {
    if (!rows_assumed_)
      warn_of_learning_rate(options, StepPlan(data_.rows(), options.batches).total_steps());
    const FinetuneOptions asked = o_;
    MemoryChoice chosen{.shard = shards_to_try(asked.shard).front()};
    const auto plan = [&] {
      o_ = with_choice(asked, chosen);
      if (!std::exchange(opened_, false)) open_session(checkpoint_, true);
      memory_text_ = plan_text(options);
      return fits_all();
    };
    if (!plan())
      for (const MemoryChoice& choice : memory_choices(asked, *session_)) {
        chosen = choice;
        if (plan()) break;
      }
    if (o_.master_weights == "bf16" && session_->run().activation == Dtype::kF32)
      fail_usage("--master-weights bf16 goes with --precision bf16, and this run computes in f32");
    if (!fits_all()) return;
    for (const std::string& line : choice_lines(asked, chosen))
      log_info("memory is short: {}", line);
  }

  FinetuneOptions resolved(const TrainOptions& t) const {
    return resolved_options(o_, asked_, t, *session_, data_.rendered);
  }

  void go_on_from_checkpoint(Trainer& trainer, const TrainOptions& options) {
    const TrainState state = read_train_state(checkpoint_);
    // The first alone has looked at the files.
    if (is_first(ranks_)) warn_of_changes(options.record, o_, checkpoint_);
    restore_optimizer(checkpoint_, *session_);
    trainer.resume(state);
    log_info("resuming behind step {}", state.step);
    if (const int64_t total = total_steps(options); state.step > total)
      log_warning(
          "{} is behind the {} {} that this run would have: nothing is left to train, and final/ "
          "is of step {}; more --epochs or --max-steps train on",
          checkpoint_.string(), total, plural(total, "step"), state.step);
  }

  TrainResult train(Trainer& trainer, const TrainOptions& options) {
    trainer.reserve();
    if (is_first(ranks_)) folder_->claim();
    open_rank_log(ranks_, o_.out);
    if (!is_first(ranks_)) return trainer.run();
    listen(context_, total_steps(options), trainer);
    trainer.on_first_step([this] { folder_->begun(); });
    const std::vector<std::string> notes = run_notes(o_, *session_, data_);
    // First: it says whose the folder is.
    // One that goes on with fewer steps than were made has made more.
    RunStatusFile status(o_.out, o_.method, std::max(total_steps(options), trainer.state().step));
    try {
      write_file(fs::path(o_.out) / "recipe.toml", recipe_text(resolved(options), notes));
      const TrainResult result = trainer.run();
      folder_->begun();  // one that goes on may have no step left
      status.finish(result.interrupted ? "stopped" : "finished");
      return result;
    } catch (const std::exception& error) {
      status.fail(error.what());
      throw;
    }
  }

  int64_t total_steps(const TrainOptions& options) const {
    return StepPlan(data_.rows(), options.batches).total_steps();
  }

  std::optional<FinishedRun> finished(const TrainOptions& options) const {
    return find_finished(o_, total_steps(options), options.record, checkpoint_);
  }

  FinetuneReport report_of(const FinishedRun& before, const TrainOptions& options) const {
    FinetuneReport report = report_of_finished(before, o_.out);
    report.trainable = session_->method()->trainable_count();
    report.json = run_json(report, resolved(options), before.state);
    return report;
  }

  void record_hashes(ModelRecord& record) const {
    record_rows_and_settings(record, data_);
    if (!o_.from_scratch) record_base(record, o_, checkpoint_, tokenizer_ ? &*tokenizer_ : nullptr);
  }

  FinetuneReport run() {
    TrainOptions options = check(false);
    if (!all_of(ranks_, fits(*session_))) refuse_too_large(o_, *session_, memory_text_);
    if (is_first(ranks_)) record_hashes(options.record);
    std::optional<FinishedRun> before;
    if (is_first(ranks_)) before = finished(options);
    if (!all_of(ranks_, !before)) return before ? report_of(*before, options) : FinetuneReport{};
    if (is_first(ranks_) && !checkpoint_.empty())
      record_change_of_rows(options.record, checkpoint_);
    open_session(checkpoint_, false);
    if (o_.check_finite) session_->run().kernels = &watched_kernels(*session_->run().kernels);
    Profiling profiling(*session_, is_first(ranks_) ? o_.profile : "");
    Trainer trainer(*session_, data_.rows(), data_.held_out(), options);
    if (!checkpoint_.empty()) go_on_from_checkpoint(trainer, options);
    if (!sample_.ids.empty())
      trainer.on_evaluation([this](int64_t) { say_answer(sample_, *session_, *tokenizer_); });
    log_info("{}: {} trainable numbers", o_.method, session_->method()->trainable_count());
    const TrainResult result = train(trainer, options);
    profiling.finish();
    FinetuneReport report{.steps = result.steps,
                          .tokens = result.tokens,
                          .trainable = session_->method()->trainable_count(),
                          .last_loss = result.last_loss,
                          .seconds = result.seconds,
                          .peak_rss_bytes = peak_rss_bytes(),
                          .interrupted = result.interrupted};
    if (!result.interrupted) report.final_folder = (fs::path(o_.out) / "final").string();
    report.json = run_json(report, resolved(options), trainer.state());
    return report;
  }

  CheckedRun dry_run() {
    TrainOptions t = check(true);
    if (!o_.resume.empty()) {
      record_hashes(t.record);
      static_cast<void>(finished(t));
    }
    FinetunePlan plan = plan_run(*session_, data_, t);
    plan.text = memory_text_ + plan_text_of(plan, t, checkpoint_, session_->plan().mapped > 0);
    plan.json = plan_json(plan, resolved(t));
    if (!o_.from_scratch) refuse_broken_weights(o_.checkpoint, config_);
    // Only real memory can be read into: what an adapter's file holds shows when it fits.
    if (plan.fits && o_.method != "full" && (!checkpoint_.empty() || !o_.init_adapter.empty()))
      open_session(checkpoint_, false);
    CheckedRun checked{.plan = std::move(plan), .resolved = resolved(t)};
    for (const auto& param : session_->weights().params) checked.parameters += param->size();
    checked.data = std::move(data_);
    return checked;
  }

  FinetunePlan plan() {
    open_before_data();
    load_data();
    const TrainOptions options = train_options();
    choose_plan(options);
    if (!planned_) refuse_too_large(o_, *session_, memory_text_);
    FinetunePlan plan = plan_run(*session_, data_, options);
    plan.text = memory_text_;
    std::string a_rank;
    if (rank_plan_) {
      plan_traffic_of_rank(*rank_plan_, *session_, StepPlan(data_.rows(), options.batches));
      a_rank = rank_plan_json(*rank_plan_);
      plan.fits = rank_plan_->fits();
      plan.memory_available = rank_plan_->available;
      plan.text += rank_traffic_text(*rank_plan_);
    }
    plan.json = plan_json(plan, resolved(options), a_rank);
    return plan;
  }

 private:
  const LogLevelHere level_;
  std::optional<RunFolder> folder_;  // before what writes into it: its lock goes last
  const FinetuneOptions asked_;
  FinetuneOptions o_;  // with names resolved to paths, "auto" to what was chosen
  ModelConfig config_;
  int64_t vocab_ = 0;  // rows of the embedding, with those of the adapter
  std::optional<Tokenizer> tokenizer_;
  const RunContext& context_;
  Ranks* const ranks_ = job_ranks();  // null: this process is alone
  const Shown shown_;
  std::string device_, memory_text_;
  LoadedData data_;
  std::optional<PromptStyle> style_;
  SamplePrompt sample_;
  fs::path checkpoint_;  // that the run goes on from
  std::unique_ptr<Session> session_;
  bool opened_ = false;  // the session is new, and was not planned with
  // Of a plan: for ranks that are not here, without weights, and without rows.
  std::optional<PlannedRanks> planned_;
  std::optional<RankPlan> rank_plan_;
  std::optional<AssumedWeights> assumed_;
  bool rows_assumed_ = false;
};

}  // namespace

FinetuneReport finetune(const FinetuneOptions& options, const RunContext& context) {
  return Finetuning(options, context, Shown::kRows).run();
}

CheckedRun check_run(const FinetuneOptions& options, bool show_data, const RunContext& context) {
  const Shown shown = show_data ? Shown::kRowsAndPreview : Shown::kNothing;
  return Finetuning(options, context, shown).dry_run();
}
FinetunePlan dry_run(const FinetuneOptions& options, const RunContext& context) {
  return check_run(options, true, context).plan;
}

FinetunePlan plan(const FinetuneOptions& options, const RunContext& context) {
  return Finetuning(options, context, Shown::kRows, true).plan();
}

FinetunePlan plan(const FinetuneOptions& options, const PlannedRanks& ranks,
                  const RunContext& context) {
  check_planned_ranks(ranks);
  return Finetuning(options, context, Shown::kRows, true, &ranks).plan();
}

}  // namespace falconer
