// The commands of the program: each is one file and one line of the table in main.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <optional>
#include <string>

namespace falconer::cli {

/// What finetune and plan take as METHOD.
inline const std::array<std::string, 4> kMethods = {"lora", "adapter", "adapter-v2", "full"};

/// Adds a command's flags to `app` and sets what it does when it was chosen.
void add_chat(CLI::App& app);
void add_check(CLI::App& app);
void add_compare(CLI::App& app);
void add_download(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_export(CLI::App& app);
void add_finetune(CLI::App& app);
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_merge(CLI::App& app);
void add_plan(CLI::App& app);
void add_prepare(CLI::App& app);
void add_runs(CLI::App& app);
void add_score(CLI::App& app);
void add_selftest(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_verify(CLI::App& app);

/// The article writes these flags another way: --checkpoint_dir and --lora_path. The model may also
/// stand without its flag, but for commands where a bare word is something else.
inline CLI::Option* add_checkpoint(CLI::App& app, std::string& value, bool bare = true) {
  return app
      .add_option(
          std::string(bare ? "checkpoint," : "") + "--checkpoint,--checkpoint-dir", value,
          "model: a folder (Hugging Face's or LitGPT's), a GGUF file, or org/name on the hub")
      ->required();
}
inline void add_any_base(CLI::App& app, bool& any_base) {
  app.add_flag("--any-base", any_base,
               "go on although an adapter was trained on another checkpoint, or rows were prepared "
               "with another tokenizer");
}
inline CLI::Option* add_adapter(CLI::App& app, std::string& value, bool& any_base) {
  add_any_base(app, any_base);
  return app.add_option(
      "--adapter,--lora-path,--adapter-path", value,
      "adapter: its folder or the run's, org/name on the hub, or a .pth file of LitGPT or "
      "Lit-Parrot");
}

/// "5GB" is 5'000'000'000 bytes, "5GiB" 5 << 30.
inline CLI::Option* add_shard_size(CLI::App& app, int64_t& bytes) {
  return app.add_option("--max-shard-size", bytes, "largest safetensors file, as 5GB or 500MB")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->type_name("SIZE")
      ->default_str("5GB");
}

/// One name in every command that writes files; --force is what export and merge called it.
inline CLI::Option* add_overwrite(CLI::App& app, bool& value, const std::string& what) {
  return app.add_flag("--overwrite,--force", value, "replace " + what);
}

inline void add_device(CLI::App& app, std::string& value) {
  app.add_option("--device", value,
                 "cpu, cuda, cuda:N or auto (default: FALCONER_DEVICE, else cpu)");
}

/// Flags of data that several commands read; in data_flags.cc.
void add_data_format(CLI::App& app, const std::string& name, std::string& format);
void add_learning_flags(CLI::App& app, bool& mask_prompt, std::string& train_on,
                        bool& parse_special);
void add_test_size(CLI::App& app, std::optional<int64_t>& rows);
void add_length_flags(CLI::App& app, std::optional<int64_t>& epochs,
                      std::optional<int64_t>& batch_size);
void add_parse_special(CLI::App& app, bool& parse_special, const std::string& where);

}  // namespace falconer::cli
