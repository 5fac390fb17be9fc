#include "serve/asked.h"

#include <gtest/gtest.h>

#include "serve/error.h"

namespace falconer::serve {
namespace {

const std::string kMessages = R"("messages": [{"role": "user", "content": "Hi"}])";

Asked chat(const std::string& more) {
  return parse_chat_request("{" + kMessages + (more.empty() ? "" : ", " + more) + "}", {}, {});
}
Asked completion(const std::string& more) {
  return parse_completion_request(R"({"prompt": "Hi")" + (more.empty() ? "" : ", " + more) + "}",
                                  {}, {});
}

/// "param: message" of the error.
template <class Parse>
std::string error_of(Parse parse, const std::string& more) {
  try {
    parse(more);
  } catch (const RequestError& error) {
    EXPECT_EQ(error.status(), 400);
    return error.param() + ": " + error.what();
  }
  ADD_FAILURE() << "no error: " << more;
  return "";
}

TEST(Asked, EveryFieldOfAChatIsTaken) {
  const Asked asked = parse_chat_request(
      R"({"model": "m", "messages": [{"role": "system", "content": "S"},
          {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
          "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "typical_p": 0.8,
          "repetition_penalty": 1.5, "presence_penalty": -1, "frequency_penalty": 2,
          "no_repeat_ngram_size": 3, "logit_bias": {"5": -100, "6": 1.5}, "seed": -1, "n": 2,
          "stop": ["x", "y"], "stop_token_ids": [3], "ignore_eos": true, "max_completion_tokens": 9,
          "logprobs": true, "top_logprobs": 4, "stream": true, "stream_options": {"include_usage": true},
          "adapter_scale": 0.25, "user": "u", "metadata": {"a": "b"}, "response_format": {"type": "text"},
          "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto",
          "parallel_tool_calls": true, "store": false, "service_tier": "auto", "audio": null})",
      {}, {});
  EXPECT_TRUE(asked.chat);
  EXPECT_EQ(asked.model, "m");
  ASSERT_EQ(asked.conversation.messages.size(), 2u);
  EXPECT_EQ(asked.conversation.messages[1].content, "ab");
  EXPECT_EQ(asked.conversation.tools.size(), 1u);
  const SamplingOptions& s = asked.options.sampling;
  EXPECT_EQ(s.temperature, 0.5);
  EXPECT_EQ(s.top_p, 0.9);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.1);
  EXPECT_EQ(s.typical_p, 0.8);
  EXPECT_EQ(s.repetition_penalty, 1.5);
  EXPECT_EQ(s.presence_penalty, -1);
  EXPECT_EQ(s.frequency_penalty, 2);
  EXPECT_EQ(s.no_repeat_ngram_size, 3);
  EXPECT_EQ(s.logit_bias, (std::map<int32_t, double>{{5, -100}, {6, 1.5}}));
  EXPECT_EQ(asked.seed, UINT64_MAX);
  EXPECT_EQ(asked.n, 2);
  EXPECT_EQ(asked.options.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(asked.options.stop_ids, std::vector<int32_t>{3});
  EXPECT_TRUE(asked.options.ignore_eos && asked.stream && asked.include_usage);
  EXPECT_EQ(asked.max_tokens, 9);
  EXPECT_EQ(asked.chances, 4);
  EXPECT_EQ(asked.adapter_scale, 0.25);
}

TEST(Asked, WhatIsNotThereIsTheDefault) {
  SamplingOptions defaults;
  defaults.temperature = 0.3;
  const Asked asked =
      parse_chat_request("{" + kMessages + R"(, "temperature": null})", defaults, {});
  EXPECT_EQ(asked.options.sampling.temperature, 0.3);
  EXPECT_FALSE(asked.max_tokens || asked.seed);
  EXPECT_EQ(asked.chances, -1);
  EXPECT_EQ(completion("").max_tokens, 16);
}

TEST(Asked, PromptsAreTextsOrIds) {
  const auto prompts = [](const std::string& text) {
    return parse_completion_request(R"({"prompt": )" + text + "}", {}, {}).prompts;
  };
  EXPECT_EQ(prompts(R"("a")").front().text, "a");
  EXPECT_EQ(prompts(R"(["a", "b"])").size(), 2u);
  EXPECT_EQ(prompts("[1, 2, 3]").front().ids, (std::vector<int32_t>{1, 2, 3}));
  const auto lists = prompts("[[1], [2, 3]]");
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(lists[1].ids, (std::vector<int32_t>{2, 3}));
  EXPECT_TRUE(lists[1].is_ids);
}

TEST(Asked, ErrorsNameTheField) {
  const auto of = [](const std::string& more) { return error_of(chat, more); };
  EXPECT_EQ(of(R"("temperature": "hot")"),
            "temperature: \"temperature\" is \"hot\", expected a number from 0 to 100");
  EXPECT_EQ(of(R"("temperature": -1)"),
            "temperature: \"temperature\" is -1, expected a number from 0 to 100");
  EXPECT_EQ(of(R"("n": 0)"), "n: \"n\" is 0, expected a whole number from 1 to 128");
  EXPECT_EQ(of(R"("n": 1.5)"), "n: \"n\" is 1.5, expected a whole number from 1 to 128");
  EXPECT_EQ(of(R"("stream": 1)"), "stream: \"stream\" is 1, expected true or false");
  EXPECT_EQ(of(R"("temprature": 1)"),
            "temprature: there is no field \"temprature\"; did you mean temperature?");
  EXPECT_EQ(of(R"("stream_options": {"include_usage": true})"),
            "stream_options: \"stream_options\" is there, and \"stream\" is not true");
  EXPECT_EQ(of(R"("stream": true, "stream_options": {"usage": true})"),
            "stream_options.usage: there is no field \"stream_options.usage\"");
  EXPECT_EQ(of(R"("logit_bias": {"x": 1})"),
            "logit_bias: \"logit_bias\" names the token \"x\", expected an id");
  EXPECT_EQ(of(R"("logit_bias": {"1": "x"})"),
            "logit_bias: \"logit_bias\" is \"x\", expected a number for each token");
  EXPECT_EQ(of(R"("top_logprobs": 2)"),
            "top_logprobs: \"top_logprobs\" is there, and \"logprobs\" is not true");
  EXPECT_EQ(of(R"("stop": [1])"), "stop: \"stop\" is 1, expected texts alone");
  EXPECT_EQ(of(R"("tools": {})"), "tools: \"tools\" is an object, expected a list");
  EXPECT_EQ(
      of(R"("max_tokens": 1, "max_completion_tokens": 2)"),
      "max_tokens: \"max_tokens\" is another number than \"max_completion_tokens\"; leave it out");
  EXPECT_EQ(error_of(completion, R"("best_of": 3)"),
            "best_of: \"best_of\" is another number than \"n\", which is not supported here; leave "
            "it out");
}

TEST(Asked, WhatIsNotSupportedIsNeverIgnored) {
  const auto of = [](const std::string& more) { return error_of(chat, more); };
  EXPECT_EQ(of(R"("store": true)"),
            "store: \"store\" is true, which is not supported here; the only value that is taken "
            "is false");
  EXPECT_EQ(of(R"("tool_choice": "required")"),
            "tool_choice: \"tool_choice\" is \"required\", expected none or auto");
  EXPECT_EQ(of(R"("functions": [])"),
            "functions: \"functions\" is a list of 0, which is not supported here; leave it out");
  EXPECT_EQ(of(R"("use_beam_search": true)").substr(0, 16), "use_beam_search:");
  EXPECT_EQ(error_of(completion, R"("suffix": "x")").substr(0, 7), "suffix:");
  EXPECT_EQ(error_of(completion, R"("messages": [])").substr(0, 9), "messages:");
  completion(R"("suffix": "", "use_beam_search": false, "length_penalty": 1.0, "min_tokens": 0)");
}

TEST(Asked, ABodyThatIsNoObjectIsSaid) {
  const auto of = [](const std::string& body) {
    return error_of([](const std::string& text) { parse_chat_request(text, {}, {}); }, body);
  };
  EXPECT_EQ(of("").substr(0, 31), ": the request's body is no JSON");
  EXPECT_EQ(of("{\"messages\": ").substr(0, 31), ": the request's body is no JSON");
  EXPECT_EQ(of("[]"), ": the request's body is a list of 0, expected an object");
  EXPECT_EQ(of("{}"), "messages: \"messages\" is missing");
  EXPECT_EQ(of(R"({"n": 1, "n": 2})").substr(0, 23), "n: the request's body h");
  EXPECT_NE(of(std::string(2000, '[')), "");
  EXPECT_EQ(of(R"({"messages": []})"), "messages: \"messages\" is not a list of messages");
  EXPECT_EQ(of(R"({"messages": [{"role": "pope", "content": "x"}]})").substr(0, 9), "messages:");
  EXPECT_EQ(
      of(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})").substr(0, 9),
      "messages:");
}

