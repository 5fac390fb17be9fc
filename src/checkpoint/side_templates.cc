// The chat template among the files of a tokenizer.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_file.h"
#include "base/json_text.h"
#include "checkpoint/gguf_tokenizer.h"

namespace falconer {
namespace {

using nlohmann::json;

bool puts_first(const json& processor, const std::string& token) {
  if (!processor.is_object()) return false;
  const json steps = processor.value("processors", json::array());
  if (std::any_of(steps.begin(), steps.end(), [&](const json& s) { return puts_first(s, token); }))
    return true;
  const json single = processor.value("single", json::array());
  return !single.empty() && single[0].contains("SpecialToken") &&
         single[0]["SpecialToken"].value("id", "") == token;
}

/// Whether the tokenizer puts bos before a text: other programs ask it not to, where a template has written it.
bool begins_with_bos(const SideFiles& files) {
  const auto object = [&](const char* name) {
    return files.contains(name) ? parse_json_object(files.at(name), name) : json::object();
  };
  try {
    const json config = object("tokenizer_config.json");
    json bos = config.value("bos_token", json());
    if (bos.is_object()) bos = bos.value("content", json());
    if (!bos.is_string()) return false;
    if (!files.contains("tokenizer.json")) return config.value("add_bos_token", json()) == true;
    return puts_first(object("tokenizer.json").value("post_processor", json()), bos);
  } catch (const json::exception&) {
    return false;  // nothing that a tokenizer could be read from either
  }
}

}  // namespace

SideFiles with_chat_template(SideFiles files, std::string source) {
  if (source.empty()) return files;
  if (source.starts_with(kPlaceOfBegin))
    source.replace(0, std::string_view(kPlaceOfBegin).size(),
                   begins_with_bos(files) ? "{{ bos_token }}" : "");
  files["chat_template.jinja"] = source;
  if (const auto found = files.find("tokenizer_config.json"); found != files.end()) {
    // transformers before 4.43 reads no other file; a list of templates of other names goes.
    nlohmann::ordered_json config = parse_ordered_json(found->second);
    if (!config.is_object()) return files;
    config["chat_template"] = source;
    found->second = config.dump(2) + "\n";
  }
  return files;
}

}  // namespace falconer
