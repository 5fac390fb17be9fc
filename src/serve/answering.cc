#include "serve/answering.h"

#include <algorithm>
#include <ctime>
#include <random>

#include "base/error.h"
#include "base/system.h"
#include "serve/error.h"

namespace falconer::serve {
namespace {

uint64_t seed_by_chance() {
  std::random_device chance;
  return (uint64_t{chance()} << 32) | chance();
}

}  // namespace

Answering::Answering(const AnsweringOf& of, std::shared_ptr<Exchange> exchange, Prepared prepared,
                     OnEnd on_end)
    : of_(of),
      exchange_(std::move(exchange)),
      prepared_(std::move(prepared)),
      on_end_(std::move(on_end)),
      shape_(prepared_.asked.chat, prepared_.model, std::time(nullptr)) {
  Asked& asked = prepared_.asked;
  if (!asked.seed) asked.seed = seed_by_chance();
  GenerateOptions& options = asked.options;
  options.sampling.seed = *asked.seed;
  options.max_new_tokens = std::max<int64_t>(1, asked.max_tokens.value_or(int64_t{1} << 30));
  if (!options.ignore_eos) {
    for (const int32_t id : prepared_.texts->ends_of_turn()) options.stop_ids.push_back(id);
    if (std::string end = prepared_.texts->text_behind_turn(); !end.empty())
      options.stop.push_back(std::move(end));
  }
  for (size_t prompt = 0; prompt < prepared_.prompts.size(); ++prompt)
    for (int64_t i = 0; i < asked.n; ++i) {
      choices_.emplace_back();
      choices_.back().prompt = prompt;
      if (asked.echo) choices_.back().echoed = echo_of(prompt);
    }
}

// A single token with its number is given out whatever it is: whoever asks for it, as lm_eval does behind each prompt,
// counts on as many numbers as there are tokens.
bool Answering::one_more_token() const {
  const Asked& asked = prepared_.asked;
  return !asked.chat && asked.chances >= 0 && asked.max_tokens == 1;
}

std::string Answering::echo_of(size_t prompt) const {
  const AskedPrompt& asked = prepared_.asked.prompts[prompt];
  if (!asked.is_ids) return asked.text;
  return text_of(tokenizer(), asked.ids);
}

EngineRequest Answering::request_of(const Choice& choice, int64_t number) const {
  const Asked& asked = prepared_.asked;
  EngineRequest request;
  request.prompt = prepared_.prompts[choice.prompt];
  request.adapter = prepared_.adapter;
  request.adapter_scale = asked.adapter_scale;
  request.options = asked.options;
  if (one_more_token()) request.options.ignore_eos = true;
  request.stream = static_cast<uint32_t>(number);
  request.chances = asked.chances;
  request.prompt_chances = asked.echo && asked.chances >= 0;
  request.user = prepared_.user;
  if (prepared_.grammar != nullptr) request.mask = mask_of(prepared_.grammar, prepared_.ends);
  request.tokenizer = tokenizer();
  return request;
}

void Answering::submit_all() {
  for (size_t i = 0; i < choices_.size(); ++i) {
    // Has the texts, so that the tokenizer is there as long as the engine has the request.
    auto on_progress = [weak = weak_from_this(), &http = of_.http, i,
                        texts = prepared_.texts](const EngineProgress& made) {
      http.post([weak, i, made] {
        if (const auto self = weak.lock()) self->progress(i, made);
      });
    };
    try {
      choices_[i].number =
          of_.backend.submit(request_of(choices_[i], static_cast<int64_t>(i)), on_progress);
    } catch (const Error& error) {
      cancel_all();
      // Between its texts and this it was unloaded.
      if (of_.backend.texts(prepared_.adapter) == nullptr)
        throw RequestError(404, error.what(), "model", "model_not_found");
      const bool scale = std::string_view(error.what()).starts_with("adapter_scale");
      throw RequestError(400, error.what(),
                         scale                  ? "adapter_scale"
                         : prepared_.asked.chat ? "messages"
                                                : "prompt",
                         scale ? "invalid_value" : "invalid_prompt");
    }
    ++open_;
  }
}

void Answering::start() {
  submit_all();
  of_.metrics.answers += static_cast<int64_t>(choices_.size());
  of_.metrics.by_model[prepared_.model] += static_cast<int64_t>(choices_.size());
  exchange_->on_gone([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    for (Choice& choice : self->choices_)
      if (choice.finish.empty()) choice.finish = "gone";
    self->left_ = true;
    self->cancel_all();
    self->end();
  });
  if (prepared_.asked.stream) begin_stream();
}

void Answering::begin_stream() {
  exchange_->fields.emplace_back("Cache-Control", "no-cache");
  exchange_->fields.emplace_back("X-Accel-Buffering", "no");  // nginx hands on what comes
  exchange_->begin(200, "text/event-stream; charset=utf-8");
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (prepared_.asked.chances >= 0 && !prepared_.asked.chat)
      choices_[i].logprobs.emplace(tokenizer());
    if (prepared_.asked.chat)
      exchange_->send(event_of(shape_.chunk(static_cast<int64_t>(i), "", nullptr, "", true,
                                            prepared_.asked.include_usage)));
    else if (!choices_[i].echoed.empty() && prepared_.asked.chances < 0)
      send_chunk(i, std::exchange(choices_[i].echoed, {}), {}, "");
  }
  said_ = now_seconds();
}

void Answering::ping(double before) {
  if (ended_ || !prepared_.asked.stream || said_ > before) return;
  exchange_->send(kPing);
  said_ = now_seconds();
}

