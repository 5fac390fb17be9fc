#include "text/normalizer.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"
#include "text/charsmap.h"
#include "text/expression.h"
#include "text/unicode.h"

namespace falconer {
namespace {

// A step may make each character a few; steps that double a text over and over are hostile.
constexpr size_t kMostNormalizerSteps = 64, kLongestContent = 1024, kMostGrowth = 64,
                 kFreeGrowth = 1 << 16;

void check_growth(size_t before, size_t now) {
  if (now > kFreeGrowth + kMostGrowth * before)
    fail("its steps make {} bytes or more of a text of {}", now, before);
}

std::string strip_spaces(std::string text, bool left, bool right) {
  size_t begin = 0, end = 0;
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (!is_space(c.code)) {
      if (!any) begin = at;
      any = true;
      end = at + c.length;
    }
    at += c.length;
  }
  if (!any) return left || right ? "" : text;
  if (right) text.resize(end);
  if (left) text.erase(0, begin);
  return text;
}

std::string strip_marks(const std::string& text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.code < 0x80 || !is_mark(c.code)) result.append(text, at, c.length);
    at += c.length;
  }
  return result;
}

std::string replace_text(const std::string& text, const std::string& from, const std::string& to) {
  std::string result;
  size_t done = 0;
  for (size_t at = text.find(from); at != text.npos; at = text.find(from, done)) {
    result.append(text, done, at - done).append(to);
    done = at + from.size();
    check_growth(text.size(), result.size());
  }
  return result.append(text, done);
}

std::string replace_matches(const std::string& text, const Expression& from,
                            const std::string& to) {
  const Regex& regex = from.for_text(text);
  std::string result;
  size_t done = 0;
  while (done < text.size()) {
    const Regex::Span span = regex.find(text, done);
    if (span.begin == std::string_view::npos) break;
    if (span.end == span.begin)
      fail("a Replace has an expression that matches no character; expected one that matches some");
    result.append(text, done, span.begin - done).append(to);
    done = span.end;
    check_growth(text.size(), result.size());
  }
  return result.append(text, done);
}

std::string content_of(const nlohmann::json& json, const char* key) {
  std::string content = json.at(key).get<std::string>();
  if (content.size() > kLongestContent)
    fail("its \"{}\" has {} bytes; expected at most {}", key, content.size(), kLongestContent);
  return content;
}

}  // namespace

std::function<std::string(std::string)> make_replacement(const nlohmann::json& json) {
  const auto& pattern = json.at("pattern");
  std::string content = content_of(json, "content");
  if (!pattern.contains("Regex")) {
    std::string from = pattern.at("String").get<std::string>();
    if (from.empty()) fail("a Replace has an empty pattern");
    return [from = std::move(from), content = std::move(content)](const std::string& text) {
      return replace_text(text, from, content);
    };
  }
  auto from = std::make_shared<const Expression>(Expression::from_json(pattern));
  if (const auto span = from->for_text("").find("", 0); span.begin != std::string_view::npos)
    fail("a Replace has the expression \"{}\", which matches an empty text",
         pattern["Regex"].get<std::string>());
  return [from = std::move(from), content = std::move(content)](const std::string& text) {
    return replace_matches(text, *from, content);
  };
}

Normalizer Normalizer::from_json(const nlohmann::json& json) {
  Normalizer result;
  if (!json.is_null()) result.add(json);
  return result;
}

void Normalizer::add(const nlohmann::json& json) {
  const auto type = json.at("type").get<std::string>();
  if (steps_.size() >= kMostNormalizerSteps)
    fail("its normalizer has more than {} steps", kMostNormalizerSteps);
  static constexpr std::pair<const char*, NormalForm> kForms[] = {{"NFC", NormalForm::kNfc},
                                                                  {"NFD", NormalForm::kNfd},
                                                                  {"NFKC", NormalForm::kNfkc},
                                                                  {"NFKD", NormalForm::kNfkd}};
  for (const auto& [name, form] : kForms)
    if (type == name)
      return steps_.push_back(
          [form = form](const std::string& text) { return to_normal_form(text, form); });
  if (type == "Sequence") {
    for (const auto& step : json.at("normalizers")) add(step);
  } else if (type == "Lowercase") {
    steps_.emplace_back([](const std::string& text) { return to_lower_case(text); });
  } else if (type == "Strip") {
    const JsonFields fields(json, "its Strip");
    const bool left = fields.boolean("strip_left").value_or(true);
    const bool right = fields.boolean("strip_right").value_or(true);
    may_cut_beginning_ = may_cut_beginning_ || left;
    steps_.emplace_back(
        [=](std::string text) { return strip_spaces(std::move(text), left, right); });
  } else if (type == "StripAccents") {
    may_cut_beginning_ = true;
    steps_.emplace_back(strip_marks);
  } else if (type == "Replace") {
    if (!json.at("pattern").contains("String") || json.at("content") == "")
      may_cut_beginning_ = true;
    steps_.push_back(make_replacement(json));
  } else if (type == "Precompiled") {
    may_cut_beginning_ = true;
    auto map = std::make_shared<const CharsMap>(
        from_base64(json.at("precompiled_charsmap").get_ref<const std::string&>()));
    steps_.emplace_back(
        [map = std::move(map)](const std::string& text) { return map->apply(text); });
  } else if (type == "Prepend") {
    prepends_ = true;
    steps_.emplace_back([prefix = content_of(json, "prepend")](const std::string& text) {
      return text.empty() ? text : prefix + text;
    });
  } else {
    fail(
        "its normalizer is of type \"{}\"; supported are NFC, NFD, NFKC, NFKD, Lowercase, Strip, "
        "StripAccents, Replace, Prepend, Precompiled and Sequence",
        type);
  }
}

std::string Normalizer::apply(std::string text) const {
  const size_t before = text.size();
  for (const Step& step : steps_) {
    text = step(std::move(text));
    check_growth(before, text.size());
  }
  return text;
}

}  // namespace falconer
