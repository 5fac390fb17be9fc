#include "data/message_keys.h"

#include "base/json_number.h"

namespace falconer {
namespace {

constexpr size_t kMostKeys = 1000;

Conversation without(Conversation conversation, const std::set<std::string>& keys) {
  for (Message& message : conversation.messages)
    for (const std::string& key : keys)
      if (message.more.is_object()) message.more.erase(key);
  return conversation;
}

}  // namespace

ExtraKeys extra_keys(const Conversation& conversation, const std::set<std::string>& read,
                     const OnRender& render) {
  ExtraKeys keys;
  std::set<std::string> untried;
  for (const Message& message : conversation.messages) {
    if (!message.more.is_object()) continue;
    for (const auto& [key, value] : message.more.items()) {
      if (key == "content" || says_nothing(value)) continue;  // null, where there is none
      keys.all.insert(key);
      if (!read.contains(key)) untried.insert(key);
    }
  }
  if (untried.empty()) return keys;
  const auto whole = render(conversation);
  if (!whole) return keys;
  if (render(without(conversation, untried)) == whole) {  // the usual case, in one go
    keys.without_effect = std::move(untried);
    return keys;
  }
  for (const std::string& key : untried)
    if (render(without(conversation, {key})) == whole) keys.without_effect.insert(key);
  return keys;
}

void MessageKeys::add(const ExtraKeys& keys) {
  for (const std::string& key : keys.all) {
    if (!keys.without_effect.contains(key)) read_.insert(key);
    if (seen_.size() < kMostKeys || seen_.contains(key)) ++seen_[key];
  }
}

void MessageKeys::count_unread(const std::string& list,
                               std::map<std::string, int64_t>& unread) const {
  for (const auto& [key, count] : seen_)
    if (!read_.contains(key)) unread[list + "." + key] += count;
}

}  // namespace falconer