void Answering::keep_time(Choice& choice, const EngineProgress& made) {
  if (made.ids.empty()) return;
  const double now = now_seconds();
  if (!std::exchange(choice.any, true))
    of_.metrics.first_token.observe(now - prepared_.arrived);
  else
    of_.metrics.between_tokens.observe((now - choice.last) / static_cast<double>(made.ids.size()));
  choice.last = now;
}

void Answering::take(Choice& choice, const EngineProgress& made) {
  if (made.cached_tokens > 0) choice.cached = made.cached_tokens;
  if (!made.prompt_chances.empty() || (prepared_.asked.echo && choice.tokens.empty())) {
    choice.tokens.push_back(
        {.chances = {.id = prepared_.prompts[choice.prompt].front()}, .known = false});
    for (const TokenChances& chances : made.prompt_chances) choice.tokens.push_back({chances});
  }
  if (prepared_.asked.max_tokens == 0) return;  // the token behind the prompt was not asked for
  choice.count += static_cast<int64_t>(made.ids.size());
  choice.text += made.text;
  for (const TokenChances& chances : made.chances) choice.tokens.push_back({chances});
}

void Answering::progress(size_t index, const EngineProgress& made) {
  Choice& choice = choices_[index];
  if (ended_ || !choice.finish.empty()) return;
  keep_time(choice, made);
  if (made.finish_reason == "error") return fail(500, made.error, "engine_error");
  if (made.finish_reason == "cancelled")
    return fail(503, "the server is about to stop", "shutting_down");
  const size_t before = choice.tokens.size(), length = choice.text.size();
  take(choice, made);
  choice.finish = made.finish_reason;
  if (!choice.finish.empty()) {
    if (one_more_token() && choice.count > 0 && tokenizer() != nullptr &&
        choice.tokens.back().chances.id == tokenizer()->eos_id())
      choice.finish = "stop";
    ++of_.metrics.finished[choice.finish];
    --open_;
  }
  if (prepared_.asked.stream) {
    const auto from = choice.tokens.begin() + static_cast<std::ptrdiff_t>(before);
    std::vector<ListedToken> tokens(from, choice.tokens.end());
    // The prompt with its tokens' numbers, which come with the first.
    const std::string text = std::exchange(choice.echoed, {}) + choice.text.substr(length);
    if (!text.empty() || !tokens.empty() || (!prepared_.asked.chat && !choice.finish.empty()))
      send_chunk(index, text, std::move(tokens), prepared_.asked.chat ? "" : choice.finish);
    if (prepared_.asked.chat && !choice.finish.empty()) send_chunk(index, "", {}, choice.finish);
  }
  if (open_ > 0) return;
  if (!prepared_.asked.stream) {
    answer_whole();
  } else {
    if (prepared_.asked.include_usage) exchange_->send(event_of(shape_.usage_chunk(usage())));
    exchange_->send(kLastEvent);
    exchange_->end();
  }
  end();
}

Json Answering::logprobs_of(Choice& choice, std::span<const ListedToken> tokens) const {
  const Asked& asked = prepared_.asked;
  if (asked.chances < 0) return nullptr;
  if (asked.chat) return chat_logprobs(tokenizer(), tokens);
  if (!choice.logprobs) choice.logprobs.emplace(tokenizer());
  return choice.logprobs->of(tokens, asked.chances > 0);
}

void Answering::send_chunk(size_t index, const std::string& text, std::vector<ListedToken> tokens,
                           const std::string& finish) {
  Json logprobs = tokens.empty() ? Json() : logprobs_of(choices_[index], tokens);
  exchange_->send(event_of(shape_.chunk(static_cast<int64_t>(index), text, logprobs, finish, false,
                                        prepared_.asked.include_usage)));
  said_ = now_seconds();
}

void Answering::answer_whole() {
  Json made = Json::array();
  for (size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    made.push_back(shape_.choice(static_cast<int64_t>(i), choice.echoed + choice.text,
                                 logprobs_of(choice, choice.tokens), choice.finish));
  }
  exchange_->answer({.body = json_text(shape_.whole(std::move(made), usage())) + "\n"});
}

Usage Answering::usage() const {
  Usage usage;
  for (const auto& prompt : prepared_.prompts) usage.prompt += std::ssize(prompt);
  for (size_t i = 0; i < choices_.size(); ++i) {
    usage.answer += choices_[i].count;
    if (static_cast<int64_t>(i) % prepared_.asked.n == 0) usage.cached += choices_[i].cached;
  }
  return usage;
}

void Answering::fail(int status, const std::string& message, const std::string& code) {
  cancel_all();
  const RequestError error =
      status == 503 ? busy(status, message, code) : RequestError(status, message, "", code);
  ++of_.metrics.finished["error"];
  if (exchange_->begun()) {
    exchange_->send("data: " + error_text(error) + "\n\n");
    exchange_->end();
  } else {
    exchange_->answer(error_response(error));
  }
  end();
}

void Answering::cancel_all() {
  for (const Choice& choice : choices_)
    if (choice.number != 0 && (choice.finish.empty() || choice.finish == "gone"))
      of_.backend.cancel(choice.number);
}

void Answering::end() {
  if (std::exchange(ended_, true)) return;
  of_.metrics.answers -= static_cast<int64_t>(choices_.size());
  for (const Choice& choice : choices_)
    if (choice.finish == "gone") ++of_.metrics.finished["gone"];
  of_.metrics.request.observe(now_seconds() - prepared_.arrived);
  if (const auto call = std::exchange(on_end_, nullptr)) call(*this);
}

}  // namespace falconer::serve
