#include "serve/service.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "support/fake_backend.h"
#include "support/http_client.h"
#include "support/temp_folder.h"

namespace falconer::serve {
namespace {

using test::ClientAnswer;
using test::HttpConnection;

const std::string kChat = R"("messages": [{"role": "user", "content": "Hi"}])";

class Serving : public ::testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kQuiet);
    backend_.script(backend_.says("Hello there."));
  }
  void start(ServiceOptions options = {}) {
    service_ = std::make_unique<Service>(
        backend_, ServedModel{.name = "base", .context = 100, .vocab = 1000, .defaults = {}},
        std::move(options));
    thread_ = quiet_thread([this] { service_->run({}); });
  }
  void TearDown() override {
    if (service_ != nullptr) {
      service_->stop();
      thread_.join();
    }
    set_log_level(LogLevel::kInfo);
  }
  ClientAnswer ask(const std::string& method, const std::string& path, const std::string& body = "",
                   const std::string& fields = "") {
    return test::ask(service_->port(), method, path, body, fields);
  }
  Json json(const std::string& path, const std::string& body, int status = 200) {
    const ClientAnswer answer = ask("POST", path, body);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.fields.at("content-type"), "application/json");
    return Json::parse(answer.body);
  }
  Json chat(const std::string& more = "", int status = 200) {
    return json("/v1/chat/completions", "{" + kChat + (more.empty() ? "" : ", " + more) + "}",
                status);
  }
  Json completion(const std::string& fields, int status = 200) {
    return json("/v1/completions", "{" + fields + "}", status);
  }
  /// What stands behind "data: ", in order.
  std::vector<std::string> events(const std::string& path, const std::string& body) {
    const ClientAnswer answer = ask("POST", path, body);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.fields.at("content-type"), "text/event-stream; charset=utf-8");
    std::vector<std::string> all;
    for (size_t at = 0; at < answer.body.size();) {
      const size_t end = answer.body.find("\n\n", at);
      EXPECT_NE(end, std::string::npos);
      EXPECT_EQ(answer.body.substr(at, 6), "data: ");
      all.push_back(answer.body.substr(at + 6, end - at - 6));
      at = end + 2;
    }
    return all;
  }
  template <class Condition>
  bool soon(Condition condition) {
    for (int i = 0; i < 10000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  }

  test::FakeBackend backend_;
  std::unique_ptr<Service> service_;
  std::thread thread_;
};

