#include "falconer/serve.h"

#include <ctime>
#include <filesystem>

#include "api/model/generation_settings.h"
#include "api/serve/backend.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/path.h"
#include "generate/ends.h"
#include "serve/service.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

// "falcon-7b" of "models/falcon-7b/" and of "tiiuae/falcon-7b@main".
std::string last_part(const std::string& checkpoint) {
  fs::path path(checkpoint);
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = path.filename().string();
  if (name.empty() || name == "." || name == "..")
    return fs::absolute(path).lexically_normal().filename().string();
  return fs::exists(checkpoint) ? name : name.substr(0, name.find('@'));
}

// What a request leaves out is OpenAI's default, or what the file says, as in vLLM: without a look at "do_sample".
void choose_defaults(serve::ServedModel& model, const std::string& checkpoint, bool from_file) {
  SamplingSettings s{.max_new_tokens = 0, .temperature = 1, .top_k = 0};
  const fs::path file = fs::path(checkpoint) / "generation_config.json";
  if (from_file && is_there(file)) {
    take_generation_config(file, s);
    log_info(
        "requests that do not say otherwise have the settings of {}: temperature {}, top-k {}, "
        "top-p {}",
        file.string(), s.temperature, s.top_k, s.top_p);
  }
  model.defaults = {.temperature = s.temperature,
                    .top_k = s.top_k,
                    .top_p = s.top_p,
                    .min_p = s.min_p,
                    .typical_p = s.typical_p,
                    .repetition_penalty = s.repetition_penalty,
                    .no_repeat_ngram_size = s.no_repeat_ngram_size,
                    .logit_bias = {}};
  if (s.max_new_tokens > 0) model.max_tokens = s.max_new_tokens;
}

serve::ServiceOptions service_options(const ServeOptions& o) {
  serve::ServiceOptions made;
  made.http = {.host = o.host,
               .port = static_cast<int>(o.port),
               .limits = {.body = static_cast<size_t>(o.max_body)},
               .connections = o.max_connections,
               .idle_seconds = o.idle_timeout,
               .request_seconds = o.request_timeout,
               .write_seconds = o.write_timeout};
  if (!o.api_key_file.empty()) made.keys = serve::ApiKeys::read(o.api_key_file);
  made.cors = o.cors;
  made.load_adapters = o.load_adapters;
  made.adapters_folder = o.adapters;
  made.answers = o.max_answers;
  made.log_prompts = o.log_prompts;
  made.stop_seconds = o.stop_timeout;
  return made;
}

}  // namespace

struct Server::Impl {
  Impl(const ServeOptions& options, serve::ServiceOptions serving)
      : host(options.host), backend(options) {
    serve::ServedModel model{.name = options.model_name,
                             .context = backend.config().context,
                             .vocab = backend.config().vocab,
                             .ends = ends_of_answer(backend.config(), nullptr),
                             .defaults = {},
                             .created = static_cast<int64_t>(std::time(nullptr))};
    choose_defaults(model, backend.checkpoint(), options.generation_config);
    service = std::make_unique<serve::Service>(backend, std::move(model), std::move(serving));
  }
  ~Impl() { backend.shut_down(0); }  // calls back into the service until then

  std::string host;
  ModelBackend backend;
  std::unique_ptr<serve::Service> service;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

Server Server::open(const ServeOptions& options) {
  check_bounds(options);
  serve::ServiceOptions serving = service_options(options);
  serve::check_address(serving.http);
  ServeOptions named = options;
  if (named.model_name.empty()) named.model_name = last_part(options.model.checkpoint);
  return Server(std::make_unique<Impl>(named, std::move(serving)));
}

int Server::port() const { return impl_->service->port(); }

std::string Server::address() const {
  const bool brackets = impl_->host.find(':') != std::string::npos && !impl_->host.starts_with('[');
  return fmt::format("http://{}{}{}:{}", brackets ? "[" : "", impl_->host, brackets ? "]" : "",
                     port());
}

void Server::run() { impl_->service->run(&interrupted); }

void Server::stop() { impl_->service->stop(); }

}  // namespace falconer
