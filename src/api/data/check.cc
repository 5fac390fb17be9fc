// falconer check: what is wrong with data, before anything is trained on it.
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "api/common.h"
#include "api/finetune/finetune_options.h"
#include "api/finetune/run_texts.h"
#include "api/model/load_options.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/plural.h"
#include "data/batches.h"
#include "data/doctor.h"
#include "data/formats.h"
#include "data/prepared.h"
#include "data/report.h"
#include "falconer/data.h"
#include "falconer/finetune.h"
#include "report/table.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// How many of `rows` may be bad. Error (usage): neither a count nor a share.
double allowed_rows(const std::string& text, int64_t rows) {
  const bool percent = text.ends_with('%');
  const char* const end = text.data() + text.size() - (percent ? 1 : 0);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const bool share = percent || text.find('.') != std::string::npos;
  const double most = percent ? 100 : share ? 1 : 1e18;
  if (error != std::errc() || stop != end || !(value >= 0 && value <= most))
    fail_usage("--max-bad is \"{}\", expected a number of rows (3) or a share (1% or 0.01)",
               printable(text));
  return share ? value / (percent ? 100 : 1) * static_cast<double>(rows) : value;
}

std::string percent_of(int64_t part, int64_t whole) {
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) /
                                     static_cast<double>(std::max<int64_t>(1, whole)));
}

class Check {
 public:
  explicit Check(const CheckOptions& options) : o_(options) {
    if (o_.checkpoint.empty()) fail_usage("--checkpoint is required: a model's folder");
    if (o_.data.empty()) fail_usage("--data is required: a file of rows, or a folder with train.*");
    check_bounds(o_);
    allowed_rows(o_.max_bad, 0);
    find_data_format(o_.data_format);
    Columns::parse(o_.columns);
    if (!o_.prompt_style.empty()) PromptStyle::check(o_.prompt_style);
    train_on_of(o_.train_on, o_.mask_prompt);
  }

  CheckReport run() {
    diagnose_data();
    const LoadedData& data = diagnosis_.data;
    read_rows_ =
        data.report.rows + data.held_out_report.rows + data.report.bad + data.held_out_report.bad;
    tokens_ = data.report.tokens + data.held_out_report.tokens;
    if (!data.rows().empty()) {
      const RunLength length = run_length(o_.batch_size, o_.epochs, data.rows().size());
      const StepPlanOptions options{.batch_size = length.batch_size, .epochs = length.epochs};
      const StepPlan plan(data.rows(), options);
      steps_ = plan.total_steps();
      steps_text_ = steps_text(plan, options, data);
    }
    CheckReport report;
    report.failure = failure();
    for (const Finding& finding : diagnosis_.findings) {
      report.findings.push_back({.kind = finding.kind,
                                 .severity = name_of(finding.severity),
                                 .rows = std::ssize(finding.places),
                                 .lines = {}});
      for (size_t i = 0; i < std::min<size_t>(1000, finding.places.size()); ++i)
        report.findings.back().lines.push_back(
            line_of(finding.places[i].file, finding.places[i].line));
    }
    report.text = summary() + findings_text();
    if (o_.json) report.json = json_text(json(report.failure), 2) + "\n";
    return report;
  }

 private:
  void diagnose_data() {
    const std::string checkpoint = resolve_checkpoint(o_.checkpoint, CheckpointPart::kTokenizer);
    const std::string data = resolve_data(o_.data);
    const std::optional<ModelConfig> config = find_model_config(checkpoint);
    const std::optional<Tokenizer> tokenizer = find_tokenizer(checkpoint);
    if (config && config->context < o_.max_seq_length) {
      o_.max_seq_length = config->context;
      context_ends_ = true;
    }
    check_prepared(data, tokenizer ? &*tokenizer : nullptr, checkpoint, o_.any_base);
    LoadOptions load =
        load_options_of(o_, checkpoint,
                        config ? vocab_with(config->vocab, tokenizer, o_.resize_embeddings)
                               : tokenizer->vocab_size());
    load.split_seed = o_.seed;
    DoctorOptions doctor{.load = std::move(load), .begins = {}, .ends = {}};
    if (config && config->bos_id) doctor.begins.push_back(*config->bos_id);
    if (config) doctor.ends = config->eos_ids;
    diagnosis_ = diagnose(data, tokenizer ? &*tokenizer : nullptr, doctor);
  }

  std::string_view counted_by(int32_t file) const { return diagnosis_.rows_of(file).counted_by(); }

  bool counts_lines() const {
    const auto files = static_cast<int32_t>(diagnosis_.files.size());
    for (int32_t file = 0; file < files; ++file)
      if (counted_by(file) != "line") return false;
    return true;
  }

  std::string line_of(int32_t file, int64_t line) const {
    std::string text;
    if (diagnosis_.files.size() > 1)
      text = diagnosis_.files[static_cast<size_t>(file)].filename().string() + ":";
    if (!counts_lines()) text += fmt::format("{} ", counted_by(file));
    return text + fmt::format("{}", line);
  }

  std::string place_text(const RowPlace& place) const {
    std::string text = line_of(place.file, place.line);
    if (place.like_line > 0)
      text += fmt::format(" (as {})", line_of(place.like_file, place.like_line));
    return text;
  }

