// The endpoints beside answers: what is served, how it reads text, adapters that come and go, health, metrics, the page.
#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "base/nearest.h"
#include "base/plural.h"
#include "base/system.h"
#include "serve/fields.h"
#include "serve/page.h"
#include "serve/service.h"

namespace falconer::serve {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestName = 128;

// "%2F" is '/'.
std::string unquoted(const std::string& path) {
  std::string made;
  for (size_t i = 0; i < path.size(); ++i) {
    unsigned code = 0;
    if (path[i] == '%' && i + 2 < path.size() &&
        std::sscanf(path.substr(i + 1, 2).c_str(), "%2x", &code) == 1) {
      made += static_cast<char>(code);
      i += 2;
    } else {
      made += path[i];
    }
  }
  return made;
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/' ||
                  c == ':' || c == '@';
         });
}

HttpResponse json_response(const Json& json) { return {.body = json_text(json) + "\n"}; }

// A template that takes the messages without their tools has refused these.
const char* refused_field(const ModelTexts& texts, Conversation conversation) {
  if (conversation.tools.empty()) return "messages";
  conversation.tools = {};
  try {
    texts.encode_chat(std::move(conversation), false);
    return "tools";
  } catch (const Error&) {
    return "messages";
  }
}

// A text's ids, with what the tokenizer puts around texts where `around`.
std::vector<int32_t> ids_of(const Tokenizer& tokenizer, const std::string& text, bool around) {
  if (around) return tokenizer.encode(text);
  std::vector<int32_t> ids;
  tokenizer.append_marked(MarkedText(text, false), true, ids);
  return ids;
}

}  // namespace

void Service::page(const Call& call) {
  call->fields.insert(call->fields.end(), {{"Content-Security-Policy", page_policy()},
                                           {"X-Content-Type-Options", "nosniff"},
                                           {"Referrer-Policy", "no-referrer"},
                                           {"Cache-Control", "no-cache"}});
  finish(call, {.type = "text/html; charset=utf-8", .body = std::string(page_html())});
}

void Service::health(const Call& call) {
  if (stopping_) throw busy(503, "the server is about to stop", "shutting_down");
  finish(call, json_response({{"status", "ok"}}));
}

void Service::metrics_text(const Call& call) {
  finish(call, {.type = kMetricsType,
                .body = metrics_.text(backend_.state(), http_->counts(),
                                      std::ssize(backend_.adapters()))});
}

Json Service::model_json(const std::string& name) const {
  const bool base = name == model_.name;
  return {{"id", name},
          {"object", "model"},
          {"created", model_.created},
          {"owned_by", "falconer"},
          {"root", model_.name},
          {"parent", base ? Json() : Json(model_.name)},
          {"max_model_len", model_.context}};
}

void Service::models(const Call& call) {
  Json list = Json::array({model_json(model_.name)});
  for (const std::string& name : backend_.adapters()) list.push_back(model_json(name));
  finish(call, json_response({{"object", "list"}, {"data", std::move(list)}}));
}

void Service::model(const Call& call) {
  const std::string name = unquoted(call->request.path.substr(std::string("/v1/models/").size()));
  const std::string adapter = adapter_of(name);
  finish(call, json_response(model_json(adapter.empty() ? model_.name : adapter)));
}

std::string Service::adapter_of(const std::string& model) const {
  if (model.empty() || model == model_.name) return "";
  const std::vector<std::string> names = backend_.adapters();
  if (std::find(names.begin(), names.end(), model) != names.end()) return model;
  std::vector<std::string> all = names;
  all.push_back(model_.name);
  throw RequestError(
      404,
      fmt::format("there is no model \"{}\"{}; GET /v1/models lists them", printable(model),
                  did_you_mean(model.substr(0, kLongestCompared), all)),
      "model", "model_not_found");
}

