#include "api/finetune/recipe.h"

#include <cctype>
#include <filesystem>
#include <type_traits>

#include "api/common.h"
#include "api/finetune/finetune_options.h"
#include "api/settings/settings.h"
#include "base/error.h"
#include "base/joined.h"
#include "base/plural.h"
#include "base/terminal.h"
#include "base/toml.h"
#include "falconer/process.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

// As TOML has it; empty where there is nothing to say.
std::string toml_of(const std::string& value) { return value.empty() ? "" : toml_string(value); }
std::string toml_of(bool value) { return value ? "true" : "false"; }
template <class Number>
requires std::is_arithmetic_v<Number> std::string toml_of(Number value) {
  return fmt::format("{}", value);
}
template <class Value>
std::string toml_of(const std::optional<Value>& value) {
  return value ? toml_of(*value) : "";
}
std::string toml_of(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ", ") + toml_string(value);
  return values.empty() ? "" : "[" + list + "]";
}

class RecipeWriter {
 public:
  void comment(const std::string& text) { text_ += "# " + without_controls(text) + "\n"; }
  void group(const std::string& title) { text_ += fmt::format("\n# {}\n", title); }

  void write(const SettingRow& row) {
    const std::string value = std::visit([](const auto* of) { return toml_of(*of); }, row.value);
    if (!value.empty()) text_ += fmt::format("{} = {}\n", key_of(row), value);
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// An adapter that is trained on brings its rank, scale, targets and length; a dropout that is there was
// asked for.
bool stands_in_recipe(const SettingRow& row, const FinetuneOptions& o) {
  const bool brought = row.of_adapter && !o.init_adapter.empty() && !is_optional(row.value);
  return row.in_recipe && bears_on(row, o.method) && !brought;
}

// "Saving and watching" stands above flags, "saving and watching" above keys.
std::string title_of(std::string group) {
  group[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(group[0])));
  return group;
}

// Bytes and number of the regular files at `path`.
std::string size_text(const fs::path& path) {
  std::error_code error;
  int64_t bytes = 0, files = 0;
  const auto count = [&](const fs::path& file) {
    const auto size = fs::file_size(file, error);
    if (!error) bytes += static_cast<int64_t>(size);
    if (!error) ++files;
  };
  if (!fs::is_directory(path, error)) {
    count(path);
  } else {
    for (const auto& entry : fs::directory_iterator(path, error))
      if (entry.is_regular_file(error)) count(entry.path());
  }
  return fmt::format("{} {} in {} {}", bytes, plural(bytes, "byte"), files, plural(files, "file"));
}

}  // namespace

std::string recipe_text(const FinetuneOptions& options, const std::vector<std::string>& notes) {
  RecipeWriter recipe;
  for (const std::string& note : notes) recipe.comment(note);
  FinetuneOptions written = options;
  std::string group;
  for (const SettingRow& row : rows_of(written)) {
    if (!stands_in_recipe(row, options)) continue;
    if (group != row.group) recipe.group(title_of(row.group));
    group = row.group;
    recipe.write(row);
  }
  return recipe.take();
}

namespace {

// All settings that a recipe leaves run with.
std::vector<std::string> settings_in(const std::string& recipe) {
  FinetuneOptions options;
  for (const TomlEntry& entry : parse_toml(recipe, "recipe"))
    if (entry.array || !entry.values.front().empty())
      set(options, entry.key, joined(entry.values, ","));
  std::vector<std::string> texts;
  for (const SettingRow& row : rows_of(options)) texts.push_back(text_of(row.value));
  return texts;
}

}  // namespace

bool same_settings(const std::string& recipe, const std::string& other) {
  try {
    return settings_in(recipe) == settings_in(other);
  } catch (const Error&) {
    return false;  // one of them is no recipe
  }
}

std::vector<std::string> recipe_notes(const FinetuneOptions& options) {
  std::vector<std::string> notes = {
      fmt::format("The settings of a run, as falconer {} resolved them.", version()),
      "Run it again: falconer finetune --config THIS-FILE --out ANOTHER-FOLDER",
      fmt::format("checkpoint: {}", size_text(options.checkpoint)),
      fmt::format("data: {}", options.data == kRowsInMemory
                                  ? "rows in memory, which the run was handed; give them as a file"
                                  : size_text(options.data))};
  if (!options.init_adapter.empty())
    notes.push_back(fmt::format("init-adapter: {}", size_text(options.init_adapter)));
  return notes;
}

}  // namespace falconer
