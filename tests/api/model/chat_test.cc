// Conversations from rows to answers: what a model is trained on is what it is asked with.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "falconer/falconer.h"
#include "support/chat_checkpoint.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTemplate =
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}<|endoftext|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}";
constexpr const char* kOther = "{% for m in messages %}({{ m.content }}){% endfor %}";

class ChatModel : public testing::Test {
 protected:
  ChatModel() {
    set_verbosity("quiet");
    fs::copy(std::string(source_dir()) + "/demo/checkpoint", checkpoint());
    write_template(kTemplate);
    std::string rows;
    for (int i = 0; i < 8; ++i)
      rows += nlohmann::json({{"messages",
                               {{{"role", "user"}, {"content", "The owl?"}},
                                {{"role", "assistant"}, {"content", "By the lake."}}}}})
                  .dump() +
              "\n";
    write_file(folder / "rows.jsonl", rows);
  }

  std::string checkpoint() const { return (folder / "checkpoint").string(); }
  std::string adapter() const { return (folder / "out/final").string(); }
  void write_template(const char* source) {
    write_file(folder / "checkpoint/chat_template.jinja", source);
  }
  FinetuneOptions options() const {
    FinetuneOptions o;
    o.method = "lora";
    o.checkpoint = checkpoint();
    o.data = (folder / "rows.jsonl").string();
    o.out = (folder / "out").string();
    o.max_steps = 1;
    o.batch_size = 4;
    return o;
  }

  const TempFolder folder;
  const Chat question = parse_chat(R"({"messages":[{"role":"user","content":"The owl?"}]})");
};

TEST_F(ChatModel, IsAskedWithTheTemplateThatItWasTrainedWith) {
  finetune(options());
  const auto record = nlohmann::json::parse(read_text_file(fs::path(adapter()) / "falconer.json"));
  EXPECT_EQ(record["prompt_style"], "chat");
  EXPECT_EQ(record["prompt_template"], kTemplate);
  write_template(kOther);
  const Model trained = Model::open({.checkpoint = checkpoint(), .adapter = adapter()});
  EXPECT_EQ(trained.prompt_style(), "chat");
  EXPECT_EQ(trained.decode(trained.encode_chat(question)),
            "[user] The owl?<|endoftext|>[assistant] ");
  EXPECT_EQ(trained.encode_chat(question), trained.encode_prompt("The owl?"));
  EXPECT_EQ(trained.decode(trained.encode_chat(question, true)), "The owl?") << "raw";
  const Model base = Model::open({.checkpoint = checkpoint()});
  EXPECT_EQ(base.decode(base.encode_chat(question)), "(The owl?)") << "its own template";
}

// As transformers' trainer saves one: with its tokenizer's files, and nothing of ours.
TEST_F(ChatModel, AnAdaptersOwnTemplateGoesBeforeTheCheckpoints) {
  finetune(options());
  fs::remove(fs::path(adapter()) / "falconer.json");
  const Model without = Model::open({.checkpoint = checkpoint(), .adapter = adapter()});
  EXPECT_EQ(without.decode(without.encode_chat(question)),
            "[user] The owl?<|endoftext|>[assistant] ");
  write_file(fs::path(adapter()) / "chat_template.jinja", kOther);
  const Model own = Model::open({.checkpoint = checkpoint(), .adapter = adapter()});
  EXPECT_EQ(own.decode(own.encode_chat(question)), "(The owl?)");
}

