#include "api/serve/backend.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "api/common.h"
#include "api/model/base_check.h"
#include "api/model/open_texts.h"
#include "api/model/resolve.h"
#include "base/error.h"
#include "base/log.h"
#include "base/plural.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapterFiles[] = {"adapter_config.json", "final/adapter_config.json"};

struct Named {
  std::string name, path;
};

Named named(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == text.npos || equals + 1 == text.size())
    fail_usage("--adapter is \"{}\"; expected NAME=PATH, such as support=out/lora",
               printable(text));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// Two models of one name could not be told apart. Those of a folder are named by their folders.
void check_names(const std::vector<Named>& adapters, const std::string& base) {
  std::set<std::string> names;
  for (const Named& one : adapters) {
    if (one.name == base)
      fail_usage("the base and an adapter are both called {}; give another --model-name",
                 printable(base));
    if (!names.insert(one.name).second)
      fail_usage("--adapter names two adapters \"{}\"; give one of them another name",
                 printable(one.name));
  }
}

// Those of the folder by name, which one of --adapter may have already.
std::vector<Named> adapters_of(const ServeOptions& options) {
  std::vector<Named> all;
  for (const std::string& text : options.adapter) all.push_back(named(text));
  if (options.adapters.empty()) {
    if (options.load_adapters)
      fail_usage("--load-adapters needs --adapters, the folder that adapters may be loaded from");
    return all;
  }
  if (!fs::is_directory(options.adapters))
    fail("--adapters {}: is no folder; name the one that has the adapters", options.adapters);
  std::vector<Named> found;
  for (const auto& entry : fs::directory_iterator(options.adapters))
    if (std::any_of(std::begin(kAdapterFiles), std::end(kAdapterFiles),
                    [&](const char* file) { return fs::exists(entry.path() / file); }))
      found.push_back({entry.path().filename().string(), entry.path().string()});
  std::sort(found.begin(), found.end(),
            [](const Named& a, const Named& b) { return a.name < b.name; });
  for (Named& one : found)
    if (std::none_of(all.begin(), all.end(), [&](const Named& a) { return a.name == one.name; }))
      all.push_back(std::move(one));
  return all;
}

// `planning`: nothing of the weights is read.
std::unique_ptr<Session> open_session(const ModelOptions& options, bool planning) {
  return Session::open({.checkpoint = options.checkpoint,
                        .precision = parse_precision(options.precision),
                        .device = options.device,
                        .quantise = parse_quantise(options.quantize),
                        .whole_numbers = in_whole_numbers(options.compute, true),
                        .planning = planning});
}

// Half of the memory at most goes to states of sequences; those that do not run are kept for prompts that begin alike.
int64_t plan_states(Session& session, int64_t memory, SchedulerOptions& made) {
  const int64_t one = KvCache::state_bytes(session.decoder(), session.run().activation);
  if (one == 0) return 0;
  const int64_t all = std::max<int64_t>(1, memory / 2 / one);
  made.most_running = std::min(made.most_running, std::max<int64_t>(1, all / 2));
  if (made.keep_prefixes) made.kept_states = std::min(made.most_running, all - made.most_running);
  const int64_t bytes = (made.most_running + made.kept_states) * one;
  if (!session.options().planning)
    log_info("states of {} sequences: {:.2f} GB", made.most_running + made.kept_states,
             static_cast<double>(bytes) / 1e9);
  return bytes;
}

SchedulerOptions plan(Session& session, const ServeOptions& options) {
  SchedulerOptions made{.most_running = options.max_running.value_or(usual_running(session)),
                        .keep_prefixes = options.prefix_cache};
  const int64_t page = KvCache::page_bytes(session.decoder(), session.run().activation);
  const int64_t of_one = session.config().context / kPageRows + 1;
  const int64_t most = INT32_MAX / kPageRows;  // rows are counted in 32 bits
  const int64_t free = session.available_bytes() / 4 * 3;
  const int64_t memory = std::min(options.cache, free),
                pages = memory - plan_states(session, memory, made);
  made.pages = std::min({most, made.most_running * of_one, pages / page});
  if (made.pages < 1)
    fail_usage(
        "--cache is {} bytes, and {} are free; {} tokens take {}, and an answer of the whole "
        "context {}",
        options.cache, free, kPageRows, page, page * of_one);
  if (session.options().planning) return made;
  if (made.pages < of_one)
    log_warning(
        "the memory for keys and values holds {} tokens, and the model's context is {}: longer "
        "requests are refused",
        made.pages * kPageRows, session.config().context);
  log_info("keys and values: {:.2f} GB for {} tokens, up to {} {} at a time",
           static_cast<double>(made.pages * page) / 1e9, made.pages * kPageRows, made.most_running,
           plural(static_cast<size_t>(made.most_running), "answer"));
  return made;
}

}  // namespace

ModelBackend::ModelBackend(const ServeOptions& options) : options_(options.model) {
  std::vector<Named> adapters = adapters_of(options);
  check_names(adapters, options.model_name);
  options_.checkpoint = resolve_checkpoint(options_.checkpoint);
  if (std::optional<Tokenizer> found = find_tokenizer(options_.checkpoint))
    tokenizer_ = std::make_shared<const Tokenizer>(std::move(*found));
  keep_texts("", "");
  if (tokenizer_ != nullptr && !texts("")->style())
    log_warning(
        "the base has no chat template, and so no prompt style: messages for it are put together "
        "as they stand; --prompt-style names a style");
  // What can be wrong shows before the weights are read, which takes minutes.
  for (Named& adapter : adapters) {
    adapter.path = resolve_adapter(adapter.path);
    check_adapter(adapter.path);
    keep_texts(adapter.name, adapter.path);
  }
  plan(*open_session(options_, true), options);
  std::unique_ptr<Session> session = open_session(options_, false);
  config_ = session->config();
  for (const Named& adapter : adapters) session->load_adapter(adapter.name, adapter.path);
  const SchedulerOptions planned = plan(*session, options);
  engine_ = std::make_unique<Engine>(std::move(session), planned);
}

void ModelBackend::check_adapter(const std::string& path) const {
  check_base(path, options_.checkpoint, tokenizer_.get(), options_.any_base);
}

void ModelBackend::keep_texts(const std::string& name, const std::string& path) {
  auto opened = open_texts(options_, path, tokenizer_);
  const std::scoped_lock lock(mutex_);
  texts_[name] = std::move(opened);
}

void ModelBackend::load_adapter(const std::string& name, const std::string& path) {
  check_adapter(path);
  auto opened = open_texts(options_, path, tokenizer_);
  engine_->load_adapter(name, path);
  const std::scoped_lock lock(mutex_);
  texts_[name] = std::move(opened);
}

void ModelBackend::unload_adapter(const std::string& name) {
  engine_->unload_adapter(name);
  const std::scoped_lock lock(mutex_);
  texts_.erase(name);
}

std::shared_ptr<const ModelTexts> ModelBackend::texts(const std::string& adapter) const {
  const std::scoped_lock lock(mutex_);
  const auto found = texts_.find(adapter);
  return found == texts_.end() ? nullptr : found->second;
}

}  // namespace falconer
