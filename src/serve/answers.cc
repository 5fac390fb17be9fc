// /v1/chat/completions and /v1/completions.
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "base/log.h"
#include "base/system.h"
#include "serve/service.h"

namespace falconer::serve {
namespace {

// A text must not look like lines of the log.
std::string on_one_line(const std::string& text) { return json_text(nlohmann::json(text)); }

constexpr int64_t kMostPreparing = 512;                   // requests that wait to be looked at,
constexpr size_t kMostPreparingBytes = size_t{64} << 20;  // and what their bodies have together

}  // namespace

void Service::chat(const Call& call) { prepare(call, true); }
void Service::completions(const Call& call) { prepare(call, false); }

void Service::prepare(const Call& call, bool chat) {
  if (stopping_) throw busy(503, "the server is about to stop", "shutting_down");
  const size_t bytes = call->request.body.size();
  if (metrics_.answers >= options_.answers || preparing_ >= kMostPreparing ||
      (preparing_ > 0 && preparing_bytes_ + bytes > kMostPreparingBytes))
    throw busy(429, "the server is busy with other requests", "rate_limit_exceeded");
  ++preparing_;
  preparing_bytes_ += bytes;
  texts_worker_.add([this, call, chat, bytes, arrived = now_seconds()] {
    auto made = std::make_shared<Prepared>();
    auto failed = std::make_shared<std::exception_ptr>();
    try {
      *made = prepared(call->request.body, chat);
    } catch (...) {
      *failed = std::current_exception();
    }
    http_->post([this, call, bytes, made, failed, arrived] {
      --preparing_;
      preparing_bytes_ -= bytes;
      call->request.body = {};
      try {
        if (*failed) std::rethrow_exception(*failed);
        begin_answers(call, std::move(*made), arrived);
      } catch (...) {
        fail_call(call, std::current_exception());
      }
    });
  });
}

Prepared Service::prepared(const std::string& body, bool chat) const {
  Prepared made;
  made.asked = chat ? parse_chat_request(body, model_.defaults, options_.asked)
                    : parse_completion_request(body, model_.defaults, options_.asked);
  Asked& asked = made.asked;
  if (chat && !asked.max_tokens) asked.max_tokens = model_.max_tokens;
  made.adapter = adapter_of(asked.model);
  made.model = made.adapter.empty() ? model_.name : made.adapter;
  made.texts = texts_of(made.adapter);
  if (chat) made.prompts.push_back(ids_of_chat(*made.texts, asked.conversation));
  for (const AskedPrompt& prompt : asked.prompts)
    made.prompts.push_back(prompt.is_ids ? prompt.ids
                                         : tokenizer_of(*made.texts, "prompt").encode(prompt.text));
  const char* field = chat ? "messages" : "prompt";
  for (const auto& ids : made.prompts) {
    if (ids.empty()) throw RequestError(400, "the prompt is empty", field, "invalid_value");
    if (std::ssize(ids) >= model_.context)
      throw RequestError(400,
                         fmt::format("the prompt has {} tokens, and the model's context is {} with "
                                     "the answer; give a shorter one",
                                     ids.size(), model_.context),
                         field, "context_length_exceeded");
  }
  for (const auto& [id, bias] : asked.options.sampling.logit_bias)
    if (id >= model_.vocab)
      throw RequestError(400,
                         fmt::format("\"logit_bias\" names the token {}, and the model has 0 to {}",
                                     id, model_.vocab - 1),
                         "logit_bias", "invalid_value");
  choose_grammar(made);
  return made;
}

void Service::choose_grammar(Prepared& made) const {
  const Asked& asked = made.asked;
  if (asked.format.kind == AskedFormat::Kind::kText) return;
  const Tokenizer& tokenizer = tokenizer_of(*made.texts, "response_format");
  try {
    made.grammar = formats_.find(asked.format, made.texts->shared_tokenizer());
  } catch (const Error& error) {
    throw RequestError(400, error.what(), "response_format", "invalid_json_schema");
  }
  if (asked.options.ignore_eos) return;  // it ends where the grammar allows nothing more
  made.ends = model_.ends;
  const std::vector<int32_t> of_turn = made.texts->ends_of_turn();
  made.ends.insert(made.ends.end(), of_turn.begin(), of_turn.end());
  made.ends.insert(made.ends.end(), asked.options.stop_ids.begin(), asked.options.stop_ids.end());
  if (tokenizer.eos_id()) made.ends.push_back(*tokenizer.eos_id());
}

void Service::begin_answers(const Call& call, Prepared prepared, double arrived) {
  if (call->gone()) return keep_record(*call, " gone");
  if (stopping_) throw busy(503, "the server is about to stop", "shutting_down");
  const auto count = static_cast<int64_t>(prepared.prompts.size()) * prepared.asked.n;
  if (count > options_.answers)
    throw RequestError(400,
                       worded("the request asks for {} answers; at most {} are given at once "
                              "(--max-answers)",
                              count, options_.answers),
                       prepared.asked.n > 1 ? "n" : "prompt", "invalid_value");
  if (metrics_.answers + count > options_.answers)
    throw busy(429, "the server is busy with other requests", "rate_limit_exceeded");
  prepared.arrived = arrived;
  prepared.user = user_of(*call);
  if (options_.log_prompts)
    for (size_t i = 0; i < prepared.prompts.size(); ++i)
      log_info("prompt of {} tokens: {}", prepared.prompts[i].size(),
               on_one_line(text_of(prepared.texts->tokenizer(), prepared.prompts[i])));
  auto answers = std::make_shared<Answering>(
      AnsweringOf{backend_, *http_, metrics_}, call, std::move(prepared),
      [this](const Answering& ended) { end_answers(ended); });
  answers->start();
  answering_.emplace(call.get(), answers);
}

void Service::end_answers(const Answering& answers) {
  const Usage usage = answers.usage();
  keep_record(answers.exchange(),
              fmt::format(" {} {}+{} tokens {:.3f} s{}", answers.prepared().model, usage.prompt,
                          usage.answer, now_seconds() - answers.prepared().arrived,
                          answers.left() ? " gone" : ""));
  if (options_.log_prompts)
    for (size_t i = 0; i < answers.choices(); ++i)
      log_info("answer: {}", on_one_line(answers.text(i)));
  answering_.erase(&answers.exchange());
}

}  // namespace falconer::serve
