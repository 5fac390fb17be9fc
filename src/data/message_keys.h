// What messages hold beside their role and content, and whether anything comes of it: a prompt style decides.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "text/conversation.h"

namespace falconer {

/// The keys of a conversation's messages that say something, and those of them without which it would be rendered
/// just so.
struct ExtraKeys {
  std::set<std::string> all, without_effect;
};

/// What becomes of a conversation, as bytes to compare; nothing where it cannot be rendered.
using OnRender = std::function<std::optional<std::string>(const Conversation&)>;

/// Keys in `read` are not tried again. Renders nothing where there are no others.
ExtraKeys extra_keys(const Conversation& conversation, const std::set<std::string>& read,
                     const OnRender& render);

/// Those of many conversations. A key counts as read as soon as one of them depends on it.
class MessageKeys {
 public:
  void add(const ExtraKeys& keys);
  /// Not to be used while another thread adds.
  const std::set<std::string>& read() const { return read_; }
  /// Adds those that nothing read, as "messages.name", and in how many conversations they are.
  void count_unread(const std::string& list, std::map<std::string, int64_t>& unread) const;

 private:
  std::set<std::string> read_;
  std::map<std::string, int64_t> seen_;
};

}  // namespace falconer
