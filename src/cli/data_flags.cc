// The flags of data that several commands have.
#include "cli/command.h"

namespace falconer::cli {

Flag& add_data_format(Command& command, std::string& format, bool bare) {
  Flag& flag = add_as_finetune(command, "data-format", &format, bare ? "format" : "");
  flag.traits.choices = flag.traits.offers;
  return flag;
}

void add_learning_flags(Command& command, bool& mask_prompt, std::string& train_on,
                        bool& parse_special) {
  add_as_finetune(command, "train-on", &train_on);
  add_as_finetune(command, "mask-prompt", &mask_prompt);
  add_as_finetune(command, "parse-special", &parse_special);
}

void add_test_size(Command& command, std::optional<int64_t>& rows) {
  add_as_finetune(command, "test-size", &rows);
}

void add_length_flags(Command& command, std::optional<int64_t>& epochs,
                      std::optional<int64_t>& batch_size) {
  add_as_finetune(command, "epochs", &epochs);
  add_as_finetune(command, "batch-size", &batch_size);
}

void add_parse_special(Command& command, bool& parse_special, const std::string& where) {
  command.add("--parse-special", &parse_special,
              "special tokens spelled in " + where + " are control tokens (default: plain text)");
}

}  // namespace falconer::cli
