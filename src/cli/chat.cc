// falconer chat: a conversation in the terminal.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <optional>

#include "base/answer_printer.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/small_letters.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "base/trim.h"
#include "cli/command.h"
#include "cli/line_reader.h"
#include "cli/talk.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

struct ChatFlags {
  ModelOptions model;
  SamplingSettings sampling;
  std::string system;
  bool raw = false;
};

constexpr const char* kHowToEnd = "/exit, exit or an empty line ends the chat.";
constexpr const char* kCancelled = "Ctrl-D or /exit ends the chat.";
constexpr const char* kReply = ">> Reply: ";
constexpr const char* kOrders =
    "/adapter NAME        goes on with an adapter that is loaded; /adapter NAME=PATH loads it,\n"
    "                     /adapter base is the model without one, /adapter lists them\n"
    "/compare [TEXT]      answers TEXT, or the last message again, by the base and each adapter\n"
    "/system [TEXT]       what the model is told before the first turn; with TEXT, or \"\" for "
    "none, the\n"
    "                     conversation begins anew\n"
    "/clear               forgets what was said\n"
    "/save FILE           writes the whole conversation as a row {\"messages\"}, to learn from or "
    "to\n"
    "                     answer; again, it replaces the file\n"
    "/exit                ends the chat; so do exit, quit, an empty line and Ctrl-D\n"
    "Ctrl-C stops an answer, or leaves what is being typed. A line that ends with \\ goes on, and "
    "so does all between \"\"\" and "
    "\"\"\".\n";

/// What a message is that is not for the model: a word alone on its line that other programs' chats end with, too, or
/// one of ours with what stands behind it.
struct Order {
  enum class Kind {
    kNone,
    kEnd,
    kClear,
    kHelp,
    kAdapter,
    kCompare,
    kSystem,
    kSave,
    kUnknown,
    kTooMuch
  };
  Kind kind = Kind::kNone;
  std::string rest = {};
};

bool is_word(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](unsigned char c) { return std::isalpha(c) != 0; });
}

Order order_in(const std::string& message) {
  using Kind = Order::Kind;
  const std::string text(trimmed(message));
  if (text.empty()) return {message.empty() ? Kind::kEnd : Kind::kNone};
  const size_t space = std::min(text.find_first_of(" \t\n"), text.size());
  const std::string word = small_letters(text.substr(0, space)), rest(trimmed(text.substr(space)));
  const bool marked = word.front() == '/' || word.front() == '!' || word.front() == ':';
  const std::string name = marked ? word.substr(1) : word;
  if (name == "exit" || name == "quit" || (marked && (name == "bye" || name == "q"))) {
    if (rest.empty()) return {Kind::kEnd};
    if (word.front() == '/') return {Kind::kTooMuch, word};
  }
  if (word.front() != '/' && !(word.front() == '!' && rest.empty())) return {};
  constexpr std::pair<const char*, Kind> kNames[] = {
      {"adapter", Kind::kAdapter}, {"compare", Kind::kCompare}, {"system", Kind::kSystem},
      {"save", Kind::kSave},       {"clear", Kind::kClear},     {"help", Kind::kHelp},
      {"?", Kind::kHelp}};
  for (const auto& [known, kind] : kNames)
    if (name == known)
      return kind == Kind::kClear && !rest.empty() ? Order{Kind::kTooMuch, word}
                                                   : Order{kind, rest};
  // "/usr/bin" and "!important, ..." may be meant for the model.
  return {word.front() == '/' && is_word(name) && rest.empty() ? Kind::kUnknown : Kind::kNone};
}

/// The loop of a chat: messages and orders.
class Chatting {
 public:
  Chatting(const ChatFlags& flags, Model& model)
      : model_(model),
        flags_raw_(flags.raw),
        // Who types is asked; a pipe is not, nor who wants to see nothing but answers.
        typed_(::isatty(STDIN_FILENO) != 0),
        asking_(typed_ && log_level() != LogLevel::kQuiet),
        beside_(asking_ && ::isatty(STDERR_FILENO) != 0),
        talk_(model, flags.sampling, flags.system, flags.raw),
        lines_(typed_, asking_, kCancelled) {}