std::shared_ptr<const ModelTexts> Service::texts_of(const std::string& adapter) const {
  auto texts = backend_.texts(adapter);
  if (texts == nullptr)  // unloaded meanwhile
    throw RequestError(404, fmt::format("there is no model \"{}\" any more", adapter), "model",
                       "model_not_found");
  return texts;
}

const Tokenizer& Service::tokenizer_of(const ModelTexts& texts, const char* field) const {
  if (texts.tokenizer() == nullptr)
    throw RequestError(400, "the model has no tokenizer; give token ids to /v1/completions", field,
                       "no_tokenizer");
  return *texts.tokenizer();
}

std::vector<int32_t> Service::ids_of_chat(const ModelTexts& texts,
                                          const Conversation& conversation) const {
  tokenizer_of(texts, "messages");
  if (const std::string what = texts.without_place(conversation); !what.empty())
    throw RequestError(
        400,
        fmt::format("{}, and the model's {} has no place for it; leave it out, or ask a model "
                    "whose chat template has one",
                    what == "tools"  ? "there is \"tools\""
                    : what == "tool" ? "\"messages\" has a tool's answer"
                                     : "\"messages\" has \"" + what + "\"",
                    texts.style() && !texts.style()->is_chat_template()
                        ? "prompt style " + texts.style()->name()
                        : "chat template"),
        what == "tools" ? "tools" : "messages", "unsupported_parameter");
  try {
    return texts.encode_chat(conversation, false);
  } catch (const Error& error) {
    throw RequestError(400, error.what(), refused_field(texts, conversation), "invalid_value");
  }
}

void Service::tokenizer_info(const Call& call) {
  const auto texts = texts_of("");
  const Tokenizer& tokenizer = tokenizer_of(*texts);
  Json info = {{"tokenizer_class", "Tokenizer"},
               {"vocab_size", tokenizer.vocab_size()},
               {"model_max_length", model_.context}};
  for (const char* name : {"bos_token", "eos_token", "pad_token", "unk_token"})
    info[name] = nullptr;
  for (const auto& [name, token] : tokenizer.special_names()) info[name] = token;
  if (info["eos_token"].is_null() && tokenizer.eos_id())
    info["eos_token"] = tokenizer.token_bytes(*tokenizer.eos_id());
  info["chat_template"] = texts->style() ? Json(texts->style()->source()) : Json();
  finish(call, json_response(info));
}

void Service::tokenize(const Call& call) {
  answer_from(texts_worker_, call, [this, call] {
    const Json body = parse_body(call->request.body);
    RequestFields fields(body);
    const auto texts = texts_of(adapter_of(fields.text("model").value_or("")));
    const Tokenizer& tokenizer = tokenizer_of(*texts, "model");
    const bool around = fields.boolean("add_special_tokens").value_or(true);
    const bool named = fields.boolean("return_token_strs").value_or(false);
    fields.unsupported("add_generation_prompt", {true});
    fields.unsupported("continue_final_message", {false});
    std::vector<int32_t> ids;
    if (fields.find("messages") != nullptr) {
      if (fields.find("prompt") != nullptr)
        fields.fail("messages", "and \"prompt\" are both there; give one of them");
      Conversation conversation = parse_chat_messages(body);
      if (const Json* tools = fields.find("tools")) {
        if (!tools->is_array()) fields.wrong_type("tools", *tools, "a list");
        conversation.tools = *tools;
      }
      ids = ids_of_chat(*texts, conversation);
    } else {
      const auto prompt = fields.text("prompt");
      if (!prompt) fields.fail("prompt", "is missing", "missing_required_parameter");
      ids = ids_of(tokenizer, *prompt, around);
    }
    fields.end();
    Json strings;
    if (named)
      for (const int32_t id : ids) strings.push_back(tokenizer.token_bytes(id));
    return json_response({{"count", ids.size()},
                          {"max_model_len", model_.context},
                          {"tokens", ids},
                          {"token_strs", std::move(strings)}});
  });
}

