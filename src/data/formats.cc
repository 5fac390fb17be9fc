#include "data/formats.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace falconer {
namespace {

std::string text_field(const nlohmann::json& object, const char* key) {
  if (!object.contains(key)) fail("has no \"{}\"", key);
  const auto& value = object[key];
  if (!value.is_string()) fail("\"{}\" is not a string", key);
  return value.get<std::string>();
}

std::vector<int32_t> id_field(const nlohmann::json& object, const char* key, int64_t vocab,
                              bool labels) {
  const auto& value = object[key];
  if (!value.is_array()) fail("\"{}\" is not a list of token ids", key);
  std::vector<int32_t> ids;
  ids.reserve(value.size());
  for (const auto& element : value) {
    if (!element.is_number_integer())
      fail("\"{}\" holds {}, which is no token id", key, element.dump());
    const int64_t id = element.get<int64_t>();
    const bool ignored = labels && id == kIgnoredLabel;
    if (!ignored && (id < 0 || id >= vocab))
      fail("\"{}\" holds {}, expected {}0 to {}", key, id, labels ? "-100 (ignored) or " : "",
           vocab - 1);
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

ParsedRow parse_token_ids(const nlohmann::json& object, int64_t vocab) {
  Row row;
  row.ids = id_field(object, "input_ids", vocab, false);
  if (row.ids.empty()) fail("\"input_ids\" is empty");
  const bool labelled = object.contains("labels") && !object["labels"].is_null();
  row.labels = labelled ? id_field(object, "labels", vocab, true) : row.ids;
  if (row.labels.size() != row.ids.size())
    fail("has {} labels for {} ids; expected as many of one as of the other", row.labels.size(),
         row.ids.size());
  return row;
}

ParsedRow parse_alpaca(const nlohmann::json& object, int64_t) {
  Example example{.instruction = text_field(object, "instruction"),
                  .output = text_field(object, "output")};
  if (object.contains("input") && !object["input"].is_null())
    example.input = text_field(object, "input");
  return example;
}

ParsedRow parse_prompt_completion(const nlohmann::json& object, int64_t) {
  return Example{.instruction = text_field(object, "prompt"),
                 .output = text_field(object, "completion"),
                 .rendered = true};
}

ParsedRow parse_text(const nlohmann::json& object, int64_t) {
  return Example{.output = text_field(object, "text"), .rendered = true};
}

struct Format {
  const char* key;  // that tells the format
  ParsedRow (*parse)(const nlohmann::json& object, int64_t vocab);
};

constexpr Format kFormats[] = {
    {"input_ids", parse_token_ids},
    {"instruction", parse_alpaca},
    {"prompt", parse_prompt_completion},
    {"text", parse_text},
};

}  // namespace

ParsedRow parse_row(const nlohmann::json& object, int64_t vocab) {
  for (const Format& format : kFormats)
    if (object.contains(format.key)) return format.parse(object, vocab);
  fail("has none of \"input_ids\", \"instruction\", \"prompt\" and \"text\"");
}

}  // namespace falconer