TEST(Asked, WhatWouldTakeLongToReadIsRefusedAtOnce) {
  std::string object = "{\"a\": \"\\\"{[:\"";
  for (int i = 0; i < 4000; ++i) object += fmt::format(", \"k{}\": 0", i);
  object += "}";
  chat("\"metadata\": " + object);
  std::string list = object;
  for (int i = 0; i < 10; ++i) list += ", " + object;
  EXPECT_EQ(error_of(chat, "\"metadata\": {\"b\": [" + list + "]}"),
            ": the request's body holds too many objects with too many members");
  EXPECT_LT(error_of(chat, "\"" + std::string(1 << 20, 'x') + "\": 1").size(), 1000u);
}

TEST(Asked, ThereIsAMostOfEverything) {
  std::string list = "1";
  for (int i = 0; i < 2000; ++i) list += ", 1";
  EXPECT_NE(error_of(
                [&](const std::string&) {
                  return parse_completion_request(R"({"prompt": ["a", "b", "c"]})", {},
                                                  {.prompts = 2});
                },
                ""),
            "");
  EXPECT_NE(error_of(chat, R"("stop_token_ids": [)" + list + "]"), "");
  EXPECT_NE(error_of(chat, R"("logprobs": true, "top_logprobs": 21)"), "");
  EXPECT_NE(error_of(completion, R"("max_tokens": 0)"), "");
  EXPECT_EQ(completion(R"("max_tokens": 0, "echo": true)").max_tokens, 0);
}

}  // namespace
}  // namespace falconer::serve