  std::string summary() const {
    const LoadedData& data = diagnosis_.data;
    const RenderedAs& rendered = data.rendered;
    std::string text =
        fmt::format("{}: {} {}", o_.data, grouped_digits(read_rows_), plural(read_rows_, "row"));
    if (!rendered.format.empty()) text += " of " + rendered.format;
    if (!rendered.prompt_style.empty()) text += ", prompt style " + rendered.prompt_style;
    text += fmt::format("; {} to train on, {} held out\n", grouped_digits(data.rows().size()),
                        grouped_digits(data.held_out().size()));
    text += columns_text(data.report);
    if (data.rows().empty()) return text;
    text += fmt::format(
        "  {} {}, {} of them to learn, {} cut away; a row has {} (median), {} at most\n",
        grouped_digits(tokens_), plural(tokens_, "token"),
        percent_of(data.report.targets + data.held_out_report.targets, tokens_),
        percent_of(diagnosis_.lost_tokens, tokens_ + diagnosis_.lost_tokens), diagnosis_.median,
        data.report.longest);
    text += fmt::format("  {}; rows lie end to end, so that nothing is padding\n", steps_text_);
    if (context_ends_)
      text += fmt::format("  rows end at {} tokens, the model's context\n", o_.max_seq_length);
    return text;
  }

  std::string findings_text() const {
    if (diagnosis_.findings.empty()) return "no findings\n";
    constexpr size_t kShown = 5;
    Table table{.columns = {{""},
                            {"finding"},
                            {"rows", true},
                            {"share", true},
                            {counts_lines() ? "lines" : "where"}},
                .rows = {}};
    std::string steps;
    for (const Finding& finding : diagnosis_.findings) {
      std::string lines;
      const size_t count = finding.places.size(), shown = std::min(count, kShown);
      for (size_t i = 0; i < shown; ++i)
        lines += (i == 0 ? "" : ", ") + place_text(finding.places[i]);
      if (count > shown)
        lines += fmt::format(" and {} more", grouped_digits(std::ssize(finding.places) - kShown));
      table.rows.push_back({name_of(finding.severity), finding.what,
                            grouped_digits(std::ssize(finding.places)),
                            percent_of(std::ssize(finding.places), read_rows_), lines});
      steps += fmt::format("{}: {}{}{}\n", finding.what, finding.detail,
                           finding.detail.empty() ? "" : "; ", finding.next_step);
      for (size_t i = 0; i < std::min(kShown, finding.messages.size()); ++i)
        steps += fmt::format("  {}{}: {}\n", counts_lines() ? "line " : "",
                             line_of(finding.places[i].file, finding.places[i].line),
                             finding.messages[i]);
    }
    return "\n" + text_table(table) + "\n" + steps;
  }

  std::string failure() const {
    if (read_rows_ == 0) return fmt::format("{}: holds no rows", o_.data);
    if (diagnosis_.data.report.targets == 0)
      return fmt::format("{}: no row has a token to learn", o_.data);
    const double allowed = allowed_rows(o_.max_bad, read_rows_);
    std::string kinds;
    for (const Finding& finding : diagnosis_.findings) {
      const int64_t rows = std::ssize(finding.places);
      const bool counts = finding.severity == Severity::kError ||
                          (o_.strict && finding.severity == Severity::kWarning);
      if (counts && static_cast<double>(rows) > allowed)
        kinds += fmt::format("{}{} ({})", kinds.empty() ? "" : ", ", finding.what, rows);
    }
    if (kinds.empty()) return "";
    return worded("{}: more rows than --max-bad {} allows of: {}", o_.data, o_.max_bad, kinds);
  }

  nlohmann::ordered_json json(const std::string& failure) const {
    const LoadedData& data = diagnosis_.data;
    nlohmann::ordered_json all = {{"data", o_.data}, {"files", nlohmann::ordered_json::array()}};
    for (const fs::path& file : diagnosis_.files) all["files"].push_back(file.string());
    all["rows"] = read_rows_;
    all["train_rows"] = data.rows().size();
    all["held_out_rows"] = data.held_out().size();
    all["format"] = data.rendered.format;
    all["prompt_style"] = data.rendered.prompt_style;
    all["max_seq_length"] = o_.max_seq_length;
    all["columns"] = data.report.columns;
    all["unread_columns"] = data.report.unread;
    all["unread_files"] = data.report.unread_files;
    all["tokens"] = tokens_;
    all["targets"] = data.report.targets + data.held_out_report.targets;
    all["lost_tokens"] = diagnosis_.lost_tokens;
    all["median_length"] = diagnosis_.median;
    all["longest"] = data.report.longest;
    all["steps"] = steps_;
    all["passed"] = failure.empty();
    all["failure"] = failure;
    all["findings"] = nlohmann::ordered_json::array();
    for (const Finding& finding : diagnosis_.findings) {
      nlohmann::ordered_json one = {{"kind", finding.kind},
                                    {"severity", name_of(finding.severity)},
                                    {"what", finding.what},
                                    {"rows", finding.places.size()},
                                    {"detail", finding.detail},
                                    {"next_step", finding.next_step},
                                    {"places", nlohmann::ordered_json::array()}};
      for (size_t i = 0; i < finding.places.size(); ++i) {
        const RowPlace& place = finding.places[i];
        nlohmann::ordered_json where = {{"file", place.file},
                                        {std::string(counted_by(place.file)), place.line}};
        if (place.like_line > 0) {
          where["like_file"] = place.like_file;
          where[fmt::format("like_{}", counted_by(place.like_file))] = place.like_line;
        }
        if (i < finding.messages.size()) where["message"] = finding.messages[i];
        one["places"].push_back(std::move(where));
      }
      all["findings"].push_back(std::move(one));
    }
    return all;
  }

  CheckOptions o_;             // max_seq_length: with the context's bound
  bool context_ends_ = false;  // before --max-seq-length
  Diagnosis diagnosis_;
  int64_t read_rows_ = 0, tokens_ = 0, steps_ = 0;
  std::string steps_text_;
};

}  // namespace

CheckReport check(const CheckOptions& options) { return Check(options).run(); }

}  // namespace falconer
