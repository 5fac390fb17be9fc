#include "api/settings/settings.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/joined.h"
#include "base/nearest.h"
#include "base/setting_words.h"
#include "base/spelling.h"
#include "falconer/falconer.h"

namespace falconer {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;  // clang before 17 does not find it

std::vector<std::string> items_of(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');) items.push_back(item);
  return items;
}

// "lr,learning-rate,!no-lr"
std::vector<std::string> names_in(const SettingRow& row) { return items_of(row.names); }

template <class Range>
void show_range(const Range& range, Setting& setting) {
  if constexpr (!std::is_same_v<Range, std::monostate>) {
    setting.expected = expectation(range);
    setting.least = static_cast<double>(range.least);
    setting.most = static_cast<double>(range.most);
  }
}

Setting shown(const SettingRow& row) {
  Setting setting{.name = key_of(row), .value = row.value, .help = row.help, .group = row.group};
  for (const std::string& name : names_in(row)) {
    if (name.starts_with("!"))
      setting.negation = name.substr(1);
    else if (name != setting.name)
      setting.aliases.push_back(name);
  }
  setting.bare = row.bare;
  setting.has_flag = *row.names != '\0';
  setting.shows_default = row.shows_default;
  setting.required = row.required;
  std::visit([&](const auto& range) { show_range(range, setting); }, row.range);
  setting.choices = row.choices;
  setting.open = row.open;
  setting.commas = row.commas;
  setting.alone = row.alone;
  setting.methods = row.methods;
  setting.refused_elsewhere = !row.methods.empty() && !row.measures;
  setting.kind = row.kind;
  return setting;
}

std::vector<Setting> shown(const std::vector<SettingRow>& rows) {
  std::vector<Setting> settings;
  for (const SettingRow& row : rows) settings.push_back(shown(row));
  return settings;
}

void check_range(const SettingRow& row) {
  const auto check = [&](const auto& value, const auto& range) {
    if (!range.holds(value))
      fail_usage("{} is {}; expected {}", spelled_name(key_of(row)), value, expectation(range));
  };
  const auto* whole = std::get_if<WholeRange>(&row.range);
  const auto* real = std::get_if<RealRange>(&row.range);
  std::visit(Overloaded{[&](int* value) {
                          if (whole != nullptr) check(int64_t{*value}, *whole);
                        },
                        [&](int64_t* value) {
                          if (whole != nullptr) check(*value, *whole);
                        },
                        [&](std::optional<int64_t>* value) {
                          if (whole != nullptr && *value) check(**value, *whole);
                        },
                        [&](double* value) {
                          if (real != nullptr) check(*value, *real);
                        },
                        [&](std::optional<double>* value) {
                          if (real != nullptr && *value) check(**value, *real);
                        },
                        [](auto*) {}},
             row.value);
}

template <class Number, class Target>
bool take(const std::optional<Number>& number, Target& target) {
  if (number) target = *number;
  return number.has_value();
}

// What a text must be, to follow "expected".
std::string kind_text(const SettingRow& row) {
  const std::string type = type_of(row.value);
  if (type == "bool") return "true or false";
  if (type == "int") return "a whole number";
  if (type == "uint") return "a whole number from 0 to 18446744073709551615";
  return type == "float" ? "a finite number" : "a list of names with commas";
}

const SettingRow& find_row(const std::vector<SettingRow>& rows, const std::string& typed) {
  const std::string name = dashed(typed);
  const bool flags = current_spelling() == Spelling::kFlags;
  std::vector<std::string> keys;
  for (const SettingRow& row : rows) {
    if (key_of(row) == name) return row;
    for (const std::string& one : names_in(row))
      if (one == name) return row;
    keys.push_back(flags ? key_of(row) : record_key(row));
  }
  const std::string& shown = flags ? name : typed;
  fail_usage("there is no setting \"{}\"{}", printable(shown), did_you_mean(shown, keys));
}

template <class Options>
void set_one(Options& options, const std::string& name, const std::string& text) {
  Options changed = options;
  const std::vector<SettingRow> rows = rows_of(changed);
  const SettingRow& row = find_row(rows, name);
  if (auto* list = std::get_if<std::vector<std::string>*>(&row.value);
      list != nullptr && !row.commas)
    (*list)->push_back(text);
  else if (!take_text(row.value, text))
    fail_usage("{} is \"{}\"; expected {}", spelled_name(key_of(row)), printable(text),
               kind_text(row));
  check_ranges({row});
  check_choices({row});
  options = std::move(changed);
}

// How messages spell flags (base/spelling.h): those of finetune first, which other commands share.
template <class Options>
std::optional<FlagForm> form_in(std::string_view flag) {
  Options options;
  for (const SettingRow& row : rows_of(options))
    for (const std::string& name : names_in(row)) {
      const bool negates = name.starts_with("!");
      if (name.substr(negates ? 1 : 0) != flag) continue;
      const std::string type = type_of(row.value);
      return FlagForm{.setting = negates ? key_of(row) : name,
                      .is_switch = type == "bool",
                      .says_false = negates,
                      .is_number = type == "int" || type == "uint" || type == "float",
                      .alone = row.alone,
                      .values = row.choices};
    }
  return {};
}

template <class... Options>
std::optional<FlagForm> first_form(std::string_view flag) {
  std::optional<FlagForm> form;
  static_cast<void>(((form = form_in<Options>(flag)) || ...));
  return form;
}

[[maybe_unused]] const bool kFlagsAreKnown = [] {
  set_flag_forms(
      first_form<FinetuneOptions, ModelOptions, SamplingSettings, EvaluateOptions, ServeOptions,
                 ScoreOptions, TokenizeOptions, PrepareOptions, CheckOptions, CompareOptions,
                 DownloadOptions, MergeOptions, ExportOptions, QuantizeOptions, VerifyOptions>);
  return true;
}();

}  // namespace

