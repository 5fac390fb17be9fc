#include "checkpoint/gguf_cuts.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/joined.h"
#include "base/log.h"

namespace falconer {
namespace {

using nlohmann::json;

#define FALCONER_SPLIT(pattern)                                                               \
  R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":")" pattern       \
  R"("},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,)" \
  R"("trim_offsets":true,"use_regex":false}]})"
constexpr const char* kThreeDigits = FALCONER_SPLIT(
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)");
constexpr GgufCut kPreTokenizers[] = {
    {"falcon", R"({"type":"Sequence","pretokenizers":[
        {"type":"Punctuation","behavior":"Contiguous"},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
        {"type":"Digits","individual_digits":false},
        {"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Isolated","invert":false}
      ]})"},
    {"gpt-2",
     R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})"},
    {"smollm", R"({"type":"Sequence","pretokenizers":[
        {"type":"Digits","individual_digits":true},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})"},
    {"llama-bpe", kThreeDigits, true},
    {"falcon-h1", kThreeDigits, true},
    {"dbrx", kThreeDigits},
    {"qwen2",
     FALCONER_SPLIT(
         R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)")},
};
#undef FALCONER_SPLIT

/// Without what does not change how text is cut.
json plain_steps(json steps) {
  if (!steps.is_object()) return steps;
  steps.erase("trim_offsets");
  if (steps.value("type", "") == "ByteLevel" && !steps.contains("use_regex"))
    steps["use_regex"] = true;
  if (steps.contains("pretokenizers") && steps["pretokenizers"].is_array())
    for (json& step : steps["pretokenizers"]) step = plain_steps(step);
  return steps;
}

std::string known_cuts() {
  std::vector<std::string> names;
  for (const GgufCut& known : kPreTokenizers) names.emplace_back(known.name);
  return joined(names, ", ");
}

}  // namespace

const char* gguf_cut_name(const json& file, const std::string& where, const char* otherwise) {
  const json steps = file.value("pre_tokenizer", json());
  const bool whole = file.at("model").value("ignore_merges", false);
  for (const GgufCut& known : kPreTokenizers)
    if (known.ignore_merges == whole &&
        plain_steps(steps) == plain_steps(json::parse(known.spelling)))
      return known.name;
  if (otherwise != nullptr) {
    log_warning(
        "{}: its tokenizer cuts text in a way that llama.cpp has no name for; the file says "
        "\"{}\", as those of llama.cpp's "
        "own converter do, and numbers and punctuation may become other tokens there",
        where, otherwise);
    return otherwise;
  }
  fail(
      "{}: its tokenizer cuts text in a way that llama.cpp has no name for; those that it calls {} "
      "can be exported",
      where, known_cuts());
}

const GgufCut& gguf_cut(const Gguf& gguf) {
  std::string_view name = gguf.text("tokenizer.ggml.pre", "default");
  // Files from before the key was there say nothing, and a Falcon's are Falcon's.
  if (name == "default" && gguf.text("general.architecture", "") == "falcon") name = "falcon";
  for (const GgufCut& known : kPreTokenizers)
    if (name == known.name || (name == "gpt2" && known.name == std::string_view("gpt-2")))
      return known;
  fail(
      "{}: its tokenizer cuts text in llama.cpp's way \"{}\"; those that it calls {} can be "
      "read. Use the model's Hugging Face folder",
      gguf.path().string(), printable(name), known_cuts());
}

}  // namespace falconer