  void run() {
    if (talk_.alone() && !flags_raw_)
      log_warning(
          "the model has no chat template, and so no prompt style: each message is continued as it "
          "stands, without those before it; --prompt-style names a style, --raw asks for this");
    if (asking_) say(std::string("/help lists what can be done beside talking. ") + kHowToEnd);
    while (const auto message = lines_.read(">> Prompt: ")) {
      const Order order = order_in(*message);
      if (order.kind == Order::Kind::kEnd) return;
      try {
        const Stoppable stoppable(typed_);
        if (order.kind == Order::Kind::kNone)
          answer(*message);
        else
          follow(order, *message);
      } catch (const OutputError&) {
        throw;
      } catch (const Error& error) {
        if (!typed_) throw;
        say(error.what());
      }
      // Another signal than Ctrl-C's, or nobody is there who would go on.
      if (interrupted() && !(typed_ && interrupt_exit_code() == 128 + SIGINT))
        throw Error("stopped", interrupt_exit_code());
    }
    if (asking_) print_message("\n");
  }

 private:
  void say(const std::string& text) const { print_message(laid_out(text) + "\n"); }

  /// While it lives signals stop what is computed, which interrupted() tells then, too; behind it they do what they did.
  /// That of a Ctrl-C that is `typed` is the LineReader's.
  class Stoppable {
   public:
    explicit Stoppable(bool typed) {
      for (size_t i = 0; i < std::size(kSignals); ++i)
        ::sigaction(kSignals[i], nullptr, &before_[i]);
      clear_interrupts();
      handle_interrupts();
      if (typed) ::sigaction(SIGINT, &before_[0], nullptr);
    }
    Stoppable(const Stoppable&) = delete;
    Stoppable& operator=(const Stoppable&) = delete;
    ~Stoppable() {
      for (size_t i = 0; i < std::size(kSignals); ++i)
        ::sigaction(kSignals[i], &before_[i], nullptr);
    }

   private:
    static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before_[std::size(kSignals)] = {};
  };

  void answer(const std::string& message) {
    if (asking_) print_message(kReply);
    AnswerPrinter printer(beside_ ? std::string_view(kReply).size() : 0);
    const Talk::Answered answered =
        talk_.answer(message, [&](std::string_view text) { printer.add(text); });
    printer.end();
    print_result("\n");
    if (answered.forgot) log_warning("the oldest turns no longer fit and are forgotten");
    if (answered.cut)
      log_warning("the answer ends with the model's context of {} tokens; /clear makes room",
                  model_.context());
  }

  void compare(const std::string& text) {
    std::optional<AnswerPrinter> printer;
    const auto end = [&] {
      if (!printer) return;
      printer->end();
      print_result("\n");
    };
    talk_.compare(
        text,
        [&](const std::string& name) {
          end();
          print_result("--- " + (name.empty() ? std::string("base") : name) + "\n");
          printer.emplace();
        },
        [&](std::string_view part) { printer->add(part); });
    end();
  }

  void list_adapters() const {
    std::string text = "loaded: base" + std::string(model_.adapter().empty() ? " (in use)" : "");
    for (const std::string& name : model_.adapters())
      text += ", " + name + (name == model_.adapter() ? " (in use)" : "");
    say(text);
  }

  void tell(const std::string& system) {
    if (!system.empty()) {
      talk_.set_system(system == "\"\"" ? "" : system);
      return say("the conversation begins anew, " + std::string(talk_.system().empty()
                                                                    ? "without a system text"
                                                                    : "with this system text"));
    }
    if (talk_.system().empty()) return say("there is no system text; /system TEXT sets one");
    say("system text (/system \"\" removes it): " + talk_.system());
  }

  void follow(const Order& order, const std::string& message) {
    using Kind = Order::Kind;
    if (order.kind == Kind::kClear) talk_.clear();
    if (order.kind == Kind::kSystem) tell(order.rest);
    if (order.kind == Kind::kCompare) compare(order.rest);
    if (order.kind == Kind::kSave) {
      if (order.rest.empty()) throw Error("/save needs the file to write: /save talk.jsonl", 2);
      const size_t turns = talk_.save(order.rest);
      say("saved in " + order.rest + ": " + std::to_string(turns) + " " + plural(turns, "turn"));
    }
    if (order.kind == Kind::kAdapter) {
      if (!order.rest.empty()) talk_.use_adapter(order.rest);
      list_adapters();
    }
    if (order.kind == Kind::kTooMuch)
      throw Error("there is no " + std::string(trimmed(message)) + " here; " + order.rest +
                      " stands alone on its line",
                  2);
    if (order.kind == Kind::kUnknown)
      say("there is no " + std::string(trimmed(message)) + " here; /help lists what there is.");
    if (order.kind == Kind::kHelp) print_message(kOrders);
  }

  Model& model_;
  bool flags_raw_, typed_, asking_, beside_;
  Talk talk_;
  LineReader lines_;
};

void run(const ChatFlags& flags) {
  check_sampling(flags.sampling);
  Model model = Model::open(flags.model);
  Chatting(flags, model).run();
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