TEST_F(Serving, AChatIsAnsweredAsOpenAIDoes) {
  start();
  const Json made = chat(R"("model": "base", "max_tokens": 7, "seed": 5)");
  EXPECT_TRUE(made["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(made["object"], "chat.completion");
  EXPECT_EQ(made["model"], "base");
  EXPECT_TRUE(made["created"].is_number_integer());
  const Json& choice = made["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "Hello there.");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_TRUE(choice["logprobs"].is_null());
  const EngineRequest request = backend_.requests().front();
  EXPECT_EQ(request.prompt, backend_.texts("")->encode_chat(Conversation::of("Hi"), false));
  EXPECT_EQ(request.options.max_new_tokens, 7);
  EXPECT_EQ(request.options.sampling.seed, 5u);
  const auto answered = static_cast<int64_t>(backend_.tokenizer().encode("Hello there.").size());
  EXPECT_EQ(made["usage"]["prompt_tokens"], request.prompt.size());
  EXPECT_EQ(made["usage"]["completion_tokens"], answered);
  EXPECT_EQ(made["usage"]["total_tokens"], static_cast<int64_t>(request.prompt.size()) + answered);
}

TEST_F(Serving, AStreamBeginsWithTheRoleAndEndsWithDone) {
  start();
  const auto all =
      events("/v1/chat/completions",
             "{" + kChat + R"(, "stream": true, "stream_options": {"include_usage": true}})");
  ASSERT_GE(all.size(), 5u);
  EXPECT_EQ(all.back(), "[DONE]");
  std::string text;
  for (size_t i = 0; i + 2 < all.size(); ++i) {
    const Json chunk = Json::parse(all[i]);
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_TRUE(chunk.contains("usage") && chunk["usage"].is_null());
    const Json& choice = chunk["choices"][0];
    EXPECT_EQ(choice["index"], 0);
    EXPECT_EQ(choice["delta"].contains("role"), i == 0);
    EXPECT_EQ(choice["finish_reason"].is_null(), i + 3 < all.size());
    if (choice["delta"].contains("content")) text += choice["delta"]["content"].get<std::string>();
  }
  EXPECT_EQ(text, "Hello there.");
  const Json last = Json::parse(all[all.size() - 2]);
  EXPECT_TRUE(last["choices"].empty());
  EXPECT_GT(last["usage"]["total_tokens"], 0);
}

TEST_F(Serving, SeveralAnswersHaveStreamsOfTheirOwn) {
  start();
  const Json made = completion(R"("prompt": ["one", "two"], "n": 3)");
  ASSERT_EQ(made["choices"].size(), 6u);
  std::vector<uint32_t> streams;
  for (const EngineRequest& request : backend_.requests()) streams.push_back(request.stream);
  EXPECT_EQ(streams, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(made["choices"][i]["index"], i);
  EXPECT_EQ(made["usage"]["prompt_tokens"],
            backend_.tokenizer().encode("one").size() + backend_.tokenizer().encode("two").size());
}

TEST_F(Serving, EchoWithLogprobsHasAnEntryForEachToken) {
  backend_.script(backend_.says("x"));
  start();
  const Json made =
      completion(R"("prompt": [[40, 41, 42]], "echo": true, "logprobs": 1, "max_tokens": 1)");
  const Json& logprobs = made["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), 4u);
  EXPECT_TRUE(logprobs["token_logprobs"][0].is_null() && logprobs["top_logprobs"][0].is_null());
  for (size_t i = 1; i < 4; ++i) {
    const double chosen = logprobs["token_logprobs"][i];
    double most = -1e9;
    for (const auto& [text, value] : logprobs["top_logprobs"][i].items())
      most = std::max<double>(most, value);
    EXPECT_EQ(most, chosen);
  }
  std::string text;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(logprobs["text_offset"][i], static_cast<int64_t>(text.size()));
    text += logprobs["tokens"][i].get<std::string>();
  }
  EXPECT_EQ(made["choices"][0]["text"], text);
  const EngineRequest request = backend_.requests().front();
  EXPECT_TRUE(request.prompt_chances && request.options.ignore_eos);
  EXPECT_EQ(request.chances, 1);
}

TEST_F(Serving, APromptCanBeLookedAtAlone) {
  start();
  const Json made =
      completion(R"("prompt": [40, 41], "echo": true, "logprobs": 0, "max_tokens": 0)");
  EXPECT_EQ(made["choices"][0]["logprobs"]["tokens"].size(), 2u);
  EXPECT_TRUE(made["choices"][0]["logprobs"]["top_logprobs"].is_null());
  EXPECT_EQ(made["choices"][0]["text"], backend_.tokenizer().decode(std::vector<int32_t>{40, 41}));
  EXPECT_EQ(made["usage"]["completion_tokens"], 0);
}

TEST_F(Serving, ChatLogprobsHaveBytes) {
  start();
  const Json made = chat(R"("logprobs": true, "top_logprobs": 2)");
  const Json& content = made["choices"][0]["logprobs"]["content"];
  std::string text;
  for (const Json& token : content) {
    for (const int byte : token["bytes"]) text += static_cast<char>(byte);
    EXPECT_EQ(token["top_logprobs"].size(), 2u);
    EXPECT_EQ(token["top_logprobs"][0]["logprob"], token["logprob"]);
  }
  EXPECT_EQ(text, "Hello there.");
}

TEST_F(Serving, AdaptersAreNamesOfModels) {
  backend_.add_adapter("support", "alpaca");
  start();
  EXPECT_EQ(chat(R"("model": "support")")["model"], "support");
  EXPECT_EQ(backend_.requests().front().adapter, "support");
  EXPECT_EQ(backend_.requests().front().prompt,
            backend_.texts("support")->encode_chat(Conversation::of("Hi"), false));
  const Json error = chat(R"("model": "suport")", 404)["error"];
  EXPECT_EQ(error["code"], "model_not_found");
  EXPECT_EQ(error["param"], "model");
  const Json list = Json::parse(ask("GET", "/v1/models").body);
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["id"], "base");
  EXPECT_EQ(list["data"][1]["parent"], "base");
  EXPECT_EQ(Json::parse(ask("GET", "/v1/models/support").body)["id"], "support");
  EXPECT_EQ(ask("GET", "/v1/models/none").status, 404);
}

TEST_F(Serving, ErrorsHaveOpenAIsShape) {
  start();
  const Json error = chat(R"("temperature": -1)", 400)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "temperature");
  EXPECT_EQ(error["code"], "invalid_value");
  EXPECT_TRUE(error["message"].is_string());
  EXPECT_EQ(ask("GET", "/nothing").status, 404);
  EXPECT_TRUE(Json::parse(ask("GET", "/nothing").body)["error"]["message"].is_string());
  const ClientAnswer wrong = ask("GET", "/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.fields.at("allow"), "POST");

  std::string many = "1";
  for (int i = 0; i < 100; ++i) many += ",1";
  EXPECT_EQ(completion("\"prompt\": [" + many + "]", 400)["error"]["code"],
            "context_length_exceeded");
  EXPECT_EQ(completion(R"("prompt": [1,1,1,1,1,1,1,1,1,1,1,1,1])", 400)["error"]["code"],
            "invalid_prompt");
  HttpConnection bad(service_->port());
  bad.send("nonsense\r\n\r\n");
  const ClientAnswer answer = bad.answer();
  EXPECT_EQ(answer.status, 400);
  EXPECT_TRUE(Json::parse(answer.body)["error"]["message"].is_string());
}

TEST_F(Serving, WhatAPromptStyleRefusesIsNamed) {
  start();
  const std::string tools = R"("tools": [{"type": "function", "function": {"name": "f"}}])";
  const Json error = chat(tools, 400)["error"];
  EXPECT_EQ(error["param"], "tools");
  EXPECT_EQ(error["code"], "unsupported_parameter");
  const std::string said = error["message"];
  EXPECT_NE(said.find("prompt style falcon has no place for it; leave it out"), said.npos) << said;
  EXPECT_EQ(said.find("row"), said.npos) << said;
  EXPECT_EQ(chat(tools + R"(, "tool_choice": "none")")["object"], "chat.completion");
  EXPECT_EQ(chat(tools + R"(, "tool_choice": "required")", 400)["error"]["param"], "tool_choice");
  EXPECT_EQ(chat(R"("reasoning_effort": "low")", 400)["error"]["param"], "reasoning_effort");
  EXPECT_EQ(json("/tokenize", "{" + kChat + ", " + tools + "}", 400)["error"]["param"], "tools");
  const std::string answered =
      R"("messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "1"}])";
  for (const char* path : {"/v1/chat/completions", "/tokenize"})
    EXPECT_EQ(json(path, "{" + answered + "}", 400)["error"]["param"], "messages");
}

