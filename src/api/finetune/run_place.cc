#include "api/finetune/run_place.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "api/export/export.h"
#include "api/finetune/finetune_options.h"
#include "api/finetune/rank_run.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/path.h"
#include "train/run_folder.h"
#include "train/run_status.h"
#include "train/tensorboard.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

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
    if (!input.empty() && input != kRowsInMemory && lies_in(input, o.out))
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
  // /proc and /sys let their owner in, and have no room for anything.
  if (const fs::space_info space = fs::space(place, error); !error && space.capacity == 0)
    fail(
        "{}: lies in a file system that holds no files of its own, as /proc does; give --out "
        "another folder",
        path.string());
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

constexpr const char* kFiles[] = {"metrics.jsonl", "metrics.csv", "recipe.toml", "status.json"};

// final/, best/ and the checkpoints, as far as they are there.
std::vector<fs::path> saved_folders(const fs::path& out) {
  std::vector<fs::path> folders = list_checkpoints(out);
  std::error_code error;
  for (const char* name : {"final", "best"})
    if (fs::exists(out / name, error)) folders.push_back(out / name);
  return folders;
}

// What a run has in its folder; what it set aside as damaged is not looked at again.
std::vector<fs::path> run_files(const fs::path& out) {
  std::vector<fs::path> files = saved_folders(out);
  for (const fs::path& events : list_event_files(out)) files.push_back(events);
  for (const char* name : kFiles) files.push_back(out / name);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(out, error))
    if (const std::string name = entry.path().filename().string();
        name.starts_with("rank-") && name.ends_with(".log"))
      files.push_back(entry.path());
  std::erase_if(files, [&](const fs::path& file) { return !fs::exists(file, error); });
  return files;
}

fs::path earlier_run(const fs::path& out) { return out / ".earlier-run"; }

// Whether a run of Falconer's lies there: it says so first of all in status.json, and in whatever it
// saves, should that be damaged.
bool holds_run(const fs::path& out) {
  std::error_code error;
  const auto status = read_status(out);
  if (status && !status->state.empty() && !status->method.empty()) return true;
  const std::vector<fs::path> saved = saved_folders(out);
  return fs::exists(earlier_run(out), error) ||
         std::any_of(saved.begin(), saved.end(), [&](const fs::path& folder) {
           return fs::exists(folder / "falconer.json", error);
         });
}

void tell_reads(OutputRule& rule, const std::string& input, const fs::path& out) {
  std::error_code error;
  if (input.empty() || !fs::is_directory(input, error) || !lies_in(out, input)) {
    rule.reads(input);
    return;
  }
  // A folder with the run's inside: what the run wrote is not what it reads.
  if (fs::equivalent(input, out, error)) return;
  for (const auto& entry : fs::directory_iterator(input, error))
    if (entry.is_regular_file(error)) rule.reads(entry.path().string());
}

// Nothing is written over that the run reads, or that no run wrote. A run's own recipe is gone on with.
void check_outputs(const FinetuneOptions& o, bool ours, int ranks) {
  const fs::path out = o.out;
  OutputRule rule(o.overwrite || ours);
  for (const std::string& input : {o.checkpoint, o.data, o.init_adapter})
    tell_reads(rule, input, out);
  if (!ours) rule.reads(o.recipe);
  for (const char* name : kFiles) rule.check_file(out / name, "--out");
  for (int rank = 1; rank < ranks; ++rank) {
    const fs::path log = rank_log(out, rank);
    rule.check_file(log, "--out");
  }
  if (!o.profile.empty()) {
    rule.check_file(o.profile, "--profile");
    const fs::path profile = fs::path(o.profile).lexically_normal(),
                   folder = out.lexically_normal();
    if (profile == folder)
      fail("{}: is the run's folder, and --profile names a file; name one in it", o.profile);
    OutputRule alone(o.overwrite);  // it is no part of the run, whose folder may not be there yet
    profile.parent_path() == folder ? alone.check_file(o.profile, "--profile")
                                    : alone.check_result(o.profile, "--profile");
  }
  for (const fs::path& folder : saved_folders(out)) {
    rule.check_folder(folder, "--out");
    const std::string foreign = ours && o.overwrite ? foreign_name_in(folder) : std::string();
    if (!foreign.empty())
      fail(
          "{}: holds {} as well, which no run writes, and --overwrite would remove it; move that "
          "away, "
          "or give --out another name",
          folder.string(), foreign);
    if (!ours && !o.overwrite)
      fail(
          "{}: is there already, and Falconer did not write it; give --out another name, or "
          "--overwrite to replace it",
          folder.string());
  }
}

