#include "cli/line_reader.h"

#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <iostream>

#include "base/streams.h"
#include "base/utf8.h"

namespace falconer::cli {
namespace {

constexpr int kHistoryLines = 500;
constexpr std::string_view kFence = "\"\"\"";

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

  History* lines;
  EditLine* edit;
  std::string prompt;
};

// Where el_init() can do nothing with the terminal, lines are read as they come.
LineReader::LineReader(bool asking) : asking_(asking) {
  if (!asking || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return;
  // It counts characters.
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1)
    std::setlocale(LC_CTYPE, "C.UTF-8");
  auto editor = std::make_unique<Editor>();
  if (editor->edit != nullptr) editor_ = std::move(editor);
}

LineReader::~LineReader() = default;

std::optional<std::string> LineReader::read_line(const std::string& prompt) {
  if (editor_ != nullptr) {
    editor_->prompt = prompt;
    int count = 0;
    const char* typed = el_gets(editor_->edit, &count);
    if (typed == nullptr || count <= 0) return {};
    std::string line = to_valid_utf8({typed, static_cast<size_t>(count)});
    if (line.back() == '\n') line.pop_back();
    HistEvent event;
    if (!line.empty()) history(editor_->lines, &event, H_ENTER, line.c_str());
    return line;
  }
  if (asking_) print_message(prompt);
  std::string line;
  if (!std::getline(std::cin, line)) return {};
  return to_valid_utf8(line);
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
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