void Service::detokenize(const Call& call) {
  answer_from(texts_worker_, call, [this, call] {
    const Json body = parse_body(call->request.body);
    RequestFields fields(body);
    const auto texts = texts_of(adapter_of(fields.text("model").value_or("")));
    const Tokenizer& tokenizer = tokenizer_of(*texts, "model");
    if (fields.find("tokens") == nullptr)
      fields.fail("tokens", "is missing", "missing_required_parameter");
    const std::vector<int32_t> ids = fields.ids("tokens", SIZE_MAX);
    fields.end();
    for (const int32_t id : ids)
      if (id >= tokenizer.vocab_size())
        fields.fail("tokens", fmt::format("has the id {}, and the tokenizer has 0 to {}", id,
                                          tokenizer.vocab_size() - 1));
    return json_response({{"prompt", tokenizer.decode(ids)}});
  });
}

// Where links have been followed, so that none leads out of the folder.
std::string Service::adapter_path(const std::string& asked) const {
  std::error_code error;
  const fs::path folder = fs::canonical(options_.adapters_folder, error);
  const fs::path path = error ? fs::path() : fs::canonical(folder / asked, error);
  const auto below = [&] {
    const auto [end, at] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
    return end == folder.end() && at != path.end();
  };
  if (asked.find('\0') != asked.npos || error || !below())
    throw RequestError(404,
                       "there is no such adapter below the folder that adapters are loaded from",
                       "lora_path", "adapter_not_found");
  return path.string();
}

void Service::load_adapter(const Call& call) {
  answer_from(adapters_worker_, call, [this, call]() -> HttpResponse {
    const Json body = parse_body(call->request.body);
    RequestFields fields(body);
    const std::string name = fields.text("lora_name").value_or("");
    const std::string asked = fields.text("lora_path").value_or("");
    fields.unsupported("load_inplace", {false});
    fields.unsupported("base_model_name", {model_.name});
    fields.end();
    if (!is_name(name))
      fields.fail("lora_name",
                  fmt::format("is missing, or no name: expected up to {} letters, digits and "
                              "- _ . / : @",
                              kLongestName));
    if (asked.empty()) fields.fail("lora_path", "is missing", "missing_required_parameter");
    const std::vector<std::string> names = backend_.adapters();
    if (name == model_.name || std::find(names.begin(), names.end(), name) != names.end())
      throw RequestError(400, fmt::format("there is a model \"{}\" already", name), "lora_name",
                         "name_taken");
    const std::string path = adapter_path(asked);
    try {
      backend_.load_adapter(name, path);
    } catch (const Error& error) {
      log_warning("the adapter {} could not be loaded: {}", name, error.what());
      std::string what = error.what();  // names the place by the client's own word
      for (size_t at = 0; (at = what.find(path, at)) != what.npos; at += asked.size())
        what.replace(at, path.size(), asked);
      throw RequestError(400, what, "lora_path", "invalid_adapter");
    }
    return {.type = "text/plain; charset=utf-8",
            .body = fmt::format("Success: LoRA adapter '{}' added successfully.", name)};
  });
}

void Service::unload_adapter(const Call& call) {
  answer_from(adapters_worker_, call, [this, call]() -> HttpResponse {
    const Json body = parse_body(call->request.body);
    RequestFields fields(body);
    const std::string name = fields.text("lora_name").value_or("");
    fields.ignore("lora_int_id");
    fields.end();
    if (name.empty()) fields.fail("lora_name", "is missing", "missing_required_parameter");
    const std::vector<std::string> names = backend_.adapters();
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw RequestError(404, fmt::format("there is no adapter \"{}\"", printable(name)),
                         "lora_name", "adapter_not_found");
    backend_.unload_adapter(name);
    return {.type = "text/plain; charset=utf-8",
            .body = fmt::format("Success: LoRA adapter '{}' removed successfully.", name)};
  });
}

}  // namespace falconer::serve