TEST_F(Serving, ATemplateThatTakesTheMessagesAloneHasRefusedTheTools) {
  backend_.add_style("strict", R"({% if tools %}{{ raise_exception('no tools here') }}{% endif %})"
                               R"({% for m in messages %}{{ m.content }}{% endfor %})");
  start();
  const auto asked = [&](const std::string& more) {
    return chat(R"("model": "strict")" + more, 400)["error"];
  };
  EXPECT_EQ(asked(R"(, "tools": [{"type": "function"}])")["param"], "tools");
  EXPECT_EQ(chat(R"("model": "strict")")["object"], "chat.completion");
}

TEST_F(Serving, AnErrorOfTheEngineIsAnEventOfAStream) {
  backend_.script([](const EngineRequest&) {
    std::vector<EngineProgress> made(2);
    made[0].text = "He";
    made[0].ids = {40};
    made[1].finish_reason = "error";
    made[1].error = "a logit is not a number";
    return made;
  });
  start();
  const auto all = events("/v1/chat/completions", "{" + kChat + R"(, "stream": true})");
  EXPECT_EQ(Json::parse(all.back())["error"]["message"], "a logit is not a number");
  EXPECT_EQ(chat("", 500)["error"]["type"], "server_error");
}

TEST_F(Serving, AClientThatLeavesCancelsItsAnswers) {
  backend_.hold(true);
  start();
  for (const bool stream : {true, false}) {
    HttpConnection client(service_->port());
    client.request("POST", "/v1/chat/completions",
                   "{" + kChat + R"(, "n": 2, "stream": )" + (stream ? "true}" : "false}"));
    if (stream) client.chunk();
    const size_t before = backend_.cancelled();
    ASSERT_TRUE(soon([&] { return backend_.requests().size() == (stream ? 2u : 4u); }));
    client.close();
    EXPECT_TRUE(soon([&] { return backend_.cancelled() == before + 2; }));
  }
}

