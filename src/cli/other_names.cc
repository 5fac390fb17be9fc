#include "cli/other_names.h"

#include <algorithm>
#include <array>

#include "base/setting_words.h"
#include "falconer/error.h"

namespace falconer::cli {
namespace {

constexpr OtherName kNames[] = {
    // Model, data and folder.
    {"--model", "--checkpoint", ""},
    {"--model-name-or-path", "--checkpoint", ""},
    {"--model-name", "--checkpoint", ""},
    {"--model-path", "--checkpoint", ""},
    {"--base-model", "--checkpoint", ""},
    {"--pretrained-model-name-or-path", "--checkpoint", ""},
    {"--tokenizer-name", "", "the tokenizer is that of --checkpoint"},
    {"--peft-model-path", "--adapter", ""},
    {"--lora-weights", "--adapter", ""},
    {"--dataset", "--data", ""},
    {"--dataset-name", "--data", ""},
    {"--train-file", "--data", ""},
    {"--data-path", "--data", ""},
    {"--validation-file", "",
     "give --data a folder with train.jsonl and test.jsonl, or hold rows out with --test-size"},
    {"--output-dir", "--out", ""},
    {"--output-path", "--out", ""},
    {"--overwrite-output-dir", "--overwrite", ""},
    {"--max-length", "--max-seq-length", ""},
    {"--max-length", "", "--max-new-tokens is the longest answer, without its prompt"},
    {"--max-seq-len", "--max-seq-length", ""},
    {"--model-max-length", "--max-seq-length", ""},
    {"--cutoff-len", "--max-seq-length", ""},
    {"--block-size", "--max-seq-length", ""},
    {"--apply-chat-template", "--chat-template", ""},
    // Length of the run, and its steps.
    {"--num-train-epochs", "--epochs", ""},
    {"--num-epochs", "--epochs", ""},
    {"--per-device-train-batch-size", "--batch-size", ""},
    {"--train-batch-size", "--batch-size", ""},
    {"--gradient-accumulation-steps", "",
     "--batch-size is the whole step: the rows of one device times the steps that are accumulated. "
     "--micro-batch-size has the rows that are computed at one time"},
    {"--per-device-eval-batch-size", "", "held-out rows are evaluated as many at a time as fit"},
    {"--optim", "", "--optimizer is adamw, adamw-8bit or sgd"},
    {"--lr-scheduler-type", "--schedule", ""},
    {"--lr-scheduler", "--schedule", ""},
    {"--warmup-ratio", "",
     "--warmup-steps is a number of steps (default: a tenth of the run, 100 at most)"},
    {"--max-grad-norm", "--grad-clip", ""},
    {"--gradient-clip-val", "--grad-clip", ""},
    {"--adam-beta1", "--beta1", ""},
    {"--adam-beta2", "--beta2", ""},
    {"--adam-epsilon", "--eps", ""},
    {"--bf16", "--precision=bf16", ""},
    {"--fp32", "--precision=f32", ""},
    {"--fp16", "", "there is no training in f16; --precision is bf16 or f32"},
    {"--torch-dtype", "--precision", ""},
    {"--dtype", "--precision", ""},
    {"--tf32", "", "products are computed in f32 or bf16, as --precision says"},
    {"--gradient-checkpointing", "--recompute=on", ""},
    {"--load-in-8bit", "--quantize=int8", ""},
    {"--load-in-4bit", "--quantize=nf4", ""},
    {"--quantize", "", "falconer quantize writes a quantised model, with --adapter a merged one"},
    {"--deepspeed", "", "--ranks and --shard share a run among processes"},
    {"--fsdp", "", "--ranks and --shard share a run among processes"},
    {"--devices", "", "a run has one device; --device says which"},
    {"--no-cuda", "--device=cpu", ""},
    {"--use-cpu", "--device=cpu", ""},
    // Methods.
    {"--lora-rank", "--lora-r", ""},
    {"--rank", "--lora-r", ""},
    {"--lora-target-modules", "--lora-targets", ""},
    {"--target-modules", "--lora-targets", ""},
    {"--use-rslora", "--lora-rs", ""},
    {"--use-dora", "--lora-dora", ""},
    {"--adapter-prompt-length", "--adapter-length", ""},
    {"--adapter-len", "--adapter-length", ""},
    {"--adapter-layers", "",
     "--adapter-start-layer is the first layer with a prompt: all behind it have one"},
    {"--use-lora", "", "the method is a word: falconer finetune lora"},
    {"--use-peft", "", "the method is a word: falconer finetune lora"},
    {"--lora-query", "", "--lora-targets lists the parts: q,k,v,o,gate,up,down or all-linear"},
    {"--lora-key", "", "--lora-targets lists the parts: q,k,v,o,gate,up,down or all-linear"},
    {"--lora-value", "", "--lora-targets lists the parts: q,k,v,o,gate,up,down or all-linear"},
    {"--lora-projection", "", "--lora-targets lists the parts: q,k,v,o,gate,up,down or all-linear"},
    {"--lora-mlp", "", "--lora-targets lists the parts: q,k,v,o,gate,up,down or all-linear"},
    {"--lora-head", "", "--lora-targets lists the parts: q,k,v,o,gate,up,down,head or all-linear"},
    // Saving and watching.
    {"--logging-steps", "", "every step is logged, in metrics.jsonl"},
    {"--logging-dir", "", "TensorBoard's file lies in --out"},
    {"--logging-strategy", "", "every step is logged, in metrics.jsonl"},
    {"--report-to", "",
     "a run writes metrics.jsonl, metrics.csv and a file for TensorBoard (--no-tensorboard: none)"},
    {"--wandb-project", "", "a run writes metrics.jsonl, metrics.csv and a file for TensorBoard"},
    {"--run-name", "", "a run is called as its folder, --out"},
    {"--save-steps", "--save-interval", ""},
    {"--save-total-limit", "--keep", ""},
    {"--save-strategy", "", "--save-interval has the steps between checkpoints"},
    {"--eval-steps", "--eval-interval", ""},
    {"--eval-strategy", "", "--eval-interval has the steps between evaluations"},
    {"--evaluation-strategy", "", "--eval-interval has the steps between evaluations"},
    {"--early-stopping-patience", "--early-stop", ""},
    {"--load-best-model-at-end", "--keep-best", ""},
    {"--resume-from-checkpoint", "--resume", ""},
    {"--do-train", "", "falconer finetune trains; leave it out"},
    {"--do-eval", "", "--eval-interval evaluates in a run, falconer evaluate afterwards"},
    {"--ddp-find-unused-parameters", "", "a run has one device; leave it out"},
    {"--dataloader-num-workers", "", "rows are read by all threads; --threads says how many"},
    {"--group-by-length", "", "rows lie end to end, and nothing is padded; leave it out"},
    {"--remove-unused-columns", "", "keys of a row that are not needed are not read; leave it out"},
    {"--trust-remote-code", "", "no code of a checkpoint is run; leave it out"},
    {"--push-to-hub", "", "nothing is uploaded; the folder in --out is what the hub takes"},
    {"--use-auth-token", "", "the hub's token is HF_TOKEN in the environment"},
    {"--access-token", "", "the hub's token is HF_TOKEN in the environment"},
    {"--token", "", "the hub's token is HF_TOKEN in the environment"},
    // LitGPT.
    {"--train.epochs", "--epochs", ""},
    {"--train.max-steps", "--max-steps", ""},
    {"--train.global-batch-size", "--batch-size", ""},
    {"--train.micro-batch-size", "--micro-batch-size", ""},
    {"--train.lr-warmup-steps", "--warmup-steps", ""},
    {"--train.max-seq-length", "--max-seq-length", ""},
    {"--train.max-norm", "--grad-clip", ""},
    {"--train.save-interval", "--save-interval", ""},
    {"--train.log-interval", "", "every step is logged, in metrics.jsonl"},
    {"--train.learning-rate", "--lr", ""},
    {"--optimizer.lr", "--lr", ""},
    {"--optimizer.weight-decay", "--weight-decay", ""},
    {"--eval.interval", "--eval-interval", ""},
    {"--eval.max-new-tokens", "", "--sample-prompt is answered after each evaluation"},
    {"--data.json-path", "--data", ""},
    {"--data.mask-prompt", "--mask-prompt", ""},
    {"--data.prompt-style", "--prompt-style", ""},
    {"--data.seed", "", "rows are split as prepare splits them, which has --seed"},
    {"--data.val-split-fraction", "", "--test-size is a number of rows (default: a tenth)"},
    {"--data.num-workers", "", "rows are read by all threads; --threads says how many"},
    {"--data.download-dir", "", "--data names a file, a folder, or org/name on the hub"},
    {"--repo-id", "--checkpoint", ""},
    {"--finetuned-path", "--adapter", ""},
    // llama.cpp.
    {"-m", "--checkpoint", ""},
    {"-hf", "--checkpoint", ""},
    {"--lora", "--adapter", ""},
    {"-p", "--prompt", ""},
    {"-n", "--max-new-tokens", ""},
    {"--n-predict", "--max-new-tokens", ""},
    {"--predict", "--max-new-tokens", ""},
    {"--temp", "--temperature", ""},
    {"-s", "--seed", ""},
    {"-t", "--threads", ""},
    {"-o", "--out", ""},
    {"-f", "", "--prompts is a file with a row for each prompt"},
    {"--file", "", "--prompts is a file with a row for each prompt"},
    {"-sys", "--system", ""},
    {"--system-prompt", "--system", ""},
    {"--reverse-prompt", "--stop", ""},
    {"-r", "--stop", ""},
    {"-c", "", "the context is the model's"},
    {"--ctx-size", "", "the context is the model's"},
    {"-ngl", "", "--device cuda has all layers on the GPU, --device cpu none"},
    {"--n-gpu-layers", "", "--device cuda has all layers on the GPU, --device cpu none"},
    {"--gpu-layers", "", "--device cuda has all layers on the GPU, --device cpu none"},
    {"-i", "", "falconer chat talks in the terminal"},
    {"--interactive", "", "falconer chat talks in the terminal"},
    {"-cnv", "", "falconer chat talks in the terminal"},
    {"--do-sample", "", "--temperature 0 takes the most likely token, above 0 draws"},
    {"--num-beams", "", "there is no beam search; --temperature 0 takes the most likely token"},
    {"--repetition-penalty", "", "there is none; --temperature, --top-k and --top-p draw"},
    {"--repeat-penalty", "", "there is none; --temperature, --top-k and --top-p draw"},
    {"--outfile", "--out", ""},
    {"--outtype", "--dtype", ""},
};

struct OtherCommand {
  const char* theirs;
  std::array<const char*, 2> ours;  // words; the second may be null
};

constexpr OtherCommand kCommands[] = {
    {"finetune_lora", {"finetune", "lora"}},
    {"finetune_adapter", {"finetune", "adapter"}},
    {"finetune_adapter_v2", {"finetune", "adapter-v2"}},
    {"finetune_full", {"finetune", "full"}},
    {"merge_lora", {"merge", nullptr}},
    {"version", {"--version", nullptr}},
};

bool has(const Command& app, const Command& command, const std::string& flag) {
  return find_flag(command, flag) != nullptr || find_flag(app, flag) != nullptr;
}

// The row that `name` means for `command`; null where it is nobody's.
const OtherName* find_name(const Command& app, const Command& command, const std::string& name) {
  for (const OtherName& other : kNames) {
    if (name != other.theirs) continue;
    const std::string flag = other.ours;
    if (flag.empty() || has(app, command, flag.substr(0, flag.find('=')))) return &other;
  }
  return nullptr;
}

bool is_truth(const std::string& word) {
  return word == "True" || word == "true" || word == "1" || word == "yes";
}
bool is_falsehood(const std::string& word) {
  return word == "False" || word == "false" || word == "0" || word == "no";
}

// LLaMA's names of what Falcon has in one matrix.
std::string targets_in_our_names(std::string list) {
  for (const char* name : {"q", "k", "v"}) {
    const std::string theirs = std::string(name) + "_proj";
    for (size_t at; (at = list.find(theirs)) != std::string::npos;)
      list.replace(at, theirs.size(), name);
  }
  return list;
}

// Walks over a command line and writes it again with our names.
class Translation {
 public:
  Translation(const Command& app, const std::vector<std::string>& words)
      : app_(app), command_(&app), words_(words) {}

