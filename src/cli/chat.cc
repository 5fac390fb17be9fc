// falconer chat: a conversation in the terminal.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <iostream>

#include "base/answer_printer.h"
#include "base/log.h"
#include "base/small_letters.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "base/trim.h"
#include "cli/command.h"
#include "falconer/use.h"

namespace falconer::cli {
namespace {

struct ChatFlags {
  ModelOptions model;
  SamplingSettings sampling;
  std::string system;
  bool raw = false;
};

class Conversation {
 public:
  Conversation(const ChatFlags& flags, Model& model)
      : flags_(flags), model_(model), alone_(flags.raw || model.prompt_style().empty()) {
    clear();
  }

  /// Whether each line is a prompt of its own: without a prompt style there are no turns.
  bool alone() const { return alone_; }

  void clear() {
    if (flags_.sampling.num_return_sequences != 1)
      throw Error("chat gives one answer to each message; leave --num-return-sequences out", 2);
    chat_.messages.clear();
    if (!flags_.system.empty())
      chat_.messages.push_back(
          {.role = "system", .content = flags_.system, .input = "", .more = ""});
    first_ = chat_.messages.size();
  }

  /// `column`: of the terminal, where the answer begins.
  void answer(const std::string& line, size_t column) {
    chat_.messages.push_back({.role = "user", .content = line, .input = "", .more = ""});
    const std::vector<int32_t> ids = alone_ ? model_.encode_prompt(line, "", true) : fitting_ids();
    SamplingSettings sampling = flags_.sampling;
    sampling.first_prompt = turn_++;  // or each would draw the numbers of the first
    AnswerPrinter printer(column);
    const auto completions =
        model_.generate({ids}, sampling, [&](size_t, std::string_view text) { printer.add(text); });
    printer.end();
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

  const ChatFlags& flags_;
  Model& model_;
  bool alone_;
  Chat chat_;
  size_t first_ = 0;  // message behind the system's
  uint32_t turn_ = 0;
};

constexpr const char* kHowToEnd = "/exit, exit or an empty line ends the chat.";
constexpr const char* kReply = ">> Reply: ";

/// What a line is that is not for the model.
enum class Order { kNone, kEnd, kClear, kHelp, kUnknown };

/// A word alone on its line: what other programs' chats end with, too, with or without their mark.
Order order_in(const std::string& line) {
  const std::string word = small_letters(trimmed(line));
  if (word.empty()) return line.empty() ? Order::kEnd : Order::kNone;
  const bool marked = word.front() == '/' || word.front() == '!' || word.front() == ':';
  const std::string name = marked ? word.substr(1) : word;
  if (name == "exit" || name == "quit" || (marked && (name == "bye" || name == "q")))
    return Order::kEnd;
  if (word.front() == ':' || !marked) return Order::kNone;
  if (name == "clear") return Order::kClear;
  if (name == "help" || name == "?") return Order::kHelp;
  // "/usr/bin" and "!important, ..." may be meant for the model.
  const bool letters = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalpha(c) != 0;
  });
  return word.front() == '/' && letters ? Order::kUnknown : Order::kNone;
}

void run(const ChatFlags& flags) {
  check_sampling(flags.sampling);
  Model model = Model::open(flags.model);
  Conversation conversation(flags, model);
  // Who types is asked; a pipe is not, nor who wants to see nothing but answers.
  const bool asking = ::isatty(STDIN_FILENO) != 0 && log_level() != LogLevel::kQuiet;
  const std::string help =
      std::string(conversation.alone()
                      ? "There is no prompt style: each line is a prompt of its own. "
                      : "/clear forgets what was said. ") +
      kHowToEnd;
  if (asking) print_message(laid_out(help) + "\n");
  const bool beside = asking && ::isatty(STDERR_FILENO) != 0;
  std::string line;
  for (;;) {
    if (asking) print_message(">> Prompt: ");
    if (!std::getline(std::cin, line)) {
      if (asking) print_message("\n");
      break;
    }
    const Order order = order_in(line);
    if (order == Order::kEnd) break;
    if (order == Order::kClear) conversation.clear();
    if (order == Order::kUnknown)
      print_message(laid_out("there is no " + std::string(trimmed(line)) + " here. " + help) +
                    "\n");
    if (order == Order::kHelp) print_message(laid_out(help) + "\n");
    if (order != Order::kNone) continue;
    if (asking) print_message(kReply);
    conversation.answer(line, beside ? std::string_view(kReply).size() : 0);
  }
}

}  // namespace

void add_chat(Command& command) {
  auto flags = std::make_shared<ChatFlags>();
  const std::vector<Setting> model = settings_of(flags->model);
  add_settings(command, model, "adapter");
  command.add("--system", &flags->system, "what the model is told before the first turn");
  command.add("--raw", &flags->raw, "no prompt style: each line is a prompt of its own");
  for (const Setting& setting : model)  // random weights have nothing to say, and one process talks
    if (setting.name != "random-weights" && setting.name != "shard")
      add_settings(command, {setting});
  for (const Setting& setting : settings_of(flags->sampling))  // and a turn has its end
    if (setting.name != "ignore-eos") add_setting(command, setting);
  command.does([flags] { run(*flags); });
}

}  // namespace falconer::cli