TEST_F(Serving, ABusyServerSaysSo) {
  backend_.hold(true);
  ServiceOptions options;
  options.answers = 2;
  start(std::move(options));
  HttpConnection client(service_->port());
  client.request("POST", "/v1/chat/completions", "{" + kChat + R"(, "n": 2})");
  ASSERT_TRUE(soon([&] { return backend_.requests().size() == 2; }));
  const ClientAnswer refused = ask("POST", "/v1/chat/completions", "{" + kChat + "}");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.fields.at("retry-after"), "1");
  EXPECT_EQ(chat(R"("n": 3)", 429)["error"]["code"], "rate_limit_exceeded");
  backend_.hold(false);
  EXPECT_EQ(client.answer().status, 200);
  EXPECT_EQ(chat(R"("n": 3)", 400)["error"]["param"], "n");
}

TEST_F(Serving, KeysAreAskedFor) {
  ServiceOptions options;
  options.keys = ApiKeys(std::vector<std::string>{"one", "two"});
  start(std::move(options));
  EXPECT_EQ(ask("GET", "/health").status, 200);
  EXPECT_EQ(ask("GET", "/").status, 200);
  for (const char* path : {"/v1/models", "/metrics", "/tokenizer_info"}) {
    const ClientAnswer refused = ask("GET", path);
    EXPECT_EQ(refused.status, 401) << path;
    EXPECT_EQ(refused.fields.at("www-authenticate"), "Bearer");
    EXPECT_EQ(ask("GET", path, "", "Authorization: Bearer three\r\n").status, 401);
    EXPECT_EQ(ask("GET", path, "", "Authorization: Bearer two\r\n").status, 200);
  }
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "{" + kChat + "}").status, 401);
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "{" + kChat + "}", "Authorization: Bearer one\r\n")
                .status,
            200);
  EXPECT_EQ(backend_.requests().front().user, "key 0");
}

TEST_F(Serving, PagesOfOthersMayNotAsk) {
  start();
  const std::string own = fmt::format("Origin: http://localhost\r\n");
  EXPECT_EQ(ask("POST", "/v1/chat/completions", "{" + kChat + "}", own).status, 200);
  EXPECT_EQ(
      ask("POST", "/v1/chat/completions", "{" + kChat + "}", "Origin: http://evil.test\r\n").status,
      403);
  EXPECT_EQ(ask("GET", "/v1/models", "", "Origin: null\r\n").status, 403);
  HttpConnection renamed(service_->port());  // a name that its owner has pointed here
  renamed.send("GET /v1/models HTTP/1.1\r\nHost: evil.test\r\n\r\n");
  EXPECT_EQ(renamed.answer().status, 403);
}

