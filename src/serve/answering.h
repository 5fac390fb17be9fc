// One request for answers, from its prompts to the last byte that the client gets. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "serve/asked.h"
#include "serve/backend.h"
#include "serve/http/server.h"
#include "serve/metrics.h"
#include "serve/shape.h"

namespace falconer::serve {

/// A request whose prompts are ids.
struct Prepared {
  Asked asked;
  std::vector<std::vector<int32_t>> prompts;
  std::string model, adapter;  // the name that answers have; empty: the base
  std::shared_ptr<const ModelTexts> texts;
  std::shared_ptr<grammar::TokenGrammar> grammar;  // null: answers are free
  std::vector<int32_t> ends;                       // that it may have
  std::string user;                                // whose turn it takes
  double arrived = 0;                              // now_seconds()
};

/// What all requests have in common. Outlives them.
struct AnsweringOf {
  Backend& backend;
  HttpServer& http;
  Metrics& metrics;
};

class Answering : public std::enable_shared_from_this<Answering> {
 public:
  /// Called once, at the end of the answer or where the client has gone.
  using OnEnd = std::function<void(const Answering&)>;

  Answering(const AnsweringOf& of, std::shared_ptr<Exchange> exchange, Prepared prepared,
            OnEnd on_end);

  /// Hands everything to the engine, which calls back through the loop. RequestErrors, and nothing was begun: the
  /// prompt does not fit.
  void start();
  /// Says to a client that waits that the server is there, where nothing was said since `before`.
  void ping(double before);

  const Prepared& prepared() const { return prepared_; }
  const Exchange& exchange() const { return *exchange_; }
  size_t choices() const { return choices_.size(); }
  Usage usage() const;
  /// Whether the client went before its answer's end.
  bool left() const { return left_; }
  /// For a log.
  std::string text(size_t choice) const { return choices_[choice].text; }

 private:
  struct Choice {
    size_t prompt = 0;
    uint64_t number = 0;  // the engine's
    std::string text, echoed;
    std::vector<ListedToken> tokens;
    int64_t count = 0, cached = 0;
    double last = 0;  // when its last token came
    bool any = false;
    std::string finish;
    std::optional<CompletionLogprobs> logprobs;  // of a stream
  };

  EngineRequest request_of(const Choice& choice, int64_t number) const;
  void submit_all();
  void begin_stream();
  void progress(size_t index, const EngineProgress& progress);
  void keep_time(Choice& choice, const EngineProgress& progress);
  void take(Choice& choice, const EngineProgress& progress);
  void send_chunk(size_t index, const std::string& text, std::vector<ListedToken> tokens,
                  const std::string& finish);
  Json logprobs_of(Choice& choice, std::span<const ListedToken> tokens) const;
  void answer_whole();
  void fail(int status, const std::string& message, const std::string& code);
  void cancel_all();
  void end();
  std::string echo_of(size_t prompt) const;
  bool one_more_token() const;
  const Tokenizer* tokenizer() const { return prepared_.texts->tokenizer(); }

  AnsweringOf of_;
  std::shared_ptr<Exchange> exchange_;
  Prepared prepared_;
  OnEnd on_end_;
  Shape shape_;
  std::vector<Choice> choices_;
  size_t open_ = 0;  // choices that have not ended
  double said_ = 0;  // when something was sent last
  bool ended_ = false, left_ = false;
};

}  // namespace falconer::serve
