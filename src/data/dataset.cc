#include "data/dataset.h"

#include "base/error.h"
#include "base/nearest.h"

namespace falconer {

int64_t Row::targets() const {
  int64_t count = 0;
  for (size_t i = 1; i < labels.size(); ++i) count += labels[i] != kIgnoredLabel;
  return count;
}

Example Example::of(std::string instruction, std::string input, std::string output) {
  Example made{.conversation = Conversation::of(std::move(instruction), std::move(input))};
  made.conversation.messages.push_back(
      {.role = "assistant", .content = std::move(output), .input = {}, .more = {}});
  return made;
}

const char* name_of(TrainOn train_on) {
  return train_on == TrainOn::kAllTurns   ? "all-turns"
         : train_on == TrainOn::kLastTurn ? "last-turn"
                                          : "everything";
}

TrainOn parse_train_on(const std::string& name) {
  std::vector<std::string> known;
  for (const TrainOn one : {TrainOn::kAllTurns, TrainOn::kLastTurn, TrainOn::kEverything}) {
    if (name == name_of(one)) return one;
    known.emplace_back(name_of(one));
  }
  fail_choice("--train-on", name, known);
}

}  // namespace falconer
