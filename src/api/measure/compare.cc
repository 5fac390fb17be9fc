// falconer compare: the methods on the same rows, each measured in a process of its own.
#include <algorithm>
#include <cctype>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "api/finetune/recipe.h"
#include "api/measure/compare_measure.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/plural.h"
#include "base/system.h"
#include "base/threads.h"
#include "falconer/process.h"
#include "model/arch/architecture.h"
#include "report/comparison.h"
#include "train/run_lock.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kPromptTokens = 64;
constexpr const char* kBase = "base";

void check_names(const CompareOptions& o) {
  if (o.runs.empty()) fail_usage("there is nothing to compare: give --methods or recipes");
  if (o.out.empty()) fail_usage("--out is required: the folder of the comparison");
  if (o.ask < 0 || o.new_tokens < 0 || o.repeats < 1)
    fail_usage("--ask and --new-tokens are 0 or more, --repeats is 1 or more");
  std::set<std::string> names = {kBase, "charts", "measured", "recipes"};
  for (const CompareRun& run : o.runs) {
    const auto plain = [](unsigned char c) {
      return std::isalnum(c) || c == '-' || c == '_' || c == '.';
    };
    if (run.name.empty() || run.name.front() == '.' ||
        !std::all_of(run.name.begin(), run.name.end(), plain))
      fail_usage("\"{}\" names a run, and becomes a folder: expected letters, digits, - and _",
                 printable(run.name));
    if (!names.insert(run.name).second)
      fail_usage(
          "two runs are named {} (base, charts, measured and recipes are taken); rename a recipe",
          run.name);
    if (run.options.checkpoint != o.runs.front().options.checkpoint ||
        run.options.data != o.runs.front().options.data)
      fail_usage("{} has another checkpoint or other data than {}: give --checkpoint and --data",
                 run.name, o.runs.front().name);
  }
}

// The settings that differ between methods and matter most, in a line.
std::string settings_text(const FinetuneOptions& o) {
  std::string text = fmt::format("lr {:.3g}, {}, batch {}", o.lr.value_or(0), o.schedule,
                                 o.batch_size.value_or(0));
  if (o.method == "lora") {
    std::string targets;
    for (const std::string& target : o.lora_targets)
      targets += (targets.empty() ? "" : ",") + target;
    text += fmt::format(", rank {} on {}, alpha {:.3g}, dropout {:.3g}", o.lora_r, targets,
                        o.lora_alpha, o.lora_dropout.value_or(0));
  }
  if (o.method.starts_with("adapter"))
    text += fmt::format(", {} slots from layer {}", o.adapter_length, o.adapter_start_layer);
  return text + fmt::format(", decay {:.3g}", o.weight_decay.value_or(0));
}

class Comparing {
 public:
  explicit Comparing(const CompareOptions& options) : o_(options) {
    check_names(o_);
    model_ = read_model_config(resolve_checkpoint(o_.runs.front().options.checkpoint));
  }

  CompareReport run() {
    check_outputs();
    plan_all();
    make_folder(o_.out);
    const RunLock lock(o_.out);
    for (const char* folder : {"recipes", "measured"}) make_folder(fs::path(o_.out) / folder);
    if (o_.overwrite) clear();
    write_recipes();
    write_held_out();
    const Measurements measure(o_, checked_.front().resolved, held_out_file(), longest_answer(),
                               prompt());
    for (size_t i = 0; i < runs_.size(); ++i)
      if (runs_[i].left_out.empty()) train_and_ask(measure, i);
    report_.base_exact =
        measure.exact(files(kBase), {"--checkpoint=" + o_.runs.front().options.checkpoint});
    if (o_.new_tokens > 0) measure_speeds(measure);
    return write_report(measure);
  }

 private:
  ComparedFiles files(const std::string& name) const { return {.out = o_.out, .name = name}; }

