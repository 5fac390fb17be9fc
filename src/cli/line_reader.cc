#include "cli/line_reader.h"

#include <histedit.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "base/interrupt.h"
#include "base/streams.h"
#include "base/utf8.h"

namespace falconer::cli {
namespace {

constexpr int kHistoryLines = 500;
constexpr std::string_view kFence = "\"\"\"";

// A signal handler can reach nothing else.
std::atomic<bool> reading = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler must not wait for a lock");

/// While a line is edited the terminal sends no signal for Ctrl-C: one that comes then is another program's, and ends
/// this one.
void on_interrupt(int number, siginfo_t* info, void*) {
  if (reading && info->si_code <= 0) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  } else {
    interrupt_as(128 + SIGINT);
  }
}

}  // namespace

struct LineReader::Editor {
  Editor() : lines(history_init()), edit(el_init("falconer", stdin, stderr, stderr)) {
    HistEvent event;
    history(lines, &event, H_SETSIZE, kHistoryLines);
    history(lines, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_CLIENTDATA, this);
    el_set(edit, EL_PROMPT, &Editor::show);
    el_set(edit, EL_HIST, history, lines);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_SIGNAL, 1);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_source(edit, nullptr);  // ~/.editrc
    if (edit != nullptr) take_ctrl_c();
  }
  ~Editor() {
    el_end(edit);
    history_end(lines);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  static char* show(EditLine* edit) {
    Editor* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return self->prompt.data();
  }

  /// libedit goes on with the line behind a signal's handler. So the keys that would send one are keys as any other while
  /// a line is edited.
  void take_ctrl_c() {
    struct termios terminal = {};
    if (::tcgetattr(STDIN_FILENO, &terminal) != 0) return;
    el_set(edit, EL_SETTY, "-d", "-isig", nullptr);
    bind(terminal.c_cc[VINTR], "falconer-cancel", &Editor::cancel);
    bind(terminal.c_cc[VSUSP], "falconer-suspend", &Editor::send<SIGTSTP>);
    bind(terminal.c_cc[VQUIT], "falconer-quit", &Editor::send<SIGQUIT>);
  }
  void bind(cc_t letter, const char* name, unsigned char (*does)(EditLine*, int)) {
    if (letter == _POSIX_VDISABLE) return;
    const char key[] = {static_cast<char>(letter), '\0'};
    el_set(edit, EL_ADDFN, name, "as the terminal has it", does);
    el_set(edit, EL_BIND, key, name, nullptr);
    el_set(edit, EL_BIND, "-a", key, name, nullptr);
  }
  template <int kSignal>
  static unsigned char send(EditLine*, int) {
    std::raise(kSignal);
    return CC_NORM;
  }
  static unsigned char cancel(EditLine* edit, int) {
    Editor* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    self->cancelled = true;
    el_push(edit, "\n");  // behind the line's last row, wherever the cursor is
    return CC_NORM;
  }

  History* lines;
  EditLine* edit;
  std::string prompt;
  bool cancelled = false;
};

// Where el_init() can do nothing with the terminal, lines are read as they come.
LineReader::LineReader(bool typed, bool asking, std::string hint)
    : typed_(typed), asking_(asking), hint_(std::move(hint)) {
  if (!typed) return;
  struct sigaction action = {};
  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigaction(SIGINT, &action, &before_);
  if (!asking || ::isatty(STDERR_FILENO) == 0) return;
  // It counts characters.
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1)
    std::setlocale(LC_CTYPE, "C.UTF-8");
  auto editor = std::make_unique<Editor>();
  if (editor->edit != nullptr) editor_ = std::move(editor);
}

LineReader::~LineReader() {
  if (typed_) ::sigaction(SIGINT, &before_, nullptr);
}

// A terminal gives whole lines, so that nothing of one is in a buffer already. Ctrl-C comes while this waits, or before,
// but not in between.
bool LineReader::wait_for_line() const {
  sigset_t ctrl_c, before;
  sigemptyset(&ctrl_c);
  sigaddset(&ctrl_c, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ctrl_c, &before);
  pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  bool here = false;
  while (!interrupted() && !here)
    here = ::ppoll(&input, 1, nullptr, &before) >= 0 || errno != EINTR;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return here;
}

std::optional<std::string> LineReader::read_line(const std::string& prompt) {
  if (editor_ != nullptr) {
    editor_->prompt = prompt;
    int count = 0;
    el_set(editor_->edit, EL_PREP_TERM, 1);  // keys are the editor's before the prompt is seen
    reading = true;
    const char* typed = el_gets(editor_->edit, &count);
    reading = false;
    cancelled_ = std::exchange(editor_->cancelled, false);
    if (cancelled_ || typed == nullptr || count <= 0) return {};
    std::string line = to_valid_utf8({typed, static_cast<size_t>(count)});
    if (line.back() == '\n') line.pop_back();
    HistEvent event;
    if (!line.empty()) history(editor_->lines, &event, H_ENTER, line.c_str());
    return line;
  }
  if (asking_) print_message(prompt);
  if (typed_) {
    reading = true;
    cancelled_ = !wait_for_line();
    reading = false;
    if (cancelled_) {
      print_message("\n");
      return {};
    }
  }
  std::string line;
  if (!std::getline(std::cin, line)) return {};
  return to_valid_utf8(line);
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  for (;;) {
    if (typed_) forget_interrupts();  // one that came too late for what it was to stop
    std::optional<std::string> message = read_message(prompt);
    if (!std::exchange(cancelled_, false)) return message;
    if (asking_) print_message(hint_ + "\n");
  }
}

std::optional<std::string> LineReader::read_message(const std::string& prompt) {
  std::optional<std::string> line = read_line(prompt);
  if (!line) return {};
  const std::string more(prompt.size() > 4 ? prompt.size() - 4 : 0, ' ');
  std::string message;
  if (line->starts_with(kFence)) {
    line->erase(0, kFence.size());
    for (;;) {
      if (const size_t end = line->find(kFence); end != line->npos)
        return message + line->substr(0, end);
      if (!message.empty() || !line->empty()) message += *line + "\n";
      line = read_line(more + "... ");
      if (!line) return message;
    }
  }
  while (line && line->ends_with('\\')) {
    line->pop_back();
    message += *line + "\n";
    line = read_line(more + "... ");
  }
  return line ? message + *line : message;
}

}  // namespace falconer::cli