TEST_F(Serving, AnOriginThatIsNamedMayAsk) {
  ServiceOptions options;
  options.cors = "https://app.test";
  start(std::move(options));
  const ClientAnswer asked =
      ask("OPTIONS", "/v1/chat/completions", "", "Origin: https://app.test\r\n");
  EXPECT_EQ(asked.status, 204);
  EXPECT_EQ(asked.fields.at("access-control-allow-origin"), "https://app.test");
  EXPECT_EQ(ask("GET", "/v1/models", "", "Origin: https://app.test\r\n")
                .fields.at("access-control-allow-origin"),
            "https://app.test");
  EXPECT_EQ(ask("GET", "/v1/models", "", "Origin: https://other.test\r\n").status, 403);
}

TEST_F(Serving, TextsBecomeIdsAndComeBack) {
  start();
  const Json info = Json::parse(ask("GET", "/tokenizer_info").body);
  EXPECT_TRUE(info["eos_token"].is_string());
  EXPECT_TRUE(info["chat_template"].is_string());
  const std::string eos = info["eos_token"];
  const Json made =
      json("/tokenize", Json{{"prompt", "Hi there" + eos}, {"add_special_tokens", false}}.dump());
  EXPECT_EQ(made["tokens"].back(), *backend_.tokenizer().eos_id());
  EXPECT_EQ(made["count"], made["tokens"].size());
  EXPECT_EQ(made["max_model_len"], 100);
  EXPECT_EQ(json("/detokenize", Json{{"tokens", made["tokens"]}}.dump())["prompt"],
            "Hi there" + eos);
  EXPECT_EQ(json("/tokenize", "{" + kChat + "}")["tokens"],
            backend_.texts("")->encode_chat(Conversation::of("Hi"), false));
  EXPECT_EQ(json("/detokenize", R"({"tokens": [99999999]})", 400)["error"]["param"], "tokens");
  EXPECT_EQ(json("/tokenize", "{}", 400)["error"]["param"], "prompt");
}

TEST_F(Serving, AdaptersComeAndGoBelowOneFolderAlone) {
  const test::TempFolder folder;
  make_folder(folder / "all" / "mine");
  make_folder(folder / "all" / "broken");
  make_folder(folder / "secret");
  std::filesystem::create_symlink(folder / "secret", folder / "all" / "link");
  ServiceOptions options;
  options.load_adapters = true;
  options.adapters_folder = (folder / "all").string();
  start(std::move(options));
  const auto load = [&](const std::string& name, const std::string& path) {
    return ask("POST", "/v1/load_lora_adapter",
               Json{{"lora_name", name}, {"lora_path", path}}.dump());
  };
  EXPECT_EQ(load("a", "mine").status, 200);
  EXPECT_EQ(backend_.loaded_from, std::filesystem::canonical(folder / "all" / "mine"));
  EXPECT_EQ(load("b", (folder / "all" / "mine").string()).status, 200);
  for (const std::string& path :
       {std::string("../secret"), std::string("link"), std::string("/etc"), std::string("."),
        std::string("none"), (folder / "secret").string(), std::string("mine\0x", 6)})
    EXPECT_EQ(load("c", path).status, 404) << path;
  const ClientAnswer broken = load("c", "broken");
  EXPECT_EQ(broken.status, 400);
  EXPECT_EQ(Json::parse(broken.body)["error"]["message"], "broken: is no adapter");
  EXPECT_EQ(load("a", "mine").status, 400);     // taken
  EXPECT_EQ(load("base", "mine").status, 400);  // too
  EXPECT_EQ(load("two words", "mine").status, 400);
  EXPECT_EQ(ask("POST", "/v1/unload_lora_adapter", R"({"lora_name": "a"})").status, 200);
  EXPECT_EQ(ask("POST", "/v1/unload_lora_adapter", R"({"lora_name": "a"})").status, 404);
  EXPECT_EQ(backend_.adapters(), std::vector<std::string>{"b"});
}

