// A conversation with a model and its adapters.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/output.h"
#include "falconer/use.h"

namespace falconer::cli {

class Talk {
 public:
  /// `raw`: each message is a prompt of its own, as where there is no prompt style. Error (usage): settings that a
  /// conversation cannot have. Of `system`, as --system gives it, U+FFFD stands for what is no UTF-8; all other text must
  /// be valid.
  Talk(Model& model, SamplingSettings sampling, const std::string& system, bool raw);

  bool alone() const { return alone_; }
  void clear();
  /// What the model is told before the first turn, or "". Setting it forgets what was said.
  const std::string& system() const { return system_; }
  void set_system(const std::string& system);
  /// The whole conversation as rows have it, {"messages": [...]}, also what the model no longer is given. A file that this
  /// wrote before is replaced. Error: nothing was said; the file cannot be written, or is there and somebody else's. The
  /// number of turns.
  size_t save(const std::string& file);

  using OnText = std::function<void(std::string_view)>;
  /// Answers a message, which stays in the conversation with what was answered; also where Ctrl-C stopped it, which is
  /// told by `stopped`. Error: the message is longer than the model's context; it is forgotten.
  struct Answered {
    bool stopped = false, forgot = false;  // the oldest turns, which no longer fit
    bool cut = false;                      // at the end of the context
  };
  Answered answer(const std::string& message, const OnText& on_text);
  /// An answer to `message`, or to the last one where it is empty, by each adapter and by the base; nothing of it stays.
  /// `begin` is told who comes. Error (usage): nothing was said yet.
  void compare(const std::string& message, const std::function<void(const std::string&)>& begin,
               const OnText& on_text);
  /// Goes on with the adapter of that name; "base": without one. NAME=PATH loads it first. Errors: a name with blanks, or
  /// that is taken; what Model says.
  void use_adapter(const std::string& what);

 private:
  std::vector<int32_t> fitting_ids(Chat& chat, bool& forgot) const;
  std::vector<Completion> generate(const std::vector<int32_t>& ids, const OnText& on_text);

  Model& model_;
  SamplingSettings sampling_;
  std::string system_;
  bool raw_, alone_ = false;
  Chat chat_;
  size_t first_ = 0;               // message behind the system's
  std::vector<ChatMessage> said_;  // since the conversation began, without the system's
  /// Files that save() wrote, as it left them.
  struct Saved {
    std::uintmax_t size = 0;
    std::filesystem::file_time_type changed = {};
    bool operator==(const Saved&) const = default;
  };
  static Saved saved_as(const std::filesystem::path& file);
  void check_save(const std::string& file, const OutputPlace& place) const;
  std::map<std::filesystem::path, Saved> saved_;
  uint32_t turn_ = 0;
};

}  // namespace falconer::cli
