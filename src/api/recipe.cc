#include "api/recipe.h"

#include <filesystem>

#include "api/common.h"
#include "base/error.h"
#include "base/plural.h"
#include "base/terminal.h"
#include "base/toml.h"
#include "falconer/process.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

class RecipeWriter {
 public:
  void comment(const std::string& text) { text_ += "# " + without_controls(text) + "\n"; }
  void group(const char* title) { text_ += fmt::format("\n# {}\n", title); }

  void write(const char* key, const std::string& value) {
    if (!value.empty()) line(key, toml_string(value));
  }
  void write(const char* key, bool value) { line(key, value ? "true" : "false"); }
  template <class Number>
  requires std::is_arithmetic_v<Number>
  void write(const char* key, Number value) { line(key, fmt::format("{}", value)); }
  template <class Value>
  void write(const char* key, const std::optional<Value>& value) {
    if (value) write(key, *value);
  }
  void write(const char* key, const std::vector<std::string>& values) {
    if (values.empty()) return;
    std::string list;
    for (const std::string& value : values) list += (list.empty() ? "" : ", ") + toml_string(value);
    line(key, "[" + list + "]");
  }

  std::string take() { return std::move(text_); }

 private:
  void line(const char* key, const std::string& value) {
    text_ += fmt::format("{} = {}\n", key, value);
  }

  std::string text_;
};

void write_data(const FinetuneOptions& o, RecipeWriter& recipe) {
  recipe.group("model and data");
  recipe.write("method", o.method);
  recipe.write("checkpoint", o.checkpoint);
  recipe.write("data", o.data);
  recipe.write("data-format", o.data_format);
  recipe.write("max-seq-length", o.max_seq_length);
  recipe.write("test-size", o.test_size);
  recipe.write("prompt-style", o.prompt_style);
  recipe.write("train-on", o.train_on);
  recipe.write("mask-prompt", o.mask_prompt);
  recipe.write("parse-special", o.parse_special);
  recipe.write("skip-bad", o.skip_bad);
  recipe.write("shuffle", o.shuffle);
  recipe.write("seed", o.seed);
}

void write_training(const FinetuneOptions& o, RecipeWriter& recipe) {
  recipe.group("training");
  recipe.write("precision", o.precision);
  recipe.write("device", o.device);
  recipe.write("deterministic", o.deterministic);
  recipe.write("optimizer", o.optimizer);
  recipe.write("lr", o.lr);
  recipe.write("weight-decay", o.weight_decay);
  recipe.write("beta1", o.beta1);
  recipe.write("beta2", o.beta2);
  recipe.write("eps", o.eps);
  recipe.write("schedule", o.schedule);
  recipe.write("warmup-steps", o.warmup_steps);
  recipe.write("grad-clip", o.grad_clip);
  recipe.write("loss-average", o.loss_average);
  recipe.write("max-steps", o.max_steps);
  recipe.write("epochs", o.epochs);
  recipe.write("batch-size", o.batch_size);
  recipe.write("micro-batch-size", o.micro_batch_size);
  recipe.write("packing", o.packing);
  recipe.write("micro-batch-tokens", o.micro_batch_tokens);
  recipe.write("recompute", o.recompute);
  recipe.write("offload-optimizer", o.offload_optimizer);
  if (o.method == "full") recipe.write("master-weights", o.master_weights);
  recipe.write("low-memory", o.low_memory);
}

// An adapter that is trained on brings its rank, scale, targets and length.
void write_method(const FinetuneOptions& o, RecipeWriter& recipe) {
  recipe.group("method");
  recipe.write("init-adapter", o.init_adapter);
  recipe.write("any-base", o.any_base);
  if (o.method == "lora") recipe.write("lora-dropout", o.lora_dropout);
  if (o.method == "lora" && o.init_adapter.empty()) {
    recipe.write("lora-r", o.lora_r);
    recipe.write("lora-alpha", o.lora_alpha);
    recipe.write("lora-targets", o.lora_targets);
    recipe.write("lora-rs", o.lora_rs);
    recipe.write("lora-dora", o.lora_dora);
  }
  if (o.method.starts_with("adapter") && o.init_adapter.empty()) {
    recipe.write("adapter-length", o.adapter_length);
    recipe.write("adapter-start-layer", o.adapter_start_layer);
  }
  if (o.method == "full") recipe.write("from-scratch", o.from_scratch);
}

void write_watching(const FinetuneOptions& o, RecipeWriter& recipe) {
  recipe.group("saving and watching");
  recipe.write("out", o.out);
  recipe.write("save-interval", o.save_interval);
  recipe.write("save-every", o.save_every);
  recipe.write("keep", o.keep);
  recipe.write("eval-interval", o.eval_interval);
  recipe.write("early-stop", o.early_stop);
  recipe.write("keep-best", o.keep_best);
  recipe.write("sample-prompt", o.sample_prompt);
  recipe.write("skip-nonfinite", o.skip_nonfinite);
  recipe.write("on-spike", o.on_spike);
  recipe.write("check-finite", o.check_finite);
  recipe.write("tensorboard", o.tensorboard);
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
  write_data(options, recipe);
  write_training(options, recipe);
  write_method(options, recipe);
  write_watching(options, recipe);
  return recipe.take();
}

std::vector<std::string> recipe_notes(const FinetuneOptions& options) {
  std::vector<std::string> notes = {
      fmt::format("The settings of a run, as falconer {} resolved them.", version()),
      "Run it again: falconer finetune --config THIS-FILE --out ANOTHER-FOLDER",
      fmt::format("checkpoint: {}", size_text(options.checkpoint)),
      fmt::format("data: {}", size_text(options.data))};
  if (!options.init_adapter.empty())
    notes.push_back(fmt::format("init-adapter: {}", size_text(options.init_adapter)));
  return notes;
}

}  // namespace falconer
