// falconer verify: what a run saved, looked at again.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/data/read_rows.h"
#include "api/finetune/run_place.h"
#include "api/measure/tensor_numbers.h"
#include "api/model/base_check.h"
#include "api/model/load_options.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/nearest.h"
#include "base/number.h"
#include "base/path.h"
#include "base/plural.h"
#include "falconer/finetune.h"
#include "falconer/watch.h"
#include "model/arch/architecture.h"
#include "report/table.h"
#include "train/run_folder.h"
#include "train/sums.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

class Verifying {
 public:
  explicit Verifying(const VerifyOptions& options) : o_(options) {}

  VerifyReport run() {
    const std::vector<fs::path> saved = saved_folders();
    for (const fs::path& folder : saved) guarded(folder, "", [&] { look_at_folder(folder); });
    if (fs::exists(fs::path(o_.folder) / "metrics.jsonl"))
      guarded(o_.folder, "metrics.jsonl", [&] { look_at_metrics(); });
    // Of one run they are all the same.
    guarded(saved.front(), "base", [&] { look_at_base(saved.front()); });
    guarded(saved.front(), "data", [&] { look_at_data(saved.front()); });
    return report();
  }

 private:
  enum class Verdict { kOk, kFailed, kNotChecked };
  struct Line {
    std::string folder, what;
    Verdict verdict;
    std::string said;
  };

  std::vector<fs::path> saved_folders() const {
    const fs::path folder = o_.folder;
    if (!is_there(folder))
      fail("{}: {}", o_.folder, not_found_text(folder, "the folder of a run or what it saved"));
    if (fs::exists(folder / "falconer.json")) return {folder};
    std::vector<fs::path> found;
    for (const char* name : {"final", "best"})
      if (fs::is_directory(folder / name)) found.push_back(folder / name);
    for (const fs::path& checkpoint : list_checkpoints(folder)) found.push_back(checkpoint);
    if (found.empty())
      fail(
          "{}: holds nothing that a run saved; expected final, best or checkpoint-<step> in it, or "
          "falconer.json{}",
          o_.folder, earlier_run_hint(folder));
    return found;
  }

  void say(const fs::path& folder, const std::string& what, Verdict verdict, std::string said) {
    const std::string name = fs::path(o_.folder) == folder ? "." : folder.filename().string();
    lines_.push_back({name, what, verdict, std::move(said)});
  }

  // What cannot be read is a finding like others, and the rest is looked at too.
  template <class Look>
  void guarded(const fs::path& folder, const std::string& what, Look&& look) {
    try {
      look();
    } catch (const Error& error) {
      say(folder, what, Verdict::kFailed, error.what());
    }
  }

  void look_at_folder(const fs::path& folder) {
    const auto record = read_record(folder);
    if (!record) fail("{}: falconer.json is missing", folder.string());
    const auto wrong = check_sums(folder);
    if (!wrong)
      say(folder, "files", Verdict::kNotChecked,
          "no SHA256SUMS, which a run saves beside its files");
    else if (wrong->empty())
      say(folder, "files", Verdict::kOk, "all read as they were written");
    for (const std::string& file : wrong.value_or(std::vector<std::string>()))
      say(folder, "files", Verdict::kFailed, file);
    const bool adapter = fs::exists(folder / "adapter_model.safetensors");
    say_numbers(folder, "tensors",
                numbers_in(adapter ? TensorFiles::open_file(folder / "adapter_model.safetensors")
                                   : TensorFiles::open_folder(folder)),
                adapter);
    if (!folder.filename().string().starts_with("checkpoint-")) return;
    const int64_t step = read_train_state(folder).step;
    if (folder.filename() != fmt::format("checkpoint-{}", step))
      say(folder, "state", Verdict::kFailed, fmt::format("is of step {}", step));
    say_numbers(folder, "optimizer",
                numbers_in(TensorFiles::open_file(folder / "optimizer.safetensors")), false);
  }

  void say_numbers(const fs::path& folder, const std::string& what, const TensorNumbers& numbers,
                   bool trained) {
    if (!numbers.not_finite.empty())
      return say(folder, what, Verdict::kFailed, numbers.not_finite + " is not finite");
    if (trained && !numbers.all_zero.empty())
      return say(folder, what, Verdict::kFailed,
                 fmt::format("{} of {} are all 0 and were not trained, the first is {}",
                             numbers.all_zero.size(), numbers.tensors, numbers.all_zero.front()));
    say(folder, what, Verdict::kOk,
        fmt::format("{} {}, all finite", numbers.tensors, plural(numbers.tensors, "tensor")));
  }

  void look_at_metrics() {
    int64_t steps = 0, last = 0, evaluations = 0;
    for_each_json_line(fs::path(o_.folder) / "metrics.jsonl", [&](const auto& row, int64_t) {
      if (!row.contains("step") || !row["step"].is_number_integer()) fail("is no row of metrics");
      const int64_t step = row["step"];
      evaluations += row.contains("eval_loss");
      if (row.contains("eval_loss")) return;
      if (step != last + 1 && last > 0) fail("step {} follows step {}", step, last);
      last = step;
      ++steps;
    });
    say(o_.folder, "metrics", Verdict::kOk,
        fmt::format("{} {} without a gap, {} {}", steps, plural(steps, "step"), evaluations,
                    plural(evaluations, "evaluation")));
  }

