#include "cli/talk.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/path.h"
#include "base/trim.h"
#include "base/utf8.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

constexpr const char* kBase = "base";  // the name of none

ChatMessage message_of(const char* role, std::string content) {
  return {.role = role, .content = std::move(content), .input = "", .more = ""};
}

}  // namespace

Talk::Saved Talk::saved_as(const std::filesystem::path& file) {
  std::error_code none;
  return {std::filesystem::file_size(file, none), std::filesystem::last_write_time(file, none)};
}

Talk::Talk(Model& model, SamplingSettings sampling, const std::string& system, bool raw)
    : model_(model), sampling_(std::move(sampling)), system_(to_valid_utf8(system)), raw_(raw) {
  if (sampling_.num_return_sequences != 1)
    throw Error("chat gives one answer to each message; leave --num-return-sequences out", 2);
  clear();
}

void Talk::clear() {
  alone_ = raw_ || model_.prompt_style().empty();
  chat_.messages.clear();
  said_.clear();
  if (!system_.empty()) chat_.messages.push_back(message_of("system", system_));
  first_ = chat_.messages.size();
}

void Talk::set_system(const std::string& system) {
  system_ = system;
  clear();
}

// As OutputRule, in a chat's words: nothing here has flags.
void Talk::check_save(const std::string& file, const OutputPlace& place) const {
  namespace fs = std::filesystem;
  std::error_code none;
  const fs::path folder = folder_of(place.path);
  if (place.through) return;
  if (fs::is_directory(place.path, none)) throw Error(file + ": is a folder; /save a file in it");
  if (!fs::is_directory(folder, none))
    throw Error(file + ": the folder " + folder.string() +
                " is not there; make it, or /save another name");
  if (!fs::exists(place.path, none)) return;
  const auto own = saved_.find(fs::weakly_canonical(place.path, none));
  if (own == saved_.end())
    throw Error(file + ": is there already, and this chat did not write it; /save another name");
  if (own->second != saved_as(place.path))
    throw Error(file + ": was changed since this chat saved it; /save another name");
}

size_t Talk::save(const std::string& file) {
  namespace fs = std::filesystem;
  if (said_.empty()) throw Error("nothing was said yet, so there is nothing to save", 2);
  const OutputPlace place = falconer::place_of(file);
  check_save(file, place);
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  const auto add = [&](const char* role, const std::string& content) {
    messages.push_back({{"role", role}, {"content", content}});
  };
  if (!system_.empty()) add("system", system_);
  for (const ChatMessage& message : said_) add(message.role.c_str(), message.content);
  write_marked(file, [&](const fs::path& path) {
    write_file(path, nlohmann::ordered_json({{"messages", messages}}).dump() + "\n");
  });
  std::error_code none;
  if (!place.through) saved_[fs::weakly_canonical(place.path, none)] = saved_as(place.path);
  return said_.size() / 2;
}

// The oldest turns are forgotten where they leave no room for an answer.
std::vector<int32_t> Talk::fitting_ids(Chat& chat, bool& forgot) const {
  std::vector<int32_t> ids = model_.encode_chat(chat);
  const int64_t room = model_.context() - std::min(sampling_.max_new_tokens, model_.context() / 2);
  while (std::ssize(ids) > room && chat.messages.size() > first_ + 2) {
    const auto oldest = chat.messages.begin() + static_cast<std::ptrdiff_t>(first_);
    chat.messages.erase(oldest, oldest + 2);
    ids = model_.encode_chat(chat);
    forgot = true;
  }
  return ids;
}

std::vector<Completion> Talk::generate(const std::vector<int32_t>& ids, const OnText& on_text) {
  SamplingSettings sampling = sampling_;
  sampling.first_prompt = turn_++;  // or each would draw the numbers of the first
  return model_.generate({ids}, sampling, [&](size_t, std::string_view text) { on_text(text); });
}

Talk::Answered Talk::answer(const std::string& message, const OnText& on_text) {
  Answered answered;
  Chat chat = chat_;
  chat.messages.push_back(message_of("user", message));
  const std::vector<int32_t> ids =
      alone_ ? model_.encode_prompt(message, "", true) : fitting_ids(chat, answered.forgot);
  const Completion completion = generate(ids, on_text).front();
  answered.stopped = completion.finish_reason == "cancelled";
  answered.cut = completion.finish_reason == "length" &&
                 std::ssize(ids) + std::ssize(completion.ids) >= model_.context();
  chat.messages.push_back(message_of("assistant", std::string(trimmed(completion.text))));
  said_.insert(said_.end(), chat.messages.end() - 2, chat.messages.end());
  chat_ = std::move(chat);
  return answered;
}

void Talk::compare(const std::string& message, const std::function<void(const std::string&)>& begin,
                   const OnText& on_text) {
  Chat chat = chat_;
  if (!message.empty())
    chat.messages.push_back(message_of("user", message));
  else if (chat.messages.size() > first_)
    chat.messages.pop_back();  // the answer to the last one
  else
    throw Error("nothing was said yet that could be answered again; give a message: /compare TEXT",
                2);
  const std::string before = model_.adapter();
  const uint32_t turn = turn_;
  std::vector<std::string> all = model_.adapters();
  all.insert(all.begin(), "");
  for (const std::string& name : all) {
    if (interrupted()) break;
    model_.set_adapter(name);
    turn_ = turn;  // all draw the same numbers
    begin(name);
    bool forgot = false;
    Chat own = chat;
    const bool alone = raw_ || model_.prompt_style().empty();
    generate(alone ? model_.encode_prompt(chat.messages.back().content, "", true)
                   : fitting_ids(own, forgot),
             on_text);
  }
  model_.set_adapter(before);
}

void Talk::use_adapter(const std::string& what) {
  const size_t equals = what.find('=');
  const std::string name = what.substr(0, equals);
  if (equals != what.npos) {
    const std::string path(trimmed(what.substr(equals + 1)));
    if (name.empty() || path.empty() || name.find_first_of(" \t\n") != name.npos)
      throw Error("/adapter " + what + ": expected /adapter NAME=PATH, with a NAME without blanks",
                  2);
    if (name == kBase)
      throw Error(
          "/adapter " + what + ": base is the model without an adapter; choose another name", 2);
    const std::vector<std::string> loaded = model_.adapters();
    if (std::find(loaded.begin(), loaded.end(), name) != loaded.end())
      throw Error("/adapter " + what + ": " + name + " is loaded already; /adapter " + name +
                      " goes on with it, and another name loads another",
                  2);
    model_.load_adapter(name, path);
  }
  model_.set_adapter(name == kBase ? "" : name);
  alone_ = raw_ || model_.prompt_style().empty();
}

}  // namespace falconer::cli
