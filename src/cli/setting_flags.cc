#include "cli/setting_flags.h"

#include <algorithm>
#include <stdexcept>

#include "falconer/finetune.h"

namespace falconer::cli {
namespace {

std::string names_of(const Setting& setting) {
  std::string names = setting.bare;
  if (setting.has_flag) names += (names.empty() ? "--" : ",--") + setting.name;
  for (const std::string& alias : setting.aliases) names += ",--" + alias;
  return setting.negation.empty() ? names : names + ",!--" + setting.negation;
}

// "5GB", "8MB"
std::string size_text(const Setting& setting) {
  const int64_t bytes = *std::get<int64_t*>(setting.value);
  constexpr int64_t kMega = 1'000'000, kGiga = 1'000'000'000;
  if (bytes % kGiga == 0) return std::to_string(bytes / kGiga) + "GB";
  return bytes % kMega == 0 ? std::to_string(bytes / kMega) + "MB" : std::to_string(bytes);
}

// What stands alone on the command line is told from other words at once, and so is what says how the other
// words are read.
bool is_refused_at_once(const Setting& setting) {
  return setting.name == "method" || setting.name == "data-format";
}

FlagTraits traits_of(const Setting& setting) {
  const bool size = setting.kind == ValueKind::kSize;
  return {.required = setting.required,
          .shows_default = setting.shows_default,
          .default_text = size ? size_text(setting) : setting.alone,
          .choices = is_refused_at_once(setting) ? setting.choices : std::vector<std::string>(),
          .offers = setting.choices,
          .delimiter = setting.commas ? ',' : '\0',
          .one_each = setting.has_flag && type_of(setting.value) == "list",
          .optional_value = !setting.alone.empty(),
          .size = size,
          .value_name = size ? "SIZE" : "",
          .kind = setting.kind,
          .expected = size ? "" : setting.expected,
          .open = setting.open,
          .methods = setting.methods,
          .refused_elsewhere = setting.refused_elsewhere};
}

const Setting& setting_of_finetune(const std::string& name) {
  static FinetuneOptions options;
  static const std::vector<Setting> settings = settings_of(options);
  for (const Setting& setting : settings)
    if (setting.name == name) return setting;
  throw std::logic_error("finetune has no setting " + name);
}

}  // namespace

Flag& add_setting(Command& command, const Setting& setting) {
  const FlagValue value = std::visit([](auto* of) -> FlagValue { return of; }, setting.value);
  return command.add(names_of(setting), value, setting.help, traits_of(setting));
}

void add_settings(Command& command, const std::vector<Setting>& settings, const std::string& last) {
  for (const Setting& setting : settings) {
    const auto& flags = command.flags();
    const bool there = std::any_of(flags.begin(), flags.end(), [&](const Flag& flag) {
      return setting.has_flag ? flag.is_named("--" + setting.name)
                              : flag.positional == setting.name;
    });
    if (!there) add_setting(command, setting);
    if (setting.name == last) return;
  }
}

Flag& add_as_finetune(Command& command, const std::string& name, const SettingValue& value) {
  Setting setting = setting_of_finetune(name);
  setting.value = value;
  return add_setting(command, setting);
}

const std::vector<std::string>& finetuning_methods() {
  return setting_of_finetune("method").choices;
}

}  // namespace falconer::cli
