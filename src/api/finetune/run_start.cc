#include "api/finetune/run_start.h"

#include <algorithm>
#include <limits>

#include "api/common.h"
#include "api/finetune/memory_plan.h"
#include "api/finetune/recipe.h"
#include "api/finetune/run_texts.h"
#include "api/model/base_check.h"
#include "api/settings/settings.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/system.h"
#include "method/precision.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "report/table.h"
#include "train/run_folder.h"

namespace falconer {
namespace fs = std::filesystem;

void check_held_out(const RowView& rows, const FinetuneOptions& o) {
  int64_t targets = 0;
  for (int64_t i = 0; i < rows.size(); ++i) targets += rows.targets(i);
  if (targets > 0) return;
  if (o.eval_interval > 0 && rows.empty())
    fail_usage(
        "--eval-interval needs held-out rows: give --test-size, or a folder with test.jsonl");
  if (o.eval_interval > 0)
    fail(
        "{}: none of the {} held-out {} has a token to learn, so that they have no loss; hold "
        "out others, or leave --eval-interval out",
        o.data, rows.size(), plural(rows.size(), "row"));
  if (!rows.empty())
    log_warning("none of the {} held-out {} has a token to learn: they are not evaluated",
                rows.size(), plural(rows.size(), "row"));
}

void check_rows_for_tokens(const FinetuneOptions& o, int64_t had, int64_t rows,
                           const std::optional<Tokenizer>& tokenizer, const fs::path& checkpoint) {
  if (!o.resize_embeddings) return;
  if (!tokenizer)
    fail_usage("--resize-embeddings adds rows for the tokenizer's tokens, and {} has no tokenizer",
               o.checkpoint);
  const int64_t tokens = tokenizer->vocab_size();
  if (tokens > rows)
    fail_usage(
        "--resize-embeddings goes with a new adapter: {} has no rows for the tokens {} to {}",
        checkpoint.empty() ? o.init_adapter : checkpoint.string(), rows, tokens - 1);
  if (rows > had)
    log_info("the embedding has {} more {} than the model, for the tokens {} to {}", rows - had,
             plural(rows - had, "row"), had, rows - 1);
  else if (checkpoint.empty())
    log_info("--resize-embeddings changes nothing: the model has rows for all tokens");
}

void record_method(std::map<std::string, std::string>& settings, Session& session,
                   const FinetuneOptions& o, const fs::path& checkpoint) {
  const bool fresh = checkpoint.empty() && o.init_adapter.empty();
  if (fresh && o.method == "lora") return;  // its flags say more: "all-linear"
  const auto record = read_record(checkpoint);
  for (auto& [key, value] : session.method()->settings()) {
    std::string trained = value;
    // The record knows "all-linear", the adapter what that came to.
    if (record && key != "lora_dropout")
      if (const auto was = record->settings.find(key); was != record->settings.end())
        trained = was->second;
    std::string& asked = settings[key];
    if (fresh && key == "adapter_start_layer" && asked != trained)
      log_info("the model has {} {}: the adapter starts at layer {} instead of {}",
               session.config().layers, plural(session.config().layers, "layer"), trained, asked);
    if (!checkpoint.empty() && o.init_adapter.empty() && asked != trained && key != "lora_dropout")
      log_warning("{} is {} in {}, and stays so: {} does not count", key, printable(trained),
                  checkpoint.string(), asked);
    asked = trained;
  }
}

std::vector<std::string> run_notes(const FinetuneOptions& o, Session& session,
                                   const LoadedData& data) {
  std::vector<std::string> notes = recipe_notes(o);
  if (!o.init_adapter.empty())
    for (const auto& [key, value] : session.method()->settings())
      notes.push_back(fmt::format("{} of the adapter: {}", key, value));
  const int64_t tokens = tokens_of(data.rows());
  notes.push_back(fmt::format("rows: {} to train on with {} {}, {} held out", data.rows().size(),
                              tokens, plural(tokens, "token"), data.held_out().size()));
  return notes;
}

void record_rows_and_settings(ModelRecord& record, const LoadedData& data) {
  record.hashes = {{"data", fingerprint(data.rows())}};
  if (!data.held_out().empty()) record.hashes["held_out"] = fingerprint(data.held_out());
  Digest settings = Digest::sha256();
  for (const auto& [key, value] : record.settings) settings.update(key + "=" + value + ";");
  record.hashes["settings"] = settings.finish();
}

void record_base(ModelRecord& record, const FinetuneOptions& o, const fs::path& checkpoint,
                 const Tokenizer* tokenizer) {
  Hashes base = base_hashes(o.checkpoint, tokenizer);
  const std::optional<Dtype> quantise = parse_quantise(o.quantize);
  for (const std::string& adapter : {o.init_adapter, checkpoint.string()}) {
    check_base(adapter, o.checkpoint, base, o.any_base);
    warn_of_quantisation(adapter, o.checkpoint, quantise);
  }
  record.hashes.merge(base);
  record.quantisation = quantisation_of(o.checkpoint, quantise);
}

std::string hash_in(const ModelRecord& record, const char* what) {
  const auto found = record.hashes.find(what);
  return found == record.hashes.end() ? std::string() : found->second;
}

namespace {

using Settings = std::map<std::string, std::string>;

// One of both may have "auto" for what it comes to.
void settle_precision(Settings& before, Settings& now, const FinetuneOptions& o) {
  std::string &one = before["precision"], &other = now["precision"];
  if ((one == "auto") == (other == "auto") || o.from_scratch) return;
  const TensorFiles files = open_weights(o.checkpoint, read_model_config(o.checkpoint));
  (one == "auto" ? one : other) = name_of(computed_in(Precision::kAuto, files).activation);
}

}  // namespace

std::string other_settings(const ModelRecord& saved, const ModelRecord& asked,
                           const FinetuneOptions& o) {
  if (hash_in(saved, "settings") == hash_in(asked, "settings")) return {};
  Settings before = saved.settings, now = asked.settings, names;
  settle_precision(before, now, o);
  FinetuneOptions defaults;
  for (const SettingRow& row : rows_of(defaults)) {
    const std::string key = record_key(row), usual = text_of(row.value);
    names[key] = spelled_name(key_of(row));
    if (before.contains(key)) now.try_emplace(key, usual);  // what is usual may be left out
    if (now.contains(key)) before.try_emplace(key, usual);
  }
  Settings all = before;
  all.insert(now.begin(), now.end());
  std::vector<std::string> changed;
  const auto shown = [](const std::string& text) {
    return text.empty() ? "none" : printable(text);
  };
  for (const auto& [key, ignored] : all)
    if (before[key] != now[key])
      changed.push_back(fmt::format("{} ({} then, {} now)", names.contains(key) ? names[key] : key,
                                    shown(before[key]), shown(now[key])));
  return joined(changed, ", ");
}

void warn_of_changes(const ModelRecord& record, const FinetuneOptions& o,
                     const fs::path& checkpoint) {
  const auto saved = read_record(checkpoint);
  if (!saved) return;
  const auto warn = [&](const std::string& what) {
    log_warning(
        "{}: was saved by a run with other {}; this run will not be the same as one that was never "
        "interrupted",
        checkpoint.string(), what);
  };
  const auto data = saved->hashes.find("data");
  if (data != saved->hashes.end() && data->second != record.hashes.at("data")) warn("data");
  if (!saved->hashes.contains("settings")) return;
  if (const std::string changed = other_settings(*saved, record, o); !changed.empty())
    warn("settings: " + changed);
}

void record_change_of_rows(ModelRecord& record, const fs::path& checkpoint) {
  const auto saved = read_record(checkpoint);
  if (!saved || hash_in(*saved, "data").empty()) return;
  if (hash_in(*saved, "data") != hash_in(record, "data"))
    record.data["since_step"] = std::to_string(read_train_state(checkpoint).step + 1);
  else if (const auto since = saved->data.find("since_step"); since != saved->data.end())
    record.data["since_step"] = since->second;
}

int64_t tokens_of(const RowView& rows) {
  int64_t tokens = 0;
  for (int64_t i = 0; i < rows.size(); ++i) tokens += rows.length(i);
  return tokens;
}

// final/ and best/, and with the one that is being written one checkpoint more than stay. How many are
// saved by time nobody knows; where all stay, of those only the newest does.
int64_t disk_needed(Session& session, const RowView& rows, const TrainOptions& options) {
  constexpr int64_t kOther = 1 << 20;
  const int64_t steps = StepPlan(rows, options.batches).total_steps();
  int64_t saved = options.save_interval > 0 ? steps / options.save_interval : 0;
  if (options.save_every > 0) saved = options.keep > 0 ? steps : std::min(steps, saved + 2);
  if (options.keep > 0) saved = std::min<int64_t>(int64_t{options.keep} + 1, saved);
  const int64_t bytes = checkpoint_bytes(session);
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 2;
  if (saved > kMost / std::max<int64_t>(1, bytes)) return kMost;
  return model_bytes(session) * (options.keep_best ? 2 : 1) + saved * bytes + kOther;
}

void refuse_full_disk(Session& session, const RowView& rows, const FinetuneOptions& o,
                      TrainOptions& t) {
  const int64_t free = free_disk_bytes(o.out.c_str());
  int64_t needed = disk_needed(session, rows, t);
  if (free >= 0 && free < needed && o.save_every.empty()) {
    log_warning(
        "{}: {:.1f} MB are free, too few for checkpoints by time, which --save-every would "
        "save: nothing is saved in between but by --save-interval",
        o.out, static_cast<double>(free) / 1e6);
    t.save_every = 0;
    needed = disk_needed(session, rows, t);
  }
  if (free >= 0 && free < needed)
    fail(
        "{}: {:.1f} MB are free, and the run writes up to {:.1f} MB; make room, choose another "
        "--out, or keep fewer checkpoints with --keep, --save-interval and --save-every",
        o.out, static_cast<double>(free) / 1e6, static_cast<double>(needed) / 1e6);
}

void warn_of_learning_rate(const TrainOptions& options, int64_t steps) {
  const double lr = options.optimizer.lr;
  const int64_t warmup = options.warmup_steps;
  if (lr == 0) return log_warning("lr is 0: nothing will be learned");
  if (warmup > steps)
    log_warning(
        "warm-up of {} {} is longer than the run's {}: the learning rate reaches only {:.3g} of "
        "{:g}",
        grouped_digits(warmup), plural(warmup, "step"), grouped_digits(steps),
        lr * schedule_factor(options.schedule, steps, warmup, steps), lr);
  else if (warmup == steps && steps > 1)
    log_warning(
        "warm-up takes all of the run's {} steps: the learning rate reaches {:g} in the last alone",
        grouped_digits(steps), lr);
}

FinetunePlan plan_run(Session& session, const LoadedData& data, const TrainOptions& options) {
  const StepPlan steps(data.rows(), options.batches);
  const int64_t rows = data.rows().size();
  FinetunePlan plan{.rows = rows,
                    .held_out_rows = data.held_out().size(),
                    .steps = steps.total_steps(),
                    .steps_per_epoch = steps.steps_per_epoch(),
                    .trainable = session.method()->trainable_count(),
                    .memory_bytes = memory_needed(session),
                    .memory_available = session.available_bytes(),
                    .disk_bytes = disk_needed(session, data.rows(), options),
                    .disk_available = free_disk_bytes(options.out.c_str())};
  plan.rows_seen = plan.steps / plan.steps_per_epoch * rows +
                   std::min(plan.steps % plan.steps_per_epoch * options.batches.batch_size, rows);
  plan.tokens_seen =
      static_cast<int64_t>(static_cast<double>(plan.rows_seen) *
                           static_cast<double>(tokens_of(data.rows())) / static_cast<double>(rows));
  plan.fits = fits(session);
  plan.length_text = steps_text(steps, options.batches, data);
  return plan;
}

namespace {

// "10m"
std::string period_text(double seconds) {
  if (seconds < 1) return fmt::format("{:g}ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:g}s", seconds);
  return seconds < 3600 ? fmt::format("{:g}m", seconds / 60) : fmt::format("{:g}h", seconds / 3600);
}

// "every 100 steps and every 10m; the newest 2 stay"
std::string saves_text(const TrainOptions& options) {
  std::string text;
  if (options.save_interval > 0)
    text = options.save_interval == 1
               ? "every step"
               : fmt::format("every {} steps", grouped_digits(options.save_interval));
  if (options.save_every > 0)
    text += fmt::format("{}every {}", text.empty() ? "" : " and ", period_text(options.save_every));
  if (text.empty()) return "at the end alone";
  return options.keep > 0 ? fmt::format("{}; the newest {} stay", text, options.keep) : text;
}

}  // namespace

std::string plan_text_of(const FinetunePlan& plan, const TrainOptions& options,
                         const fs::path& checkpoint, bool mapped) {
  const auto gigabytes = [](int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  return fmt::format(
      "rows     {} to train on, {} held out\n"
      "steps    {}{}, {} of warm-up, then {}\n"
      "sees     {} {}, about {} {}\n"
      "trains   {} numbers with lr {}\n"
      "memory   {:.3f} GB must be free{}; {:.1f} GB can be had\n"
      "saves    {}\n"
      "disk     up to {:.3f} GB of {:.1f} GB that are free\n",
      grouped_digits(plan.rows), grouped_digits(plan.held_out_rows), plan.length_text,
      checkpoint.empty() ? "" : fmt::format(", going on from {}", checkpoint.string()),
      grouped_digits(options.warmup_steps), name_of(options.schedule),
      grouped_digits(plan.rows_seen), plural(plan.rows_seen, "row"),
      grouped_digits(plan.tokens_seen), plural(plan.tokens_seen, "token"),
      grouped_digits(plan.trainable), options.optimizer.lr, gigabytes(plan.memory_bytes),
      mapped ? ", without the program and the mapped weights" : "",
      gigabytes(plan.memory_available), saves_text(options), gigabytes(plan.disk_bytes),
      gigabytes(plan.disk_available));
}

}  // namespace falconer
