// falconer generate
#include <nlohmann/json.hpp>

#include "base/answer_printer.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/streams.h"
#include "cli/command.h"
#include "falconer/process.h"
#include "falconer/use.h"

namespace falconer::cli {
namespace {

struct GenerateFlags {
  ModelOptions model;
  SamplingSettings sampling;
  std::string prompt, input, prompts;
  std::vector<int32_t> prompt_ids;
  std::string activations, profile;
  bool raw = false, json = false, overwrite = false, generation_config = false;
};

std::vector<std::vector<int32_t>> prompts_of(const GenerateFlags& flags, const Model& model) {
  if (!flags.prompts.empty()) return read_prompts(flags.prompts, model, flags.raw);
  if (!flags.prompt_ids.empty()) return {flags.prompt_ids};
  return {model.encode_prompt(flags.prompt, flags.input, flags.raw)};
}

void take_generation_config(const Command& command, GenerateFlags& flags) {
  SamplingSettings own = generation_settings(flags.model.checkpoint);
  for (const Setting& setting : settings_of(own))
    if (command.flag("--" + setting.name).given.empty() && setting.name != "stop" &&
        setting.name != "logit-bias")
      set(flags.sampling, setting.name, text_of(setting.value));
  const SamplingSettings& s = flags.sampling;
  log_info(
      "with generation_config.json and flags: temperature {}, top-k {}, top-p {}, min-p {}, "
      "typical-p {}, "
      "repetition-penalty {}, at most {} new tokens",
      s.temperature, s.top_k, s.top_p, s.min_p, s.typical_p, s.repetition_penalty,
      s.max_new_tokens);
}

void print_json(const std::vector<Completion>& completions) {
  for (const Completion& c : completions) {
    nlohmann::ordered_json row;
    row["prompt_ids"] = c.prompt_ids;
    row["ids"] = c.ids;
    row["text"] = c.text;
    row["finish_reason"] = c.finish_reason;
    row["prefill_tokens_per_second"] = c.prefill_tokens_per_second;
    row["decode_tokens_per_second"] = c.decode_tokens_per_second;
    row["peak_rss_bytes"] = peak_memory_bytes();
    print_result(json_text(row) + "\n");
  }
}

// Several answers have a line of "---" between them: they may have several lines.
void print_texts(const std::vector<Completion>& completions) {
  for (size_t i = 0; i < completions.size(); ++i)
    print_result((i > 0 ? "---\n" : "") + completions[i].text + "\n");
}

void run(const GenerateFlags& flags) {
  handle_interrupts();
  check_sampling(flags.sampling);
  Model model = Model::open(flags.model);
  const auto prompts = prompts_of(flags, model);
  if (!flags.activations.empty()) {
    if (prompts.size() != 1)
      throw Error("--dump-activations is of one prompt, and there are " +
                      std::to_string(prompts.size()) + "; give one",
                  2);
    model.dump_activations(prompts.front(), flags.activations, flags.overwrite);
  }
  if (!flags.profile.empty()) model.begin_profile(flags.profile, flags.overwrite);
  const bool stream =
      !flags.json && prompts.size() == 1 && flags.sampling.num_return_sequences == 1;
  AnswerPrinter printer;
  const auto completions =
      model.generate(prompts, flags.sampling, [&](size_t, std::string_view text) {
        if (stream) printer.add(text);
      });
  if (flags.json) {
    print_json(completions);
    return model.end_profile();
  }
  if (!stream) print_texts(completions);
  if (stream) printer.end();
  if (stream) print_result("\n");  // before the next line, which goes to stderr
  const Completion& last = completions.back();
  size_t tokens = 0;
  for (const Completion& c : completions) tokens += c.ids.size();
  log_info("{} {}, prompt {:.1f} tokens/s, answer {:.1f} tokens/s, peak memory {:.2f} GB", tokens,
           plural(tokens, "token"), last.prefill_tokens_per_second, last.decode_tokens_per_second,
           static_cast<double>(peak_memory_bytes()) / 1e9);
  model.end_profile();
  if (interrupted()) throw Error("interrupted", interrupt_exit_code());
}

}  // namespace

void add_generate(Command& command) {
  auto flags = std::make_shared<GenerateFlags>();
  add_settings(command, settings_of(flags->model), "adapter");
  command.add("--prompt", &flags->prompt, "an instruction, wrapped in the adapter's prompt style");
  command.add(
      "--prompts", &flags->prompts,
      "instead: a file of rows {\"prompt\"}, {\"instruction\", \"input\"} or {\"messages\"}",
      {.kind = ValueKind::kFile});
  command.add("--prompt-ids", &flags->prompt_ids, "instead: token ids, 1,2,3",
              {.delimiter = ',', .one_each = true});
  command.add("--input", &flags->input, "further context for --prompt");
  command.add("--raw", &flags->raw, "no prompt style: the prompt as it is, its special tokens too");
  add_settings(command, settings_of(flags->model));
  add_settings(command, settings_of(flags->sampling));
  command.add("--generation-config", &flags->generation_config,
              "settings that are not given are those of the checkpoint's generation_config.json");
  command.add("--json", &flags->json, "a JSON row for each answer");
  command.add("--dump-activations", &flags->activations,
              "safetensors file for what every part of the model makes of the prompt",
              {.kind = ValueKind::kFile});
  add_as_finetune(command, "profile", &flags->profile);
  command.add("--overwrite,--force", &flags->overwrite,
              "replace files at these paths that Falconer did not write");
  command.does([flags, &command] {
    int given = 0;
    for (const char* name : {"--prompt", "--prompts", "--prompt-ids"})
      given += command.flag(name).given.empty() ? 0 : 1;
    if (given != 1) throw Error("give one of --prompt, --prompts and --prompt-ids", 2);
    if (flags->generation_config) take_generation_config(command, *flags);
    run(*flags);
  });
}

}  // namespace falconer::cli
