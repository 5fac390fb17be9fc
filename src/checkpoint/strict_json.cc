#include "checkpoint/strict_json.h"

#include <set>

#include "base/error.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr size_t kDeepest = 8;  // three levels are needed

/// The parser's callback. Depth counts the containers that are open.
class Guard {
 public:
  bool operator()(int depth, json::parse_event_t event, json& value) {
    const auto level = static_cast<size_t>(depth);
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && level >= kDeepest) fail("nested more than {} deep", kDeepest);
    if (opens) keys_[level].clear();
    if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_[level - 1].insert(key).second)
        fail("broken: the key \"{}\" is there twice", printable(key));
    }
    return true;
  }

 private:
  std::set<std::string> keys_[kDeepest];  // of the object that is open at each level
};

}  // namespace

json parse_strict_json(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) fail("not JSON: it holds a zero byte");
  try {
    return json::parse(text, Guard());
  } catch (const json::exception&) {
    fail("not JSON");
  }
}

}  // namespace falconer
