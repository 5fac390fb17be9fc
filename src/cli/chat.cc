// falconer chat: a conversation in the terminal.
#include <unistd.h>

#include <iostream>

#include "base/log.h"
#include "base/streams.h"
#include "base/trim.h"
#include "cli/sampling_flags.h"

namespace falconer::cli {
namespace {

struct Flags {
  ModelOptions model;
  SamplingSettings sampling;
  std::string system;
  bool raw = false;
};

class Conversation {
 public:
  Conversation(const Flags& flags, Model& model)
      : flags_(flags), model_(model), alone_(flags.raw || model.prompt_style().empty()) {
    clear();
  }

  /// Whether each line is a prompt of its own: without a prompt style there are no turns.
  bool alone() const { return alone_; }

  void clear() {
    chat_.messages.clear();
    if (!flags_.system.empty())
      chat_.messages.push_back(
          {.role = "system", .content = flags_.system, .input = "", .more = ""});
    first_ = chat_.messages.size();
  }

  void answer(const std::string& line) {
    chat_.messages.push_back({.role = "user", .content = line, .input = "", .more = ""});
    const std::vector<int32_t> ids = alone_ ? model_.encode_prompt(line, "", true) : fitting_ids();
    SamplingSettings sampling = flags_.sampling;
    sampling.first_prompt = turn_++;  // or each would draw the numbers of the first
    const auto completions = model_.generate(
        {ids}, sampling, [](size_t, std::string_view text) { print_result(text); });
    print_result("\n");
    chat_.messages.push_back({.role = "assistant",
                              .content = std::string(trimmed(completions.front().text)),
                              .input = "",
                              .more = ""});
  }

 private:
  /// The oldest turns are forgotten where they leave no room for an answer.
  std::vector<int32_t> fitting_ids() {
    std::vector<int32_t> ids = model_.encode_chat(chat_);
    const int64_t room =
        model_.context() - std::min(flags_.sampling.max_new_tokens, model_.context() / 2);
    bool forgot = false;
    while (static_cast<int64_t>(ids.size()) > room && chat_.messages.size() > first_ + 2) {
      const auto oldest = chat_.messages.begin() + static_cast<std::ptrdiff_t>(first_);
      chat_.messages.erase(oldest, oldest + 2);
      ids = model_.encode_chat(chat_);
      forgot = true;
    }
    if (forgot) log_warning("the oldest turns no longer fit and are forgotten");
    return ids;
  }

  const Flags& flags_;
  Model& model_;
  bool alone_;
  Chat chat_;
  size_t first_ = 0;  // message behind the system's
  uint32_t turn_ = 0;
};

void run(const Flags& flags) {
  check_sampling(flags.sampling);
  Model model = Model::open(flags.model);
  Conversation conversation(flags, model);
  // Who types is asked; a pipe is not, nor who wants to see nothing but answers.
  const bool asking = ::isatty(STDIN_FILENO) != 0 && log_level() != LogLevel::kQuiet;
  if (asking)
    print_message(std::string(conversation.alone()
                                  ? "There is no prompt style: each line is a prompt of its own. "
                                  : "!clear forgets what was said. ") +
                  "An empty line ends the chat.\n");
  std::string line;
  for (;;) {
    if (asking) print_message(">> Prompt: ");
    if (!std::getline(std::cin, line)) {
      if (asking) print_message("\n");
      break;
    }
    if (line.empty() || line == "!quit") break;
    if (line == "!clear") {
      conversation.clear();
      continue;
    }
    if (asking) print_message(">> Reply: ");
    conversation.answer(line);
  }
}

}  // namespace

void add_chat(Command& command) {
  auto flags = std::make_shared<Flags>();
  add_checkpoint(command, flags->model.checkpoint);
  add_adapter(command, flags->model.adapter, flags->model.any_base);
  command.add("--system", &flags->system, "what the model is told before the first turn");
  command.add("--raw", &flags->raw, "no prompt style: each line is a prompt of its own");
  command.add("--precision", &flags->model.precision,
              "auto (bf16 where every matrix is, else f32), f32 or bf16", {.shows_default = true});
  add_device(command, flags->model.device);
  add_prompt_style(command, flags->model);
  add_sampling_flags(command, flags->sampling);
  command.does([flags] { run(*flags); });
}

}  // namespace falconer::cli
