#include "base/json_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_text.h"

namespace falconer {
namespace {

/// Reads a text and keeps nothing but what is wrong with it.
class Complaint : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    what = json_reason(error);
    return false;
  }
  std::string what;
};

}  // namespace

std::string json_reason(const std::exception& error) {
  std::string_view what = error.what();
  if (const size_t end = what.find("] "); what.starts_with("[json.") && end != what.npos)
    what.remove_prefix(end + 2);
  return printable(what);
}

std::string json_complaint(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == text.npos) return "it is empty";
  if (const std::string excess = json_excess(text, false); !excess.empty()) return "it " + excess;
  Complaint complaint;
  return nlohmann::json::sax_parse(text, &complaint) ? "" : complaint.what;
}

std::string without_bare_numbers(std::string_view text) {
  std::string made;
  bool quoted = false;
  for (size_t at = 0; at < text.size();) {
    size_t count = 1;
    if (quoted && text[at] == '\\') count = std::min<size_t>(2, text.size() - at);
    if (text[at] == '"') quoted = !quoted;
    if (!quoted)
      for (const std::string_view bare : {"-Infinity", "Infinity", "NaN"})
        if (count == 1 && text.substr(at).starts_with(bare)) count = bare.size();
    const std::string_view one = text.substr(at, count);
    made += !quoted && count > 2 ? fmt::format(R"({{"__float__": "{}"}})", one) : std::string(one);
    at += count;
  }
  return made;
}

nlohmann::json parse_json_object(std::string_view text, const std::string& where,
                                 const char* next) {
  nlohmann::json json = parse_json(text);
  if (json.is_discarded())
    fail("{}: is not a JSON object: {}; {}", where, json_complaint(text), next);
  if (!json.is_object())
    fail("{}: is not a JSON object: it is {}; {}", where, found_text(json), next);
  return json;
}

nlohmann::json read_json_object(const std::filesystem::path& path, size_t limit, const char* next) {
  return parse_json_object(read_text_file(path, limit), path.string(), next);
}

nlohmann::json read_config_object(const std::filesystem::path& path) {
  return parse_json_object(without_bare_numbers(read_text_file(path, 1 << 24)), path.string());
}

}  // namespace falconer
