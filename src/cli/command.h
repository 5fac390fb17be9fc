// The commands of the program: each is one file and one line of the table in main.cc.
#pragma once

#include <optional>
#include <string>

#include "cli/setting_flags.h"

namespace falconer::cli {

/// Adds a command's flags to `command` and sets what it does when it was chosen.
void add_chat(Command& command);
void add_check(Command& command);
void add_compare(Command& command);
void add_download(Command& command);
void add_evaluate(Command& command);
void add_export(Command& command);
void add_finetune(Command& command);
void add_generate(Command& command);
void add_inspect(Command& command);
void add_merge(Command& command);
void add_plan(Command& command);
void add_prepare(Command& command);
void add_runs(Command& command);
void add_score(Command& command);
void add_selftest(Command& command);
void add_tokenize(Command& command);
void add_verify(Command& command);

/// --threads, a flag of the program that `command` belongs to; 0: not given.
inline int threads_of(const Command& command) {
  return *std::get<int*>(command.parent()->flag("--threads").value);
}

/// The article writes these flags another way: --checkpoint_dir and --lora_path. The model may also
/// stand without its flag, but for commands where a bare word is something else.
inline Flag& add_checkpoint(Command& command, std::string& value, bool bare = true) {
  return add_as_finetune(command, "checkpoint", &value, bare ? "checkpoint" : "");
}
inline void add_any_base(Command& command, bool& any_base) {
  add_as_finetune(command, "any-base", &any_base);
}
inline Flag& add_adapter(Command& command, std::string& value, bool& any_base) {
  add_any_base(command, any_base);
  return command.add(
      "--adapter,--lora-path,--adapter-path", &value,
      "adapter: its folder or the run's, org/name on the hub, or a .pth file of LitGPT or "
      "Lit-Parrot",
      {.kind = ValueKind::kAdapter});
}

/// "5GB" is 5'000'000'000 bytes, "5GiB" 5 << 30.
inline Flag& add_shard_size(Command& command, int64_t& bytes) {
  return command.add(
      "--max-shard-size", &bytes, "largest safetensors file, as 5GB or 500MB",
      {.default_text = "5GB", .size = true, .value_name = "SIZE", .kind = ValueKind::kSize});
}

/// One name in every command that writes files; --force is what export and merge called it.
inline Flag& add_overwrite(Command& command, bool& value, const std::string& what) {
  return command.add("--overwrite,--force", &value, "replace " + what);
}

/// What a model computes in, and where.
inline void add_precision(Command& command, std::string& precision, std::string& device) {
  add_as_finetune(command, "precision", &precision);
  add_as_finetune(command, "device", &device);
}

/// Flags of data that several commands read; in data_flags.cc.
/// `bare`: the format may stand without its flag.
Flag& add_data_format(Command& command, std::string& format, bool bare = false);
void add_learning_flags(Command& command, bool& mask_prompt, std::string& train_on,
                        bool& parse_special);
void add_test_size(Command& command, std::optional<int64_t>& rows);
void add_length_flags(Command& command, std::optional<int64_t>& epochs,
                      std::optional<int64_t>& batch_size);
void add_parse_special(Command& command, bool& parse_special, const std::string& where);

}  // namespace falconer::cli
