// Settings by name, as the command line and recipes have them: what there is to set, of which type, what it
// is where nobody sets it, and what it may be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "falconer/error.h"

namespace falconer {

struct FinetuneOptions;
struct ModelOptions;
struct SamplingSettings;
struct EvaluateOptions;
struct ServeOptions;
struct ScoreOptions;
struct TokenizeOptions;
struct PrepareOptions;
struct CheckOptions;
struct CompareOptions;
struct DownloadOptions;
struct MergeOptions;
struct ExportOptions;
struct QuantizeOptions;
struct VerifyOptions;

/// The field of the options that a setting stands for.
using SettingValue =
    std::variant<bool*, int*, int64_t*, uint64_t*, double*, std::string*, std::optional<int64_t>*,
                 std::optional<double>*, std::vector<std::string>*>;

/// What a text names, for those who offer names.
enum class ValueKind {
  kText,
  kFile,
  kFolder,
  kPath,     // a file or a folder
  kModel,    // a checkpoint: a path, or org/name on the hub
  kAdapter,  // the same of an adapter
  kData,     // the same of rows
  kDevice,
  kTime,  // "90s", "10m"
  kSize   // "5GB"
};
/// "text", "file", "folder", "path", ...
const char* name_of(ValueKind kind);

struct Setting {
  std::string name;  // "lora-r": the flag without its dashes, a recipe's key; where
                     // there is no flag, as `bare`
  std::vector<std::string> aliases = {};  // other names of the flag: "learning-rate"
  std::string bare = {};      // what help calls the value where it may stand without its flag
  bool has_flag = true;       // false: it stands there as a word alone
  std::string negation = {};  // the flag that says false: "no-shuffle"; empty: none
  SettingValue value = {};
  std::string help = {};   // in a line
  std::string group = {};  // the title that it stands under
  bool shows_default =
      false;  // help is followed by the default; else it says it where there is one
  bool required = false;
  std::string expected =
      {};  // of a number: "a whole number from 1 to 4096"; empty: any of its type
  std::optional<double> least = {}, most = {};
  std::vector<std::string> choices = {};  // of a text or a list's items; empty: anything
  bool open = false;                      // and more than these: "cuda:1", a checkpoint's template
  bool commas = false;                    // a list whose items stand in one text, "q,v"
  std::string alone = {};  // what the flag means without a value; empty: it needs one
  std::vector<std::string> methods = {};  // that it bears on; empty: all
  bool refused_elsewhere = false;         // with another method it would do nothing
  ValueKind kind = ValueKind::kText;
};

/// What of `options` can be set by name, in the order of help; each `value` points into `options`. Names are
/// those of the command's flags.
std::vector<Setting> settings_of(FinetuneOptions& options);
std::vector<Setting> settings_of(ModelOptions& options);
std::vector<Setting> settings_of(SamplingSettings& options);
std::vector<Setting> settings_of(EvaluateOptions& options);
std::vector<Setting> settings_of(ServeOptions& options);
std::vector<Setting> settings_of(ScoreOptions& options);
std::vector<Setting> settings_of(TokenizeOptions& options);
std::vector<Setting> settings_of(PrepareOptions& options);
std::vector<Setting> settings_of(CheckOptions& options);
std::vector<Setting> settings_of(CompareOptions& options);
std::vector<Setting> settings_of(DownloadOptions& options);
std::vector<Setting> settings_of(MergeOptions& options);
std::vector<Setting> settings_of(ExportOptions& options);
std::vector<Setting> settings_of(QuantizeOptions& options);
std::vector<Setting> settings_of(VerifyOptions& options);

/// "bool", "int", "uint", "float", "string" or "list".
std::string type_of(const SettingValue& value);
/// As on the command line: "true", "0.0003", "q,v". Empty: an absent value, or an empty one.
std::string text_of(const SettingValue& value);

/// Sets one by the text of its value: set(options, "lora-r", "8"); '_' is as good as '-'. Of a list with
/// commas the text has all items, of another one more. Error (usage), and nothing is set: there is no such
/// setting, the text is not of its type, or it is beyond what the setting may be.
void set(FinetuneOptions& options, const std::string& name, const std::string& text);
void set(ModelOptions& options, const std::string& name, const std::string& text);
void set(SamplingSettings& options, const std::string& name, const std::string& text);
void set(EvaluateOptions& options, const std::string& name, const std::string& text);
void set(ServeOptions& options, const std::string& name, const std::string& text);
void set(ScoreOptions& options, const std::string& name, const std::string& text);
void set(TokenizeOptions& options, const std::string& name, const std::string& text);
void set(PrepareOptions& options, const std::string& name, const std::string& text);
void set(CheckOptions& options, const std::string& name, const std::string& text);
void set(CompareOptions& options, const std::string& name, const std::string& text);
void set(DownloadOptions& options, const std::string& name, const std::string& text);
void set(MergeOptions& options, const std::string& name, const std::string& text);
void set(ExportOptions& options, const std::string& name, const std::string& text);
void set(QuantizeOptions& options, const std::string& name, const std::string& text);
void set(VerifyOptions& options, const std::string& name, const std::string& text);

}  // namespace falconer