void move_aside(const fs::path& out) {
  make_folder(earlier_run(out));
  for (const fs::path& file : run_files(out)) {
    std::error_code error;
    fs::rename(file, earlier_run(out) / file.filename(), error);
    if (error) fail("{}: cannot be replaced: {}", file.string(), error.message());
  }
}

// In the place of what a run wrote before its first step. What is aside and cannot be moved stays there.
void put_back(const fs::path& out) {
  std::error_code error;
  std::vector<fs::path> earlier;
  for (const auto& entry : fs::directory_iterator(earlier_run(out), error))
    earlier.push_back(entry.path());
  if (earlier.empty()) {
    fs::remove(earlier_run(out), error);
    return;
  }
  for (const fs::path& file : run_files(out))
    if (fs::exists(earlier_run(out) / file.filename(), error) ||
        file.filename().string().starts_with("events.") || file.filename() == "status.json")
      fs::remove_all(file, error);
  // Last what would be taken for the new run's, were this ended here.
  std::stable_partition(earlier.begin(), earlier.end(), [](const fs::path& file) {
    return !file.filename().string().starts_with("events.") && file.filename() != "status.json";
  });
  for (const fs::path& file : earlier) fs::rename(file, out / file.filename(), error);
  fs::remove(earlier_run(out), error);
}

}  // namespace

void refuse_inside_model(const std::string& out, const std::string& checkpoint) {
  std::error_code error;
  if (fs::is_directory(checkpoint, error) && lies_in(out, checkpoint))
    fail("{}: lies in the model's own folder, {}; give --out another one", out, checkpoint);
}

std::string earlier_run_hint(const fs::path& out) {
  if (!is_folder(earlier_run(out))) return {};
  return worded(
      "; the earlier run is whole in {}: falconer finetune with --out {} and --resume puts it back",
      earlier_run(out).string(), out.string());
}

RunFolder::RunFolder(const FinetuneOptions& o, bool dry, int ranks)
    : out_(o.out), overwrite_(o.overwrite && o.resume.empty()) {
  if (o.out.empty()) fail_usage("--out is required: the folder of this run");
  refuse_inside_model(o.out, o.checkpoint);
  refuse_unwritable(out_);
  if (dry) {
    refuse_locked(out_);
  } else if (fs::exists(out_)) {
    lock_.emplace(out_);
    if (fs::exists(earlier_run(out_))) {
      log_warning(
          "{}: the run that was to replace the earlier one was ended before its first step; "
          "the earlier one is put back",
          o.out);
      put_back(out_);
    }
  }
  const bool ours = holds_run(out_);
  if (o.overwrite && o.resume.empty()) refuse_removing_inputs(o);
  for (const char* name : {"metrics.jsonl", "final"})
    if (ours && !o.overwrite && o.resume.empty() && fs::exists(out_ / name))
      fail(
          "{}: holds an earlier run; go on with --resume, start anew with --overwrite, or choose "
          "another --out",
          o.out);
  check_outputs(o, ours, ranks);
}

RunFolder::~RunFolder() {
  if (fresh_) remove_what_was_written();
  if (!replaced_) return;
  try {
    put_back(out_);
  } catch (const std::exception& error) {
    log_warning("{}: the earlier run stays in {}: {}", out_.string(), earlier_run(out_).string(),
                error.what());
  }
}

// Of a run that failed before its first step nothing is worth keeping, and it would bar the next one's way.
void RunFolder::remove_what_was_written() {
  std::error_code error;
  for (const fs::path& file : run_files(out_)) fs::remove_all(file, error);
  lock_.reset();
  if (made_) fs::remove(out_, error);  // where nobody else has put anything in it
}

void RunFolder::claim() {
  std::error_code error;
  made_ = !fs::exists(out_, error);
  make_folder(out_);
  if (!lock_) {
    lock_.emplace(out_);
    if (!run_files(out_).empty())
      fail("{}: another run began in it at the same time; choose another --out", out_.string());
  }
  clear_partials(out_);
  fresh_ = run_files(out_).empty();
  if (!overwrite_ || fresh_) return;
  replaced_ = true;
  move_aside(out_);
}

void RunFolder::begun() {
  fresh_ = false;
  if (!std::exchange(replaced_, false)) return;
  remove_folder(earlier_run(out_));
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
  if (!is_there(fs::path(o.out) / "final"))  // else it may be finished
    log_info("{}: no checkpoint to go on from, starting at the beginning", o.out);
  return {};
}

fs::path scratch_folder(const fs::path& out) {
  if (out.empty()) return {};
  std::error_code error;
  const fs::path place = existing_above(out);
  return fs::is_directory(place, error) && is_writable(place) ? place : fs::path();
}

}  // namespace falconer
