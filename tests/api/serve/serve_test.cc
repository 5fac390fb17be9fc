#include "falconer/serve.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/quiet_thread.h"
#include "falconer/process.h"
#include "support/errors.h"
#include "support/http_client.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace falconer {
namespace {

class ServerOfALibrary : public ::testing::Test {
 protected:
  void SetUp() override { set_verbosity("quiet"); }
  void TearDown() override { set_verbosity("info"); }

  ServeOptions options() const {
    ServeOptions made;
    made.model.checkpoint = std::string(source_dir()) + "/demo/checkpoint";
    made.model_name = "demo";
    made.port = 0;
    return made;
  }
  std::string error_of(const ServeOptions& wrong) const {
    return test::message_of([&] { Server::open(wrong); });
  }
};

TEST_F(ServerOfALibrary, AnswersAsTheModelDoes) {
  Model model = Model::open({.checkpoint = options().model.checkpoint});
  const std::vector<int32_t> ids = model.encode_prompt("The deer", "", true);
  const Completion wanted = model.generate({ids}, {.max_new_tokens = 8, .temperature = 0}).front();
  Server server = Server::open(options());
  EXPECT_EQ(server.address(), fmt::format("http://127.0.0.1:{}", server.port()));
  std::thread serving = quiet_thread([&] { server.run(); });
  const auto answer = test::ask(server.port(), "POST", "/v1/completions",
                                R"({"prompt": "The deer", "max_tokens": 8, "temperature": 0})");
  server.stop();
  serving.join();
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto json = nlohmann::json::parse(answer.body);
  EXPECT_EQ(json["model"], "demo");
  EXPECT_EQ(json["choices"][0]["text"], wanted.text);
  EXPECT_EQ(json["usage"]["prompt_tokens"], ids.size());
}

TEST_F(ServerOfALibrary, DefaultsAreThoseOfTheCheckpoint) {
  const test::TempFolder folder;
  std::filesystem::copy(options().model.checkpoint, folder / "model");
  write_file(folder / "model" / "generation_config.json",
             R"({"temperature": 0.0, "max_new_tokens": 3})");
  ServeOptions own = options();
  own.model.checkpoint = (folder / "model").string();
  Server server = Server::open(own);
  std::thread serving = quiet_thread([&] { server.run(); });
  std::vector<std::string> texts;
  for (int i = 0; i < 3; ++i) {
    const auto answer = test::ask(server.port(), "POST", "/v1/chat/completions",
                                  R"({"messages": [{"role": "user", "content": "The deer"}]})");
    const auto json = nlohmann::json::parse(answer.body);
    texts.push_back(json["choices"][0]["message"]["content"]);
    EXPECT_LE(json["usage"]["completion_tokens"], 3);
  }
  server.stop();
  serving.join();
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_EQ(texts[0], texts[2]);
}

// Reading the weights takes minutes: here there are none that could be read.
TEST_F(ServerOfALibrary, WhatIsWrongShowsBeforeTheWeightsAreRead) {
  const test::TempFolder folder;
  std::filesystem::copy(options().model.checkpoint, folder / "model");
  const auto with = [&](auto change) {
    ServeOptions wrong = options();
    wrong.model.checkpoint = (folder / "model").string();
    change(wrong);
    return error_of(wrong);
  };
  const std::string small =
      with([&](ServeOptions& o) { o.cache = 10; });  // needs the tensors' names and types alone
  test::expect_mentions(small, {"--cache is 10 bytes"});
  for (const auto& entry : std::filesystem::directory_iterator(folder / "model"))
    if (entry.path().extension() == ".safetensors") std::filesystem::remove(entry.path());
  Server other = Server::open(options());
  test::expect_mentions(
      with([&](ServeOptions& o) { o.port = other.port(); }),
      {"cannot listen on 127.0.0.1", std::to_string(other.port()).c_str(), "--port"});
  test::expect_mentions(with([](ServeOptions& o) { o.host = "no.such.host.invalid"; }),
                        {"--host no.such.host.invalid"});
  test::expect_mentions(with([](ServeOptions& o) {
                          o.adapter = {"a=x", "a=y"};
                        }),
                        {"two adapters \"a\"", "another name"});
  test::expect_mentions(with([](ServeOptions& o) { o.adapter = {"demo=x"}; }),
                        {"both called demo", "--model-name"});
  test::expect_mentions(with([](ServeOptions& o) { o.api_key_file = "none"; }), {"none"});
}

TEST_F(ServerOfALibrary, WhatCannotBeIsSaidBeforeThePortIsOpen) {
  const auto with = [&](auto change) {
    ServeOptions wrong = options();
    change(wrong);
    return error_of(wrong);
  };
  test::expect_mentions(with([](ServeOptions& o) { o.adapter = {"lora"}; }),
                        {"NAME=PATH", "\"lora\""});
  test::expect_mentions(with([](ServeOptions& o) { o.adapter = {"a=none/at/all"}; }),
                        {"none/at/all"});
  test::expect_mentions(with([](ServeOptions& o) { o.load_adapters = true; }),
                        {"--load-adapters needs --adapters"});
  test::expect_mentions(with([](ServeOptions& o) { o.adapters = "none"; }), {"none: is no folder"});
  test::expect_mentions(with([](ServeOptions& o) { o.port = 65536; }), {"--port is 65536"});
  test::expect_mentions(with([](ServeOptions& o) { o.api_key_file = "none"; }), {"none"});
  test::expect_mentions(with([](ServeOptions& o) { o.cache = 10; }), {"--cache is 10 bytes"});
  test::expect_mentions(with([](ServeOptions& o) { o.model.checkpoint = "none"; }), {"none"});
}

}  // namespace
}  // namespace falconer
