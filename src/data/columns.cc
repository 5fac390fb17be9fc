#include "data/columns.h"

#include <algorithm>

#include "base/error.h"
#include "base/joined.h"
#include "base/small_letters.h"
#include "data/formats.h"
#include "data/row_delivery.h"

namespace falconer {
namespace {

struct Guess {
  const char* ours;
  std::vector<const char*> theirs;  // in lower case; the first that is there
};

/// The column by the first of these names, whatever its case; empty where there is none.
std::string find_column(const RowObject& row, const std::vector<const char*>& names) {
  for (const char* name : names)
    for (const auto& [key, value] : row.items())
      if (small_letters(key) == name) return key;
  return {};
}

/// The column with the messages, by its usual names; by others where it holds nothing else.
std::string find_turns(const RowObject& row) {
  std::string name =
      find_column(row, {"messages", "conversations", "conversation", "dialog", "dialogue"});
  if (!name.empty()) return name;
  name = find_column(row, {"chat", "turns", "chat_history", "dialogs", "dialogues"});
  return !name.empty() && is_list_of_messages(row[name]) ? name : "";
}

}  // namespace

Columns Columns::parse(const std::string& text) {
  Columns columns;
  const std::vector<std::string> known = data_format_fields();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string pair = text.substr(begin, end - begin);
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size())
      fail_usage(
          "--columns holds \"{}\", expected pairs such as instruction=question,output=answer",
          printable(pair));
    const std::string ours = pair.substr(0, equals);
    if (std::find(known.begin(), known.end(), ours) == known.end())
      fail_usage("--columns has \"{}\" before '=', where a format's name stands: {}",
                 printable(ours), joined(known, ", "));
    for (const auto& [before, theirs] : columns.pairs_)
      if (before == ours) fail_usage("--columns names \"{}\" twice", printable(ours));
    columns.pairs_.emplace_back(ours, pair.substr(equals + 1));
    begin = end + 1;
  }
  return columns;
}

Columns Columns::guess(const RowObject& row) {
  // What is there under its own name needs no guess, and a row of token ids, of turns or of a text has
  // nothing to be taken from elsewhere.
  for (const char* whole : {"input_ids", "messages", "conversations", "text"})
    if (row.contains(whole)) return {};
  if (row.contains("prompt") && row.contains("completion")) return {};
  Columns columns;
  columns.guessed_ = true;
  const auto take = [&](const Guess& guess) {
    if (row.contains(guess.ours)) return true;
    const std::string theirs = find_column(row, guess.theirs);
    if (theirs.empty()) return false;
    columns.pairs_.emplace_back(guess.ours, theirs);
    return true;
  };
  if (const std::string turns = find_turns(row); !turns.empty()) {
    const bool from = small_letters(turns) == "conversations" ||
                      (is_list_of_messages(row[turns]) && is_list_of_turns(row[turns]));
    columns.pairs_.emplace_back(from ? "conversations" : "messages", turns);
    return columns;
  }
  const bool question =
      take({"instruction", {"instruction", "question", "query", "prompt", "user_prompt"}});
  const bool answer =
      take({"output", {"output", "response", "answer", "completion", "target", "chosen_response"}});
  if (!question || !answer) return {};
  take({"input", {"input", "context"}});
  take({"system", {"system", "system_prompt"}});
  return columns;
}

RowObject Columns::renamed(const RowObject& row) const {
  RowObject made = row;
  for (const auto& [ours, theirs] : pairs_) made.erase(theirs);
  for (const auto& [ours, theirs] : pairs_) {
    if (const auto found = row.find(theirs); found != row.end())
      made[ours] = *found;
    else if (!guessed_)
      fail("has no \"{}\", which --columns names", printable(theirs));
  }
  return made;
}

std::vector<std::string> Columns::hidden_in(const RowObject& row) const {
  std::vector<std::string> hidden;
  const auto is_read = [&](const std::string& key) {
    return std::any_of(pairs_.begin(), pairs_.end(),
                       [&](const auto& pair) { return pair.second == key; });
  };
  for (const auto& [ours, theirs] : pairs_)
    if (row.contains(ours) && row.contains(theirs) && !is_read(ours)) hidden.push_back(ours);
  return hidden;
}

std::string Columns::missing_in(const RowObject& row) const {
  for (const auto& [ours, theirs] : pairs_)
    if (!row.contains(theirs)) return theirs;
  return {};
}

std::string Columns::text() const {
  std::string text;
  for (const auto& [ours, theirs] : pairs_)
    text += (text.empty() ? "" : ", ") + printable(ours) + "=" + printable(theirs);
  return text;
}

}  // namespace falconer