  // The base as it is now; its tokenizer is needed for the rows too.
  void look_at_base(const fs::path& folder) {
    const auto record = read_record(folder);
    if (!record || !record->hashes.contains("base"))
      return say(folder, "base", Verdict::kNotChecked, "its hash was not recorded");
    const std::string name = o_.checkpoint.empty() ? record->base_checkpoint : o_.checkpoint;
    if (!found(name, "base", "--checkpoint")) return;
    checkpoint_ = name;
    check_base(folder.string(), name, false);
    say(folder, "base", Verdict::kOk, name + ": the weights and the tokens that it was trained on");
  }

  void look_at_data(const fs::path& folder) {
    const auto record = read_record(folder);
    if (!record || !record->hashes.contains("data"))
      return say(folder, "data", Verdict::kNotChecked, "its hash was not recorded");
    const auto recorded = record->data.find("path");
    const std::string path = !o_.data.empty()                 ? o_.data
                             : recorded == record->data.end() ? std::string()
                                                              : recorded->second;
    if (path.empty())
      return say(folder, "data", Verdict::kNotChecked,
                 spelled("its rows were in memory; --data FILE compares them with a file's"));
    if (!found(path, "data", "--data")) return;
    if (checkpoint_.empty())
      return say(folder, "data", Verdict::kNotChecked, "needs the base's tokenizer");
    const LoadedData data = load(*record, path);
    const auto same = [&](const std::string& name, const RowView& rows) {
      const auto hash = record->hashes.find(name);
      return hash == record->hashes.end() ? rows.empty() : hash->second == fingerprint(rows);
    };
    if (!same("data", data.rows()) || !same("held_out", data.held_out()))
      fail("{}: other rows than those that it was trained on", path);
    const auto since = record->data.find("since_step");
    say(folder, "data", Verdict::kOk,
        fmt::format("{}: the {} {} that it was trained on{}", path, data.rows().size(),
                    plural(data.rows().size(), "row"),
                    since == record->data.end()
                        ? ""
                        : fmt::format(" from step {} on; before that it had other rows, which "
                                      "nothing here says anything of",
                                      since->second)));
  }

  LoadedData load(const ModelRecord& record, const std::string& path) const {
    const auto get = [](const std::map<std::string, std::string>& from, const char* name) {
      const auto it = from.find(name);
      return it == from.end() ? std::string() : it->second;
    };
    const auto number = [](const std::string& text) {
      if (text.empty()) return int64_t{0};
      const std::optional<int64_t> value = whole_of_text(text);
      if (!value)
        fail("falconer.json: a length is \"{}\"; expected a whole number", printable(text));
      return *value;
    };
    FinetuneOptions o;
    o.train_on = get(record.settings, "train_on");
    o.parse_special = get(record.settings, "parse_special") == "true";
    o.max_seq_length = number(get(record.settings, "max_seq_length"));
    // Of a folder with a test split 0 is recorded, which was not asked for.
    const int64_t test = number(get(record.data, "test_size"));
    if (test > 0 || !fs::is_directory(path)) o.test_size = test;
    o.skip_bad = get(record.data, "skip_bad") == "true";
    o.data_format = get(record.data, "format");
    o.columns = get(record.data, "columns");
    o.delimiter = get(record.data, "delimiter");
    o.encoding = get(record.data, "encoding");
    o.prompt_style = record.prompt_style;
    const auto tokenizer = find_tokenizer(checkpoint_);
    return load_dataset(
        path, tokenizer ? &*tokenizer : nullptr,
        load_options_of(o, checkpoint_,
                        vocab_with(read_model_config(checkpoint_).vocab, tokenizer,
                                   get(record.settings, "resize_embeddings") == "true")));
  }

  bool found(const std::string& path, const std::string& what, const std::string& flag) {
    if (fs::exists(path)) return true;
    say(o_.folder, what, Verdict::kNotChecked,
        path + " is not here; name it with " + spelled_name(flag));
    return false;
  }

  VerifyReport report() const {
    VerifyReport report;
    Table table{.columns = {{""}, {"in"}, {"what"}, {""}}};
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const Line& line : lines_) {
      const char* verdict = line.verdict == Verdict::kOk       ? "ok"
                            : line.verdict == Verdict::kFailed ? "FAILED"
                                                               : "not checked";
      report.ok &= line.verdict != Verdict::kFailed;
      table.rows.push_back({verdict, line.folder, line.what, line.said});
      rows.push_back({{"verdict", verdict},
                      {"folder", line.folder},
                      {"what", line.what},
                      {"message", line.said}});
    }
    report.text = text_table(table);
    report.json = json_text(rows, 2) + "\n";
    return report;
  }

  VerifyOptions o_;
  std::vector<Line> lines_;
  std::string checkpoint_;  // the base, where it is here
};

}  // namespace

VerifyReport verify(const VerifyOptions& options) { return Verifying(options).run(); }

}  // namespace falconer
