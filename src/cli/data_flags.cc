// The flags of data that several commands have.
#include "cli/command.h"
#include "falconer/data.h"

namespace falconer::cli {

void add_data_format(Command& command, const std::string& name, std::string& format) {
  std::vector<std::string> names = data_formats();
  names.insert(names.begin(), "auto");
  command.add(name, &format, "of the rows (default: auto, as the first row's keys say)",
              {.choices = names});
}

void add_learning_flags(Command& command, bool& mask_prompt, std::string& train_on,
                        bool& parse_special) {
  command.add("--train-on", &train_on,
              "all-turns (every answer), last-turn (the last answer) or everything",
              {.shows_default = true});
  command.add("--mask-prompt,!--no-mask-prompt", &mask_prompt,
              "learn answers only (default); --no-mask-prompt is --train-on everything");
  add_parse_special(command, parse_special, "rows");
}

void add_test_size(Command& command, std::optional<int64_t>& rows) {
  command.add("--test-size", &rows,
              "rows of a single file that are held out (default: a tenth, 2000 at most; of fewer "
              "than 100 rows none)");
}

void add_length_flags(Command& command, std::optional<int64_t>& epochs,
                      std::optional<int64_t>& batch_size) {
  command.add("--epochs", &epochs,
              "passes over the rows (default: 3 over fewer than 4000 rows, else 1)");
  command.add("--batch-size", &batch_size, "rows of an optimizer step (default: 16)");
}

void add_parse_special(Command& command, bool& parse_special, const std::string& where) {
  command.add("--parse-special", &parse_special,
              "special tokens spelled in " + where + " are control tokens (default: plain text)");
}

}  // namespace falconer::cli