  // All runs are checked before the first one trains.
  void plan_all() {
    for (const CompareRun& run : o_.runs) {
      FinetuneOptions options = run.options;
      options.out = files(run.name).run().string();
      options.overwrite = true;  // what is there is gone on with, or was left by a run that failed
      options.resume.clear();
      checked_.push_back(check_run(options, false));
      CheckedRun& checked = checked_.back();
      if (checked.data.held_out().empty())
        fail_usage("{}: no held-out rows: give --test-size, or a folder with test.jsonl",
                   options.data);
      if (checked_.size() > 1) checked.data = {};  // the first one's are looked at
      if (checked.resolved.eval_interval == 0)
        checked.resolved.eval_interval = std::max<int64_t>(1, checked.plan.steps / 10);
      ComparedRun compared{.name = run.name, .method = options.method};
      compared.settings = settings_text(checked.resolved);
      compared.trainable = checked.plan.trainable;
      compared.rows = checked.plan.rows_seen;
      const auto gigabytes = [](int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
      if (!checked.plan.fits)
        compared.left_out = fmt::format(
            "left out: it needs {:.1f} GB of memory besides the mapped weights, and {:.1f} GB can "
            "be had",
            gigabytes(checked.plan.memory_bytes), gigabytes(checked.plan.memory_available));
      log_info("{}: {} trainable numbers, {}, {:.2f} GB{}", run.name, checked.plan.trainable,
               checked.plan.length_text, gigabytes(checked.plan.memory_bytes),
               compared.left_out.empty() ? "" : "; " + compared.left_out);
      runs_.push_back(std::move(compared));
    }
    if (std::none_of(runs_.begin(), runs_.end(),
                     [](const ComparedRun& run) { return run.left_out.empty(); }))
      fail("none of the methods fits in memory; {}", runs_.front().left_out);
  }

  // Nothing of the user's is written over, or removed by --overwrite: a folder that no comparison made
  // must hold nothing under the names of this one.
  void check_outputs() const {
    const fs::path out = o_.out;
    const bool ours = fs::exists(held_out_file());
    OutputRule rule(o_.overwrite || ours);
    const FinetuneOptions& first = o_.runs.front().options;
    rule.reads(first.checkpoint);
    rule.reads(first.data);
    for (const CompareRun& run : o_.runs) {
      rule.reads(run.options.init_adapter);
      rule.reads(run.options.recipe);
    }
    for (const char* name : {"compare.md", "compare.json", "compare.html"})
      rule.check_file(out / name, "--out");
    std::error_code error;
    for (const auto& chart : fs::directory_iterator(out / "charts", error))
      rule.check_file(chart.path(), "--out");
    for (const std::string& name : all_names())
      for (const fs::path& file :
           {files(name).recipe(), files(name).answers(), files(name).speed()})
        rule.check_file(file, "--out");
    for (const CompareRun& run : o_.runs) {
      const fs::path folder = files(run.name).run();
      rule.check_folder(folder, "--out");
      if (!ours && fs::is_directory(folder, error) && !fs::is_empty(folder, error))
        fail("{}: is there, and no comparison made it; give --out another folder", folder.string());
    }
    for (const std::string& name : all_names()) rule.check_folder(files(name).merged(), "--out");
  }

  void clear() {
    std::error_code ignored;
    std::vector<std::unique_ptr<RunLock>> locks;  // all before anything is removed
    for (const std::string& name : all_names())
      if (fs::is_directory(files(name).run(), ignored))
        locks.push_back(std::make_unique<RunLock>(files(name).run()));
    for (const std::string& name : all_names()) {
      if (name != kBase) fs::remove_all(files(name).run(), ignored);  // it has none
      for (const fs::path& path :
           {files(name).recipe(), files(name).answers(), files(name).speed(), files(name).merged()})
        fs::remove_all(path, ignored);
    }
  }

  std::vector<std::string> all_names() const {
    std::vector<std::string> names = {kBase};
    for (const CompareRun& run : o_.runs) names.push_back(run.name);
    return names;
  }

  // A comparison that is gone on with must be the one that was begun.
  void write_recipes() {
    for (size_t i = 0; i < runs_.size(); ++i) {
      const fs::path path = files(runs_[i].name).recipe();
      const std::string recipe = recipe_text(checked_[i].resolved);
      if (fs::exists(path) && !same_settings(read_text_file(path), recipe))
        fail(
            "{}: was written with other settings by an earlier comparison; start anew with "
            "--overwrite, or choose another --out",
            path.string());
      write_file(path, recipe);
    }
  }

  RowView held_out() const { return checked_.front().data.held_out(); }

  fs::path held_out_file() const { return fs::path(o_.out) / "measured/held-out.jsonl"; }

  void write_held_out() const {
    AtomicFile file(held_out_file());
    const RowView rows = held_out();
    for (int64_t i = 0; i < rows.size(); ++i) {
      const Row row = rows[i];
      file.write(nlohmann::json({{"input_ids", row.ids}, {"labels", row.labels}}).dump() + "\n");
    }
    file.commit();
  }

  // Labels behind a prompt; 0 where rows have none that could be asked.
  int64_t longest_answer() const {
    int64_t longest = 0;
    const RowView rows = held_out();
    for (int64_t i = 0; i < rows.size(); ++i) {
      const Row row = rows[i];
      if (row.labels.empty() || row.labels.front() != kIgnoredLabel || row.targets() == 0) return 0;
      longest = std::max(longest, row.targets());
    }
    return longest;
  }

  std::vector<int32_t> prompt() const {
    const int64_t most =
        std::min<int64_t>(kPromptTokens, std::max<int64_t>(1, model_.context - o_.new_tokens));
    std::vector<int32_t> ids;
    const RowView rows = held_out();
    for (int64_t i = 0; i < rows.size() && std::ssize(ids) < most; ++i)
      for (const int32_t id : rows[i].ids)
        if (std::ssize(ids) < most) ids.push_back(id);
    return ids;
  }

  std::vector<std::string> model_of(const ComparedRun& run) const {
    const std::string trained = (files(run.name).run() / "final").string();
    if (run.method == "full") return {"--checkpoint=" + trained};
    return {"--checkpoint=" + o_.runs.front().options.checkpoint, "--adapter=" + trained};
  }

  void train_and_ask(const Measurements& measure, size_t i) {
    ComparedRun& run = runs_[i];
    log_info("== {}: training", run.name);
    measure.train(files(run.name));
    read_run_metrics(files(run.name).run(), run);
    log_info("== {}: asking {} held-out questions", run.name, asked());
    run.exact = measure.exact(files(run.name), model_of(run));
  }

  int64_t asked() const { return longest_answer() == 0 ? 0 : std::min(o_.ask, held_out().size()); }

  struct Subject {
    std::string name;
    std::vector<std::string> model, merged;  // merged: empty where there is none
    std::string merged_note;
    std::vector<MeasuredSpeed> measured, measured_merged;
  };

  void add_merged(const Measurements& measure, const ComparedRun& run, Subject& subject) const {
    if (!o_.merge || run.method == "full") return;
    if (run.method == "adapter") {
      subject.merged_note = "a prompt is no part of any weight, so that nothing can be merged";
      return;
    }
    if (const auto why_not = measure.merge(files(run.name))) {
      subject.merged_note = *why_not;
      return;
    }
    const fs::path merged = files(run.name).merged();
    subject.merged.push_back("--checkpoint=" + merged.string());
    if (!fs::exists(merged / "rest")) return;
    subject.merged.push_back("--adapter=" + (merged / "rest").string());
    subject.merged_note = "its prompts stay an adapter beside the merged weights";
  }

  // Takes what was measured before; returns whether there was something.
  bool take_speed(const std::string& name) {
    const auto stored = read_speed(files(name).speed(), o_);
    if (!stored) return false;
    if (name == kBase) report_.base_speed = stored->speed;
    for (ComparedRun& run : runs_) {
      if (run.name != name) continue;
      run.speed = stored->speed;
      run.merged_speed = stored->merged;
      run.merged_note = stored->merged_note;
    }
    return true;
  }

  // In rounds over all models, so that a machine that slows down does so for all of them.
  void measure_speeds(const Measurements& measure) {
    std::vector<Subject> subjects;
    if (!take_speed(kBase))
      subjects.push_back(
          {.name = kBase, .model = {"--checkpoint=" + o_.runs.front().options.checkpoint}});
    for (const ComparedRun& run : runs_) {
      if (!run.left_out.empty() || take_speed(run.name)) continue;
      subjects.push_back({.name = run.name, .model = model_of(run)});
      add_merged(measure, run, subjects.back());
    }
    for (int64_t round = 0; round < o_.repeats && !subjects.empty(); ++round) {
      log_info("== measuring answers, round {} of {}", round + 1, o_.repeats);
      for (Subject& subject : subjects) {
        subject.measured.push_back(measure.speed(subject.model));
        if (!subject.merged.empty())
          subject.measured_merged.push_back(measure.speed(subject.merged));
      }
    }
    for (const Subject& subject : subjects) {
      StoredSpeed stored{
          .speed = median(subject.measured), .merged = {}, .merged_note = subject.merged_note};
      if (!subject.measured_merged.empty()) stored.merged = median(subject.measured_merged);
      write_speed(files(subject.name).speed(), stored, o_);
      std::error_code ignored;
      fs::remove_all(files(subject.name).merged(), ignored);
      take_speed(subject.name);
    }
  }

  void describe(const Measurements& measure) {
    const FinetuneOptions& first = checked_.front().resolved;
    report_.checkpoint = first.checkpoint;
    report_.data = first.data;
    report_.family = model_.family;
    report_.layers = model_.layers;
    report_.width = model_.width;
    report_.parameters = checked_.front().parameters;
    report_.rows = checked_.front().plan.rows;
    report_.held_out_rows = held_out().size();
    report_.asked_rows = asked();
    report_.precision = first.precision;
    const int threads = o_.threads > 0 ? o_.threads : thread_count();
    report_.machine =
        fmt::format("{}, {} {}", processor_name(), threads, plural(threads, "thread"));
    report_.program = version();
    report_.date = utc_time("%Y-%m-%d");
    report_.prompt_tokens = measure.prompt_tokens();
    report_.new_tokens = o_.new_tokens;
    for (const ComparedRun& run : runs_)
      if (run.left_out.empty() && !run.held_out_x.empty() && run.held_out_x.front() == 0) {
        report_.base_held_out_loss = run.held_out_losses.front();
        break;
      }
    report_.runs = runs_;
  }

  CompareReport write_report(const Measurements& measure) {
    describe(measure);
    const fs::path out = o_.out;
    CompareReport report{.text = comparison_markdown(report_),
                         .json = comparison_json(report_),
                         .page = (out / "compare.html").string()};
    write_file(out / "compare.md", report.text);
    write_file(out / "compare.json", report.json);
    make_folder(out / "charts");
    for (const NamedChart& chart : comparison_charts(report_))
      write_file(out / "charts" / (chart.name + ".svg"), chart.svg);
    write_file(report.page, comparison_page(report_));
    for (const ComparedRun& run : runs_) report.complete &= run.left_out.empty();
    return report;
  }

  const CompareOptions& o_;
  ModelConfig model_;
  std::vector<CheckedRun> checked_;
  std::vector<ComparedRun> runs_;
  Comparison report_;
};

}  // namespace

CompareReport compare(const CompareOptions& options) {
  check_bounds(options);
  return Comparing(options).run();
}

}  // namespace falconer
