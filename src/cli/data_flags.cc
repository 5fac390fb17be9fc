// The flags of data that several commands have.
#include "cli/command.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_data_format(CLI::App& app, const std::string& name, std::string& format) {
  std::vector<std::string> names = data_formats();
  names.insert(names.begin(), "auto");
  app.add_option(name, format, "of the rows (default: auto, as the first row's keys say)")
      ->check(CLI::IsMember(names));
}

void add_learning_flags(CLI::App& app, bool& mask_prompt, std::string& train_on,
                        bool& parse_special) {
  app.add_option("--train-on", train_on,
                 "all-turns (every answer), last-turn (the last answer) or everything")
      ->capture_default_str();
  app.add_flag("--mask-prompt,!--no-mask-prompt", mask_prompt,
               "learn answers only (default); --no-mask-prompt is --train-on everything");
  add_parse_special(app, parse_special, "rows");
}

void add_test_size(CLI::App& app, std::optional<int64_t>& rows) {
  app.add_option(
      "--test-size", rows,
      "rows of a single file that are held out (default: a tenth, 2000 at most; of fewer "
      "than 100 rows none)");
}

void add_length_flags(CLI::App& app, std::optional<int64_t>& epochs,
                      std::optional<int64_t>& batch_size) {
  app.add_option("--epochs", epochs,
                 "passes over the rows (default: 3 over fewer than 4000 rows, else 1)");
  app.add_option("--batch-size", batch_size, "rows of an optimizer step (default: 16)");
}

void add_parse_special(CLI::App& app, bool& parse_special, const std::string& where) {
  app.add_flag("--parse-special", parse_special,
               "special tokens spelled in " + where + " are control tokens (default: plain text)");
}

}  // namespace falconer::cli
