// The table of settings: one line for each, and the only declaration besides its field. Flags, recipes,
// checks, a run's record and documents are made from it.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/number.h"
#include "falconer/settings.h"

namespace falconer {

struct SettingRow {
  const char* names;  // "lr,learning-rate", "shuffle,!no-shuffle": the first is the recipe's key;
                      // empty: there is no flag
  SettingValue value;
  const char* help;
  std::variant<std::monostate, WholeRange, RealRange> range = {};
  std::vector<std::string> choices = {};
  std::vector<std::string> methods = {};  // that it bears on; empty: all
  ValueKind kind = ValueKind::kText;
  bool required = false;
  bool shows_default = false;  // else `help` says it
  bool open = false;       // `choices` are not all that there is: whoever reads the value checks it
  bool commas = false;     // a list whose items stand in one text
  const char* alone = "";  // what the flag means without a value; empty: it must have one
  bool in_recipe = true;   // else it says what to do with an earlier run
  bool recorded = false;   // in falconer.json; another value makes another run, which --resume says
  // The same, of one that came later: where it is not the default, so that runs of before are what they were.
  bool since_records = false;
  bool of_adapter = false;  // an adapter that is trained on brings it
  bool measures = false;    // another method than `methods` may have it all the same
  const char* bare = "";    // what help calls the value where it may stand without its flag
  const char* group = "";
};

std::vector<SettingRow> rows_of(FinetuneOptions& options);
std::vector<SettingRow> rows_of(ModelOptions& options);
std::vector<SettingRow> rows_of(SamplingSettings& options);
std::vector<SettingRow> rows_of(EvaluateOptions& options);
std::vector<SettingRow> rows_of(ServeOptions& options);
std::vector<SettingRow> rows_of(ScoreOptions& options);
std::vector<SettingRow> rows_of(TokenizeOptions& options);
std::vector<SettingRow> rows_of(PrepareOptions& options);
std::vector<SettingRow> rows_of(CheckOptions& options);
std::vector<SettingRow> rows_of(CompareOptions& options);
std::vector<SettingRow> rows_of(DownloadOptions& options);
std::vector<SettingRow> rows_of(MergeOptions& options);
std::vector<SettingRow> rows_of(ExportOptions& options);
std::vector<SettingRow> rows_of(QuantizeOptions& options);
std::vector<SettingRow> rows_of(VerifyOptions& options);

/// "lora-r"; `bare` where there is no flag.
std::string key_of(const SettingRow& row);
bool bears_on(const SettingRow& row, const std::string& method);
bool is_optional(const SettingValue& value);
/// Whether `text` is of the value's type, which it then is. Items of a list stand behind commas.
bool take_text(const SettingValue& value, const std::string& text);

/// What of `rows` a run's record has, by key_of() with '_' for '-'. `defaults`: the same rows of options
/// that nobody set.
std::map<std::string, std::string> record_of(const std::vector<SettingRow>& rows,
                                             const std::vector<SettingRow>& defaults);
std::string record_key(const SettingRow& row);

/// Errors (usage): "--epochs is 0; expected a whole number from 1 to 1000000".
void check_ranges(const std::vector<SettingRow>& rows);
template <class Options>
void check_ranges_of(const Options& options) {
  Options looked_at = options;
  check_ranges(rows_of(looked_at));
}
/// Errors (usage): a text that is none of its choices. An empty one is for whoever reads it.
void check_choices(const std::vector<SettingRow>& rows);

}  // namespace falconer
