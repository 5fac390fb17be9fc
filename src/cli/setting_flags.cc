#include "cli/setting_flags.h"

#include <stdexcept>

#include "falconer/finetune.h"

namespace falconer::cli {
namespace {

std::string names_of(const Setting& setting, const std::string& bare) {
  std::string names = bare + (bare.empty() ? "" : ",") + "--" + setting.name;
  for (const std::string& alias : setting.aliases) names += ",--" + alias;
  return setting.negation.empty() ? names : names + ",!--" + setting.negation;
}

FlagTraits traits_of(const Setting& setting) {
  return {.required = setting.required,
          .shows_default = setting.shows_default,
          .default_text = setting.alone,
          .offers = setting.choices,
          .delimiter = setting.commas ? ',' : '\0',
          .one_each = type_of(setting.value) == "list",
          .optional_value = !setting.alone.empty(),
          .kind = setting.kind,
          .expected = setting.expected,
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

Flag& add_setting(Command& command, const Setting& setting, const std::string& bare) {
  const FlagValue value = std::visit([](auto* of) -> FlagValue { return of; }, setting.value);
  return command.add(names_of(setting, bare), value, setting.help, traits_of(setting));
}

Flag& add_as_finetune(Command& command, const std::string& name, const SettingValue& value,
                      const std::string& bare) {
  Setting setting = setting_of_finetune(name);
  setting.value = value;
  return add_setting(command, setting, bare);
}

const std::vector<std::string>& finetuning_methods() {
  return setting_of_finetune("method").choices;
}

}  // namespace falconer::cli
