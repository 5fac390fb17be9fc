#include "cli/manual.h"

#include <algorithm>
#include <type_traits>

#include "base/joined.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

// As man's macros read it: every dash is one to copy, and no line is a macro.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n'))
      out += std::string("\\&") + c;
    else
      out += c;
  }
  return out;
}

std::string bold_in_roff(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }

std::string heading(const char* macro, const std::string& text) {
  return fmt::format(".{} \"{}\"\n", macro, roff(text));
}

template <class Value>
std::string value_text(const Value& value) {
  return fmt::format("{}", value);
}
template <class Value>
std::string value_text(const std::optional<Value>& value) {
  return value ? value_text(*value) : "";
}
template <class Value>
std::string value_text(const std::vector<Value>& values) {
  return joined(values, ",");
}

std::string default_in_words(const Flag& flag) {
  if (!flag.traits.shows_default) return "";
  if (!flag.traits.default_text.empty()) return flag.traits.default_text;
  return std::visit(
      [](auto value) {
        if constexpr (std::is_same_v<decltype(value), std::monostate>)
          return std::string();
        else
          return value_text(*value);
      },
      flag.value);
}

std::string value_of(const Flag& flag) {
  if (!flag.may_take_value()) return "";
  std::string name = flag.traits.value_name;
  if (name.empty() && flag.traits.kind != ValueKind::kText) name = name_of(flag.traits.kind);
  if (name.empty()) name = flag.traits.expected.empty() ? "text" : "number";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  name = "\\fI" + roff(name) + "\\fR";
  return flag.traits.optional_value ? " [" + name + "]" : " " + name;
}

std::string entry_of(const Flag& flag) {
  std::vector<std::string> names;
  for (const std::string& name : flag.short_names) names.push_back(bold_in_roff("-" + name));
  for (const std::string& name : flag.long_names) names.push_back(bold_in_roff("--" + name));
  std::string what = joined(names, ", ");
  if (!flag.positional.empty())
    what = "\\fI" + roff(flag.positional) + "\\fR" + (names.empty() ? "" : ", " + what);
  if (!names.empty()) what += value_of(flag);
  std::string text = roff(flag.help);
  const auto& choices = flag.traits.choices.empty() ? flag.traits.offers : flag.traits.choices;
  if (!choices.empty() && flag.help.find(choices.back()) == std::string::npos)
    text += roff(fmt::format("; one of {}", joined(choices, ", ")));
  const std::string usual = default_in_words(flag);
  if (!usual.empty()) text += roff(" (default: " + usual + ")");
  if (flag.traits.required) text += "; required";
  return ".TP\n" + what + "\n" + text + "\n";
}

std::string flags_of(const Command& command) {
  std::string text, group;
  for (const Flag& flag : command.flags()) {
    if (flag.group != group) text += ".PP\n" + bold_in_roff(flag.group) + "\n";
    group = flag.group;
    text += entry_of(flag);
  }
  return text;
}

std::string synopsis(const Command& program) {
  std::string text;
  for (const auto& command : program.commands()) {
    std::string words;
    for (const Flag& flag : command->flags()) {
      if (flag.positional.empty()) continue;
      std::string word = "\\fI" + roff(flag.positional) + "\\fR";
      if (flag.is_list()) word += "...";
      words += flag.traits.required ? " " + word : " [" + word + "]";
    }
    text += ".br\n" + bold_in_roff("falconer " + command->name()) + words + " [\\fIflags\\fR]\n";
  }
  return text;
}

constexpr const char* kAtTheEnd = R"(.SH "EXIT STATUS"
.TP
0
success
.TP
1
a failure, which a message on standard error explains
.TP
2
a wrong command line
.TP
129, 130, 143
ended by SIGHUP, SIGINT or SIGTERM, after what could be saved was
.SH ENVIRONMENT
.TP
\fBFALCONER_DEVICE\fR
where to compute, as \fB\-\-device\fR says
.TP
\fBOMP_NUM_THREADS\fR
threads to compute with, as \fB\-\-threads\fR says
.TP
\fBONEDNN_MAX_CPU_ISA\fR
the best instruction set that products may use, as AVX2
.TP
\fBHF_HOME\fR, \fBHF_HUB_CACHE\fR, \fBHF_TOKEN\fR, \fBHF_ENDPOINT\fR, \fBHF_HUB_OFFLINE\fR
of downloads, as for the Hugging Face hub's own program
.TP
\fBNO_COLOR\fR, \fBCLICOLOR_FORCE\fR, \fBNO_PROGRESS\fR
what is written to a terminal
.SH FILES
\fIconfig.json\fR, \fI*.safetensors\fR and \fItokenizer.json\fR of a Hugging Face folder are read as they are;
a run's folder has \fIfinal/\fR, \fImetrics.jsonl\fR and \fIrecipe.toml\fR, which runs it again.
)";

}  // namespace

std::string manual(const Command& program) {
  const std::string help = program.help();
  std::string text = fmt::format(
      ".TH FALCONER 1 \"\" \"falconer {}\" \"User Commands\"\n.SH NAME\n"
      "falconer \\- finetune Falcon language models on your own data\n.SH SYNOPSIS\n"
      "\\fBfalconer\\fR [\\fIflags\\fR] \\fIcommand\\fR ...\n{}.SH DESCRIPTION\n{}",
      version(), synopsis(program), roff(help.ends_with('\n') ? help : help + "\n"));
  text += ".SH COMMANDS\n";
  for (const auto& command : program.commands())
    text += ".TP\n" + bold_in_roff(command->name()) + "\n" + roff(command->help()) + "\n";
  text += heading("SH", "FLAGS OF EVERY COMMAND") + flags_of(program);
  text += ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint a command's flags and exit\n";
  for (const auto& command : program.commands()) {
    std::string title = command->name();
    std::transform(title.begin(), title.end(), title.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    text += heading("SH", title) + roff(command->help()) + "\n" + flags_of(*command);
  }
  return text + kAtTheEnd;
}

}  // namespace falconer::cli