TEST_F(Serving, AdaptersDoNotComeByRequestUnlessTheyMay) {
  start();
  const ClientAnswer answer =
      ask("POST", "/v1/load_lora_adapter", R"({"lora_name": "a", "lora_path": "b"})");
  EXPECT_EQ(answer.status, 404);
}

TEST_F(Serving, MetricsAreInPrometheusFormat) {
  start();
  chat();
  chat(R"("n": -1)", 400);
  ask("GET", "/some/other/path");
  const ClientAnswer answer = ask("GET", "/metrics");
  EXPECT_EQ(answer.fields.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const std::string& text = answer.body;
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
  for (const char* line :
       {"falconer_http_requests_total{path=\"/v1/chat/completions\",status=\"200\"} 1\n",
        "falconer_http_requests_total{path=\"/v1/chat/completions\",status=\"400\"} 1\n",
        "falconer_http_requests_total{path=\"other\",status=\"404\"} 1\n",
        "falconer_answers_total{reason=\"stop\"} 1\n", "falconer_running 3\n",
        "falconer_first_token_seconds_bucket{le=\"+Inf\"} 1\n",
        "falconer_first_token_seconds_count 1\n", "falconer_generated_tokens_total 1234\n",
        "# TYPE falconer_first_token_seconds histogram\n", "falconer_answers 0\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

TEST_F(Serving, ThePageAsksNobodyElse) {
  start();
  const ClientAnswer page = ask("GET", "/");
  EXPECT_EQ(page.status, 200);
  const std::string policy = page.fields.at("content-security-policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(policy.find("connect-src 'self'"), std::string::npos);
  EXPECT_EQ(page.body.find("https://"), std::string::npos);
  EXPECT_EQ(page.body.find("http://"), std::string::npos);
}

TEST_F(Serving, StoppingLetsAnswersEndOrCutsThem) {
  backend_.hold(true);
  start();
  HttpConnection client(service_->port()), other(service_->port());
  client.request("POST", "/v1/chat/completions", "{" + kChat + R"(, "stream": true})");
  other.request("POST", "/v1/chat/completions", "{" + kChat + "}");
  ASSERT_TRUE(soon([&] { return backend_.requests().size() == 2; }));
  service_->stop();
  EXPECT_NE(client.answer().body.find("the server is about to stop"), std::string::npos);
  EXPECT_EQ(other.answer().status, 503);
  thread_.join();
  service_.reset();
}

TEST_F(Serving, WhoComesWhileItStopsIsToldSo) {
  std::atomic<bool> waits = true;
  backend_.before_shut_down = [&] { soon([&] { return !waits; }); };
  backend_.hold(true);
  start();
  HttpConnection before(service_->port()), idle(service_->port());
  before.request("POST", "/v1/chat/completions", "{" + kChat + "}");
  ASSERT_TRUE(soon([&] { return backend_.requests().size() == 1; }));
  service_->stop();
  EXPECT_TRUE(soon([&] { return ask("GET", "/health").status == 503; }));
  for (int i = 0; i < 2; ++i) {
    HttpConnection late(service_->port());
    HttpConnection& client = i == 0 ? late : idle;
    client.request("POST", "/v1/chat/completions", "{" + kChat + "}");
    const ClientAnswer answer = client.answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(Json::parse(answer.body)["error"]["code"], "shutting_down");
    EXPECT_EQ(answer.fields.at("retry-after"), "1");
    EXPECT_EQ(answer.fields.at("connection"), "close");
  }
  backend_.hold(false);
  EXPECT_EQ(before.answer().status, 200);
  waits = false;
  thread_.join();
  service_.reset();
}

}  // namespace
}  // namespace falconer::serve