  std::vector<std::string> run() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_];
      if (word == "--") break;
      if (word.size() < 2 || word[0] != '-' || std::isdigit(static_cast<unsigned char>(word[1])))
        take_bare();
      else
        take_flag();
    }
    made_.insert(made_.end(), words_.begin() + static_cast<long>(at_), words_.end());
    return std::move(made_);
  }

 private:
  void take_bare() {
    const std::string& word = words_[at_++];
    if (command_ != &app_) return made_.push_back(word);
    if (const Command* command = find_command(app_, word)) {
      command_ = command;
      return made_.push_back(word);
    }
    if (word == "help") return take_help();
    for (const OtherCommand& other : kCommands) {
      if (dashed(word) != dashed(other.theirs)) continue;
      if (const Command* command = find_command(app_, other.ours[0])) command_ = command;
      for (const char* ours : other.ours)
        if (ours != nullptr) made_.emplace_back(ours);
      return;
    }
    made_.push_back(word);
  }

  // "help", "help COMMAND"; help of anything else is a wrong command line, which is said of these words.
  void take_help() {
    const std::string word = at_ < words_.size() ? words_[at_] : std::string();
    if (word.empty() || word == "--help" || word == "-h" || find_command(app_, word) != nullptr) {
      if (!word.empty() && word[0] != '-') made_.push_back(word);
      made_.emplace_back("--help");
    } else {
      made_.push_back(word);
    }
    at_ = words_.size();
  }

  void take_flag() {
    const std::string word = words_[at_++];
    const size_t end = std::min(word.find('='), word.size());
    const std::string name = word.substr(0, end);
    const Flag* known = find_flag(*command_, name);
    if (known == nullptr) known = find_flag(app_, name);
    const OtherName* other = known == nullptr
                                 ? find_name(app_, *command_, name[1] == '-' ? dashed(name) : name)
                                 : nullptr;
    if (other == nullptr) {
      made_.push_back(word);
      if (known != nullptr && end == word.size() && known->takes_value()) copy_value();
      return;
    }
    const std::string ours = other->ours;
    if (ours.empty()) throw Error(name + " is no flag of falconer: " + other->answer, 2);
    const std::string flag = ours.substr(0, ours.find('='));
    const Flag* option = find_flag(*command_, flag);
    if (option == nullptr) option = find_flag(app_, flag);
    if (ours != flag || !option->takes_value())
      return take_switch(ours, option, word.substr(std::min(end + 1, word.size())));
    std::string value = word.substr(end);
    if (flag == "--lora-targets") value = targets_in_our_names(value);
    made_.push_back(flag + value);
    if (end < word.size() || at_ == words_.size()) return;
    made_.push_back(flag == "--lora-targets" ? targets_in_our_names(words_[at_]) : words_[at_]);
    ++at_;
  }

  // One that stands alone, as "--bf16", "--bf16 True" or "--bf16=True"; --resume may have a value.
  void take_switch(const std::string& ours, const Flag* option, std::string value) {
    if (value.empty() && at_ < words_.size() &&
        (is_truth(words_[at_]) || is_falsehood(words_[at_])))
      value = words_[at_++];
    const bool set = ours.find('=') != std::string::npos;
    if (is_falsehood(value)) {
      if (!set) made_.push_back(ours + "=false");
      return;
    }
    const bool takes_one = option->may_take_value() && !set;
    made_.push_back(takes_one && !value.empty() && !is_truth(value) ? ours + "=" + value : ours);
    if (takes_one && value.empty() && at_ < words_.size() && !words_[at_].starts_with("-"))
      copy_value();
  }

  void copy_value() {
    if (at_ < words_.size()) made_.push_back(words_[at_++]);
  }

  const Command& app_;
  const Command* command_;
  const std::vector<std::string>& words_;
  std::vector<std::string> made_;
  size_t at_ = 0;
};

}  // namespace

std::span<const OtherName> other_names() { return kNames; }

std::vector<std::string> with_our_names(const Command& app, std::vector<std::string> words) {
  return Translation(app, words).run();
}

}  // namespace falconer::cli
