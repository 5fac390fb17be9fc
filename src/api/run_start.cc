#include "api/run_start.h"

#include <unistd.h>

#include "api/memory_plan.h"
#include "api/run_texts.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/system.h"
#include "report/table.h"
#include "train/run_folder.h"
#include "train/run_status.h"
#include "train/tensorboard.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

// Whether `path` is `folder` or lies in it.
bool lies_in(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error),
                 outer = fs::weakly_canonical(folder, error);
  const auto [a, b] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return a == outer.end() || (a->empty() && std::next(a) == outer.end());
}

// What --overwrite removes must not be what the run reads.
void refuse_removing_inputs(const FinetuneOptions& o) {
  for (const std::string& input : {o.checkpoint, o.data, o.init_adapter})
    if (!input.empty() && lies_in(input, o.out))
      fail("{}: --overwrite would remove it, and the run reads it; choose another --out", input);
}

// The first on the way up from `path` that is there.
fs::path existing_above(const fs::path& path) {
  std::error_code error;
  fs::path place = fs::absolute(path, error).lexically_normal();
  while (!fs::exists(place, error) && place.has_parent_path() && place != place.parent_path())
    place = place.parent_path();
  return place;
}

bool is_writable(const fs::path& folder) { return ::access(folder.c_str(), W_OK | X_OK) == 0; }

void refuse_unwritable(const fs::path& path) {
  std::error_code error;
  const fs::path place = existing_above(path);
  if (!fs::is_directory(place, error))
    fail("{}: expected a folder, found a file; give another path", place.string());
  if (!is_writable(place))
    fail("{}: cannot be written to; give --out another folder", place.string());
}

// A run that goes on from an older checkpoint would leave the newer ones beside its own.
void refuse_newer(const fs::path& out, const fs::path& resume, int64_t step) {
  const std::vector<fs::path> all = list_checkpoints(out);
  std::error_code error;
  if (all.empty() || fs::equivalent(all.front(), resume, error)) return;
  const int64_t newest = read_train_state(all.front()).step;
  if (newest > step)
    fail(
        "--resume {} is of step {}, and {} holds {}: remove what is newer to go on from there, "
        "give --resume auto, or another --out",
        resume.string(), step, out.string(), all.front().filename().string());
}

// Kept for whoever wants to look, but no longer among those that a run goes on from.
void set_aside(const fs::path& checkpoint, const Error& error) {
  const fs::path aside = checkpoint.parent_path() / ("damaged-" + checkpoint.filename().string());
  log_warning("{}; it is now {}, trying the one before", error.what(), aside.string());
  remove_folder(aside);
  fs::rename(checkpoint, aside);
}

}  // namespace

void refuse_inside_model(const std::string& out, const std::string& checkpoint) {
  std::error_code error;
  if (fs::is_directory(checkpoint, error) && lies_in(out, checkpoint))
    fail("{}: lies in the model's own folder, {}; give --out another one", out, checkpoint);
}

void check_run_folder(const FinetuneOptions& o) {
  if (o.out.empty()) fail_usage("--out is required: the folder of this run");
  refuse_inside_model(o.out, o.checkpoint);
  refuse_unwritable(o.out);
  if (const auto status = read_status(o.out); status && is_alive(*status, o.out))
    fail("{}: process {} on {} trains in this folder; choose another --out", o.out, status->pid,
         status->host);
  if (!o.resume.empty()) return;
  if (o.overwrite) return refuse_removing_inputs(o);
  for (const char* name : {"metrics.jsonl", "final"})
    if (fs::exists(fs::path(o.out) / name))
      fail(
          "{}: holds an earlier run; go on with --resume, start anew with --overwrite, or choose "
          "another --out",
          o.out);
}

void claim_run_folder(const FinetuneOptions& o) {
  const fs::path out = o.out;
  make_folder(out);
  clear_partials(out);
  if (!o.overwrite || !o.resume.empty()) return;
  std::error_code ignored;
  for (const fs::path& checkpoint : list_checkpoints(out)) remove_folder(checkpoint);
  for (const fs::path& events : list_event_files(out)) fs::remove(events, ignored);
  for (const char* name :
       {"metrics.jsonl", "metrics.csv", "final", "best", "recipe.toml", "status.json"})
    fs::remove_all(out / name, ignored);
}

fs::path find_checkpoint(const FinetuneOptions& o, bool dry) {
  if (o.resume.empty()) return {};
  if (!dry) clear_partials(o.out);
  if (o.resume != "auto") {
    refuse_newer(o.out, o.resume, read_train_state(o.resume).step);
    check_checkpoint(o.resume);
    return o.resume;
  }
  for (const fs::path& checkpoint : list_checkpoints(o.out)) {
    try {
      check_checkpoint(checkpoint);
      return checkpoint;
    } catch (const Error& error) {
      if (dry)
        log_warning("{}; a run would begin at the one before", error.what());
      else
        set_aside(checkpoint, error);
    }
  }
  log_info("{}: no checkpoint to go on from, starting at the beginning", o.out);
  return {};
}

fs::path scratch_folder(const fs::path& out) {
  if (out.empty()) return {};
  std::error_code error;
  const fs::path place = existing_above(out);
  return fs::is_directory(place, error) && is_writable(place) ? place : fs::path();
}

int64_t tokens_of(const RowView& rows) {
  int64_t tokens = 0;
  for (int64_t i = 0; i < rows.size(); ++i) tokens += rows.length(i);
  return tokens;
}

// final/ and best/, and with the one that is being written one checkpoint more than stay.
int64_t disk_needed(Session& session, const RowView& rows, const TrainOptions& options) {
  constexpr int64_t kOther = 1 << 20;
  int64_t kept = 0;
  if (options.save_interval > 0) {
    kept = StepPlan(rows, options.batches).total_steps() / options.save_interval;
    if (options.keep > 0) kept = std::min<int64_t>(options.keep + 1, kept);
  }
  return model_bytes(session) * (options.keep_best ? 2 : 1) + kept * checkpoint_bytes(session) +
         kOther;
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

std::string plan_text_of(const FinetunePlan& plan, const TrainOptions& options,
                         const fs::path& checkpoint, bool mapped) {
  const auto gigabytes = [](int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
  return fmt::format(
      "rows     {} to train on, {} held out\n"
      "steps    {}{}, {} of warm-up, then {}\n"
      "sees     {} rows, about {} tokens\n"
      "trains   {} numbers with lr {}\n"
      "memory   {:.3f} GB{}, of {:.1f} GB that can be had\n"
      "disk     up to {:.3f} GB of {:.1f} GB that are free\n",
      grouped_digits(plan.rows), grouped_digits(plan.held_out_rows), plan.length_text,
      checkpoint.empty() ? "" : fmt::format(", going on from {}", checkpoint.string()),
      grouped_digits(options.warmup_steps), name_of(options.schedule),
      grouped_digits(plan.rows_seen), grouped_digits(plan.tokens_seen),
      grouped_digits(plan.trainable), options.optimizer.lr, gigabytes(plan.memory_bytes),
      mapped ? " and the mapped weights" : "", gigabytes(plan.memory_available),
      gigabytes(plan.disk_bytes), gigabytes(plan.disk_available));
}

}  // namespace falconer
