#include "cli/method_flags.h"

#include "base/setting_words.h"
#include "cli/words.h"

namespace falconer::cli {
namespace {

// The method that a command's words name, whichever comes last; empty where they name none.
std::string method_of(const Command& app, const std::vector<std::string>& words) {
  std::string method;
  for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i].starts_with("--method=")) method = words[i].substr(9);
    if (words[i] == "--method" && i + 1 < words.size()) method = words[i + 1];
  }
  const Command* command = nullptr;
  for (const size_t at : bare_words(app, command, words))
    if (is_method(words[at])) method = words[at];
  return is_method(method) ? method : "";
}

}  // namespace

void refuse_flags_of_other_methods(const Command& app, const std::vector<std::string>& given,
                                   const std::vector<std::string>& all) {
  const Command* command = nullptr;
  bare_words(app, command, given);
  // One that takes a single method.
  if (command == nullptr || find_flag(*command, "--method") == nullptr) return;
  const std::string method = method_of(app, all);
  if (method.empty()) return;
  for (const std::string& word : flag_names(app, given)) {
    const Flag* flag = find_flag(*command, word);
    if (flag == nullptr || !flag->traits.refused_elsewhere) continue;
    refuse_of_other_method(word, flag->traits.methods, method);
  }
}

}  // namespace falconer::cli