std::string key_of(const SettingRow& row) {
  const std::string names = row.names;
  return names.empty() ? row.bare : names.substr(0, names.find(','));
}

bool bears_on(const SettingRow& row, const std::string& method) {
  return row.methods.empty() ||
         std::find(row.methods.begin(), row.methods.end(), method) != row.methods.end();
}

bool is_optional(const SettingValue& value) {
  return std::holds_alternative<std::optional<int64_t>*>(value) ||
         std::holds_alternative<std::optional<double>*>(value);
}

bool take_text(const SettingValue& value, const std::string& text) {
  return std::visit(
      Overloaded{[&](bool* to) {
                   if (text == "true" || text == "false") *to = text == "true";
                   return text == "true" || text == "false";
                 },
                 [&](int* to) {
                   const auto number = whole_of_text(text);
                   const bool fits = number && WholeRange{INT32_MIN, INT32_MAX}.holds(*number);
                   if (fits) *to = static_cast<int>(*number);
                   return fits;
                 },
                 [&](int64_t* to) { return take(whole_of_text(text), *to); },
                 [&](std::optional<int64_t>* to) { return take(whole_of_text(text), *to); },
                 [&](uint64_t* to) { return take(unsigned_of_text(text), *to); },
                 [&](double* to) { return take(real_of_text(text), *to); },
                 [&](std::optional<double>* to) { return take(real_of_text(text), *to); },
                 [&](std::string* to) {
                   *to = text;
                   return true;
                 },
                 [&](std::vector<std::string>* to) {
                   if (!text.empty()) *to = items_of(text);
                   return !text.empty();
                 }},
      value);
}

std::string record_key(const SettingRow& row) {
  std::string key = key_of(row);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

std::map<std::string, std::string> record_of(const std::vector<SettingRow>& rows,
                                             const std::vector<SettingRow>& defaults) {
  std::map<std::string, std::string> record;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string text = text_of(rows[i].value);
    if (rows[i].recorded || (rows[i].since_records && text != text_of(defaults[i].value)))
      record[record_key(rows[i])] = text;
  }
  return record;
}

void check_ranges(const std::vector<SettingRow>& rows) {
  for (const SettingRow& row : rows) check_range(row);
}

void check_choices(const std::vector<SettingRow>& rows) {
  for (const SettingRow& row : rows) {
    const std::string text = text_of(row.value);
    if (row.choices.empty() || row.open || (text.empty() && !row.shows_default)) continue;
    if (std::find(row.choices.begin(), row.choices.end(), text) == row.choices.end())
      fail_choice(key_of(row), text, row.choices);
  }
}

const char* name_of(ValueKind kind) {
  constexpr const char* kNames[] = {"text",    "file", "folder", "path", "model",
                                    "adapter", "data", "device", "time", "size"};
  return kNames[static_cast<size_t>(kind)];
}

std::string type_of(const SettingValue& value) {
  return std::visit(
      Overloaded{[](const bool*) { return "bool"; }, [](const uint64_t*) { return "uint"; },
                 [](const double*) { return "float"; },
                 [](const std::optional<double>*) { return "float"; },
                 [](const std::string*) { return "string"; },
                 [](const std::vector<std::string>*) { return "list"; },
                 [](const auto*) { return "int"; }},
      value);
}

std::string text_of(const SettingValue& value) {
  return std::visit(Overloaded{[](const bool* of) -> std::string { return *of ? "true" : "false"; },
                               [](const std::string* of) { return *of; },
                               [](const std::vector<std::string>* of) { return joined(*of, ","); },
                               [](const std::optional<int64_t>* of) {
                                 return *of ? fmt::format("{}", **of) : std::string();
                               },
                               [](const std::optional<double>* of) {
                                 return *of ? fmt::format("{}", **of) : std::string();
                               },
                               [](const auto* of) { return fmt::format("{}", *of); }},
                    value);
}

std::vector<Setting> settings_of(FinetuneOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(ModelOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(SamplingSettings& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(EvaluateOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(ServeOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(ScoreOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(TokenizeOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(PrepareOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(CheckOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(CompareOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(DownloadOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(MergeOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(ExportOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(QuantizeOptions& options) { return shown(rows_of(options)); }
std::vector<Setting> settings_of(VerifyOptions& options) { return shown(rows_of(options)); }

void set(FinetuneOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(ModelOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(SamplingSettings& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(ServeOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(EvaluateOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(ScoreOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(TokenizeOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(PrepareOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(CheckOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(CompareOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(DownloadOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(MergeOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(ExportOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(QuantizeOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}
void set(VerifyOptions& options, const std::string& name, const std::string& text) {
  set_one(options, name, text);
}

}  // namespace falconer
