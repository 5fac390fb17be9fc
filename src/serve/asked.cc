#include "serve/asked.h"

#include "base/error.h"
#include "base/json_number.h"
#include "data/format/messages.h"
#include "serve/error.h"
#include "serve/fields.h"

namespace falconer::serve {
namespace {

constexpr WholeRange kTokens{1, int64_t{1} << 30};
constexpr RealRange kHeat{.least = 0, .most = 100};
constexpr RealRange kShare{.least = 0, .most = 1};
constexpr RealRange kPenalty{.least = -2, .most = 2};
constexpr RealRange kFactor{.least = 1e-3, .most = 1e3};
constexpr RealRange kBias{.least = -1e9, .most = 1e9};
constexpr int64_t kMostChances = 20;
constexpr size_t kMostStops = 16, kMostStopIds = 256;
constexpr int64_t kUsualTokens = 16;  // of /v1/completions, as OpenAI has it

template <class To, class Value>
void take(To& to, const std::optional<Value>& value) {
  if (value) to = *value;
}

void parse_bias(RequestFields& fields, SamplingOptions& sampling) {
  const Json* biases = fields.find("logit_bias");
  if (biases == nullptr) return;
  if (!biases->is_object()) fields.wrong_type("logit_bias", *biases, "an object {id: value}");
  for (const auto& [key, value] : biases->items()) {
    const auto id = whole_of_text(key);
    if (!id || !WholeRange{0, INT32_MAX}.holds(*id))
      fields.fail("logit_bias",
                  fmt::format("names the token \"{}\", expected an id", printable(key)));
    if (!value.is_number() || !kBias.holds(value.get<double>()))
      fields.wrong_type("logit_bias", value, "a number for each token");
    sampling.logit_bias[static_cast<int32_t>(*id)] = value.get<double>();
  }
}

void parse_sampling(RequestFields& fields, Asked& asked) {
  SamplingOptions& s = asked.options.sampling;
  take(s.temperature, fields.real("temperature", kHeat));
  take(s.top_p, fields.real("top_p", kShare));
  take(s.top_k, fields.whole("top_k", {-1, INT32_MAX}));
  if (s.top_k < 0) s.top_k = 0;  // as vLLM says that all are meant
  take(s.min_p, fields.real("min_p", kShare));
  take(s.typical_p, fields.real("typical_p", {.least = 1e-9, .most = 1}));
  take(s.repetition_penalty, fields.real("repetition_penalty", kFactor));
  take(s.presence_penalty, fields.real("presence_penalty", kPenalty));
  take(s.frequency_penalty, fields.real("frequency_penalty", kPenalty));
  take(s.no_repeat_ngram_size, fields.whole("no_repeat_ngram_size", {0, 1 << 20}));
  parse_bias(fields, s);
  if (const auto seed = fields.whole("seed", kAnyWhole)) asked.seed = static_cast<uint64_t>(*seed);
}

void parse_format(RequestFields& fields, AskedFormat& asked) {
  const Json* format = fields.find("response_format");
  if (format == nullptr) return;
  RequestFields own(*format, "response_format.");
  const std::string type = own.text("type").value_or("");
  if (type == "json_object") {
    asked.kind = AskedFormat::Kind::kJsonObject;
  } else if (type == "json_schema") {
    const Json* described = own.find("json_schema");
    if (described == nullptr) own.fail("json_schema", "is missing", "missing_required_parameter");
    RequestFields inner(*described, "response_format.json_schema.");
    inner.ignore("name");
    inner.ignore("description");
    inner.boolean("strict");  // it always is
    const Json* schema = inner.find("schema");
    if (schema == nullptr) inner.fail("schema", "is missing", "missing_required_parameter");
    inner.end();
    asked.kind = AskedFormat::Kind::kJsonSchema;
    asked.schema = *schema;
  } else if (type != "text") {
    own.fail("type",
             fmt::format("is \"{}\", expected text, json_object or json_schema", printable(type)));
  }
  own.end();
}

// What both endpoints have.
void parse_common(RequestFields& fields, Asked& asked, const AskedLimits& limits) {
  take(asked.model, fields.text("model"));
  parse_sampling(fields, asked);
  take(asked.n, fields.whole("n", {1, limits.n}));
  asked.options.stop = fields.texts("stop", kMostStops);
  for (const std::string& stop : asked.options.stop)
    if (stop.empty()) fields.fail("stop", "has an empty text");
  asked.options.stop_ids = fields.ids("stop_token_ids", kMostStopIds);
  take(asked.options.ignore_eos, fields.boolean("ignore_eos"));
  take(asked.adapter_scale, fields.real("adapter_scale", {.least = -100, .most = 100}));
  take(asked.stream, fields.boolean("stream"));
  if (const Json* options = fields.find("stream_options")) {
    if (!asked.stream) fields.fail("stream_options", "is there, and \"stream\" is not true");
    RequestFields own(*options, "stream_options.");
    take(asked.include_usage, own.boolean("include_usage"));
    own.unsupported("include_obfuscation", {false});
    own.unsupported("continuous_usage_stats", {false});
    own.end();
  }
  parse_format(fields, asked.format);
  fields.ignore("user");
  fields.ignore("metadata");
  fields.ignore("safety_identifier");
  fields.ignore("prompt_cache_key");
  fields.unsupported("store", {false});
  fields.unsupported("service_tier", {"auto", "default"});
}

// vLLM's, which clients of it may send with the value that changes nothing.
void parse_unsupported(RequestFields& fields) {
  fields.unsupported("use_beam_search", {false});
  fields.unsupported("length_penalty", {1});
  fields.unsupported("early_stopping", {false});
  fields.unsupported("min_tokens", {0});
  fields.unsupported("include_stop_str_in_output", {false});
  fields.unsupported("skip_special_tokens", {true});
  fields.unsupported("spaces_between_special_tokens", {true});
  fields.unsupported("truncate_prompt_tokens");
  fields.unsupported("prompt_logprobs", {0});
  fields.unsupported("guided_json");
  fields.unsupported("guided_regex");
  fields.unsupported("guided_choice");
  fields.unsupported("guided_grammar");
  fields.unsupported("structured_outputs");
  fields.unsupported("priority", {0});
  fields.unsupported("logits_processors");
  fields.unsupported("return_token_ids", {false});
}

void parse_chat_logprobs(RequestFields& fields, Asked& asked) {
  const bool wanted = fields.boolean("logprobs").value_or(false);
  const auto most = fields.whole("top_logprobs", {0, kMostChances});
  if (wanted) asked.chances = static_cast<int>(most.value_or(0));
  if (!wanted && most.value_or(0) > 0)
    fields.fail("top_logprobs", "is there, and \"logprobs\" is not true");
}

void parse_tools(RequestFields& fields, Asked& asked) {
  const Json* tools = fields.find("tools");
  const Json* choice = fields.find("tool_choice");
  if (choice != nullptr && *choice != "none" && *choice != "auto")
    fields.fail("tool_choice", fmt::format("is {}, expected none or auto", found_text(*choice)),
                "unsupported_parameter");
  if (tools != nullptr) {
    if (!tools->is_array()) fields.wrong_type("tools", *tools, "a list");
    if (!tools->empty() && (choice == nullptr || *choice != "none"))
      asked.conversation.tools = *tools;
  }
  fields.unsupported("parallel_tool_calls", {true});
  fields.unsupported("functions");
  fields.unsupported("function_call");
}

std::vector<AskedPrompt> parse_prompts(RequestFields& fields, size_t most) {
  const Json* prompt = fields.find("prompt");
  if (prompt == nullptr) fields.fail("prompt", "is missing", "missing_required_parameter");
  const bool list = prompt->is_array();
  if (!list || (!prompt->empty() && prompt->front().is_number())) {
    if (list) return {{.text = {}, .ids = fields.ids("prompt", SIZE_MAX), .is_ids = true}};
    return {{.text = fields.texts("prompt", 1).front(), .ids = {}}};
  }
  if (prompt->empty()) fields.fail("prompt", "is an empty list");
  if (prompt->size() > most)
    fields.fail("prompt",
                fmt::format("has {} prompts; at most {} are taken at once", prompt->size(), most));
  std::vector<AskedPrompt> all;
  for (const Json& one : *prompt) {
    if (one.is_array()) {
      const Json wrapped = {{"prompt", one}};
      all.push_back(
          {.text = {}, .ids = RequestFields(wrapped).ids("prompt", SIZE_MAX), .is_ids = true});
    } else if (one.is_string()) {
      all.push_back({.text = one.get<std::string>(), .ids = {}});
    } else {
      fields.wrong_type("prompt", one, "texts, or lists of token ids");
    }
  }
  return all;
}

}  // namespace

Conversation parse_chat_messages(const Json& body) {
  try {
    RowContext context;
    return parse_message_list(body, "messages", context);
  } catch (const Error& error) {
    throw RequestError(400, error.what(), "messages", "invalid_value");
  }
}

Asked parse_chat_request(std::string_view body, const SamplingOptions& defaults,
                         const AskedLimits& limits) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  Asked asked;
  asked.chat = true;
  asked.options.sampling = defaults;
  if (fields.find("messages") == nullptr)
    fields.fail("messages", "is missing", "missing_required_parameter");
  asked.conversation = parse_chat_messages(json);
  parse_common(fields, asked, limits);
  parse_chat_logprobs(fields, asked);
  parse_tools(fields, asked);
  asked.max_tokens = fields.whole("max_completion_tokens", kTokens);
  const auto older = fields.whole("max_tokens", kTokens);
  if (asked.max_tokens && older && *older != *asked.max_tokens)
    fields.fail("max_tokens", "is another number than \"max_completion_tokens\"; leave it out");
  if (!asked.max_tokens) asked.max_tokens = older;
  fields.unsupported("echo", {false});
  fields.unsupported("modalities", {Json::array({"text"})});
  fields.unsupported("audio");
  fields.unsupported("prediction");
  fields.unsupported("web_search_options");
  fields.unsupported("reasoning_effort", {"none"});
  fields.unsupported("verbosity", {"medium"});
  fields.unsupported("add_generation_prompt", {true});
  fields.unsupported("continue_final_message", {false});
  fields.unsupported("add_special_tokens", {false});
  fields.unsupported("chat_template");
  fields.unsupported("chat_template_kwargs", {Json::object()});
  fields.unsupported("documents");
  parse_unsupported(fields);
  fields.end();
  return asked;
}

Asked parse_completion_request(std::string_view body, const SamplingOptions& defaults,
                               const AskedLimits& limits) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  Asked asked;
  asked.options.sampling = defaults;
  asked.prompts = parse_prompts(fields, limits.prompts);
  parse_common(fields, asked, limits);
  take(asked.echo, fields.boolean("echo"));
  if (const auto most = fields.whole("logprobs", {0, kMostChances}))
    asked.chances = static_cast<int>(*most);
  asked.max_tokens =
      fields.whole("max_tokens", {asked.echo ? 0 : 1, kTokens.most}).value_or(kUsualTokens);
  if (const auto best = fields.whole("best_of", {1, limits.n}); best && *best != asked.n)
    fields.fail("best_of",
                "is another number than \"n\", which is not supported here; leave it out",
                "unsupported_parameter");
  fields.unsupported("suffix", {""});
  fields.unsupported("add_special_tokens", {true});
  parse_unsupported(fields);
  fields.end();
  return asked;
}

}  // namespace falconer::serve