TEST_F(ChatModel, AnAdaptersOwnTokenizerGoesBeforeTheCheckpoints) {
  finetune(options());
  fs::remove(fs::path(adapter()) / "falconer.json");
  const std::string text = "<|im_start|>The owl?";
  const auto ids = [&](const Model& model) { return model.encode_prompt(text, "", true); };
  const std::vector<int32_t> before = ids(Model::open({.checkpoint = checkpoint()}));
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy(fs::path(checkpoint()) / file, adapter());
  EXPECT_EQ(ids(Model::open({.checkpoint = checkpoint(), .adapter = adapter()})), before)
      << "the same one";

  write_chat_checkpoint(adapter(), "", {"<|im_start|>"});
  Model own = Model::open({.checkpoint = checkpoint(), .adapter = adapter()});
  EXPECT_LT(ids(own).size(), before.size()) << "the marker is one token";
  EXPECT_EQ(own.decode(ids(own)), text);
  own.set_adapter("");
  EXPECT_EQ(ids(own), before);
  own.load_adapter("again", adapter());
  EXPECT_EQ(ids(own), before) << "loaded, and not in use";
  own.set_adapter("again");
  EXPECT_LT(ids(own).size(), before.size());

  const std::string tokenizer = read_text_file(fs::path(adapter()) / "tokenizer.json");
  const std::string merged = (folder / "merged").string(), exported = (folder / "peft").string();
  merge({.checkpoint = checkpoint(), .adapter = adapter(), .out = merged});
  export_model(
      {.checkpoint = checkpoint(), .adapter = adapter(), .out = exported, .format = "peft"});
  for (const std::string& out : {merged, exported})
    EXPECT_EQ(read_text_file(fs::path(out) / "tokenizer.json"), tokenizer);
  EXPECT_EQ(read_text_file(fs::path(merged) / "chat_template.jinja"), kTemplate);

  FinetuneOptions on = options();
  on.out = (folder / "on").string();
  on.init_adapter = adapter();
  expect_mentions(message_of([&] { finetune(on); }), {"its own tokenizer", "any"});
  on.any_base = true;
  EXPECT_NO_THROW(finetune(on));
}

TEST_F(ChatModel, IsEvaluatedOnItsLastAnswer) {
  const EvaluateReport report = evaluate({.model = {.checkpoint = checkpoint()},
                                          .data = (folder / "rows.jsonl").string(),
                                          .sampling = {.max_new_tokens = 4, .temperature = 0},
                                          .limit = 2});
  ASSERT_EQ(report.models[0].rows.size(), 2u);
  EXPECT_EQ(report.models[0].rows[0].instruction, "The owl?");
  EXPECT_EQ(report.models[0].rows[0].expected, "By the lake.");
}

TEST_F(ChatModel, AnswersEndWithTheTokenThatEndsATurn) {
  const Model model = Model::open({.checkpoint = checkpoint()});
  std::vector<int32_t> ids = model.encode_prompt("By the lake.<|endoftext|>", "", true);
  EXPECT_EQ(model.decode(ids), "By the lake.");
}

TEST_F(ChatModel, AStyleThatNoRowOfTextTakesIsNoBadRow) {
  write_file(folder / "rows.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n");
  FinetuneOptions o = options();
  o.prompt_style = "alpaca";
  o.skip_bad = true;
  const std::string message = message_of([&] { finetune(o); });
  expect_mentions(message, {"format text", "--prompt-style", "alpaca"});
  EXPECT_EQ(message.find("line 1"), std::string::npos);
}

TEST(ParseChat, SaysWhatIsWrong) {
  const Chat chat = parse_chat(
      R"({"messages":[{"role":"human","content":[{"type":"text","text":"a"}]},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}],"tools":[{"name":"f"}]})");
  ASSERT_EQ(chat.messages.size(), 2u);
  EXPECT_EQ(chat.messages[0].role, "user");
  EXPECT_EQ(chat.messages[0].content, "a");
  EXPECT_EQ(nlohmann::json::parse(chat.messages[1].more)["tool_calls"][0]["id"], "1");
  EXPECT_EQ(chat.tools, R"([{"name":"f"}])");
  expect_mentions(message_of([] { parse_chat("{"); }), {"messages"});
  expect_mentions(message_of([] { parse_chat(R"({"messages":[{"role":"king"}]})"); }), {"king"});
}

}  // namespace
}  // namespace falconer::test
