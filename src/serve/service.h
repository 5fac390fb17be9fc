// The server's endpoints: OpenAI's, some of vLLM's, health, metrics and the page.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "serve/answering.h"
#include "serve/error.h"
#include "serve/keys.h"
#include "serve/worker.h"

namespace falconer::serve {

struct ServiceOptions {
  HttpServerOptions http;
  ApiKeys keys;      // none: everybody may ask
  std::string cors;  // the origin whose pages may ask, or "*"; empty: this server's own alone
  bool load_adapters = false;   // by request
  std::string adapters_folder;  // below which they must lie then
  int64_t answers = 1024;       // at once, those that wait included
  bool log_prompts = false;
  double stop_seconds = 10;  // that answers have to come to their end
  AskedLimits asked;
};

class Service {
 public:
  /// Both outlive it. Errors: as HttpServer's.
  Service(Backend& backend, ServedModel model, ServiceOptions options);
  ~Service();

  int port() const { return http_->port(); }
  /// Serves until `stopped`, which is asked every tenth of a second, or stop().
  void run(const std::function<bool()>& stopped);
  /// From any thread.
  void stop() { stop_asked_ = true; }

 private:
  using Call = std::shared_ptr<Exchange>;
  struct Route;
  static const std::vector<Route>& routes();

  // service.cc: what is the same for all endpoints.
  void handle(const Call& call);
  void route(const Call& call);
  void check_origin(const Call& call) const;
  void answer_preflight(const Call& call) const;
  void check_key(Exchange& call) const;
  std::string user_of(const Exchange& call) const;
  void finish(const Call& call, const HttpResponse& response);
  void fail_call(const Call& call, const std::exception_ptr& error);
  void keep_record(const Exchange& call, const std::string& more = {});
  /// Answers with what `work` returns, on the worker's thread, or throws.
  void answer_from(Worker& worker, const Call& call, std::function<HttpResponse()> work);
  void look_around();
  void begin_to_stop();

  // answers.cc
  void chat(const Call& call);
  void completions(const Call& call);
  void prepare(const Call& call, bool chat);
  Prepared prepared(const std::string& body, bool chat) const;
  void choose_grammar(Prepared& made) const;
  void begin_answers(const Call& call, Prepared prepared, double arrived);
  void end_answers(const Answering& answers);

  // models.cc
  void page(const Call& call);
  void health(const Call& call);
  void metrics_text(const Call& call);
  void models(const Call& call);
  void model(const Call& call);
  void tokenizer_info(const Call& call);
  void tokenize(const Call& call);
  void detokenize(const Call& call);
  void load_adapter(const Call& call);
  void unload_adapter(const Call& call);
  Json model_json(const std::string& name) const;
  std::string adapter_path(const std::string& asked) const;
  /// The adapter that `model` names; empty: the base. RequestError: there is none.
  std::string adapter_of(const std::string& model) const;
  std::shared_ptr<const ModelTexts> texts_of(const std::string& adapter) const;
  /// RequestError: there is no tokenizer, which `field` needs.
  const Tokenizer& tokenizer_of(const ModelTexts& texts, const char* field = "") const;
  /// The prompt of messages. RequestErrors name what of the request the prompt style refuses.
  std::vector<int32_t> ids_of_chat(const ModelTexts& texts, const Conversation& conversation) const;

  Backend& backend_;
  const ServedModel model_;
  const ServiceOptions options_;
  mutable AnswerFormats formats_;
  Metrics metrics_;
  std::unique_ptr<HttpServer> http_;
  std::unordered_map<const Exchange*, std::shared_ptr<Answering>> answering_;
  int64_t preparing_ = 0;  // requests that a worker looks at
  size_t preparing_bytes_ = 0;
  std::function<bool()> stopped_;
  std::atomic<bool> stop_asked_ = false;
  bool stopping_ = false, drained_ = false;
  double stop_by_ = 0;
  Worker texts_worker_, adapters_worker_, end_worker_;  // last: what they do needs the rest
};

}  // namespace falconer::serve
