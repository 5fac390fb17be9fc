// Adapters of a session: several on one base, of which one at a time computes.

#include "base/joined.h"
#include "base/nearest.h"
#include "method/session.h"

namespace falconer {

Session::Attached Session::attached() const {
  Attached now{
      .embedding = decoder_->hook(), .vocab = weights_.embedding->rows(), .method = attached_};
  for (const LinearSite* site : decoder_->sites()) {
    now.sites.push_back(site->hook());
    now.tensors.push_back(site->tensors());
  }
  for (Block& block : decoder_->blocks()) now.blocks.push_back(block.attention().hook());
  for (const auto& param : weights_.params)
    now.places.push_back({param->value, param->in_arena, param->mapped});
  return now;
}

void Session::attach(const Attached& wanted) {
  size_t i = 0;
  for (LinearSite* site : decoder_->sites()) {
    site->use(wanted.tensors[i]);
    site->attach(wanted.sites[i++]);
  }
  i = 0;
  for (Block& block : decoder_->blocks()) block.attention().attach(wanted.blocks[i++]);
  i = 0;
  for (const auto& param : weights_.params) {
    const Attached::Place& place = wanted.places[i++];
    param->value = place.value;
    param->in_arena = place.in_arena;
    param->mapped = place.mapped;
  }
  for (Param* table : {weights_.embedding, weights_.head().w}) table->shape[0] = wanted.vocab;
  config_.vocab = wanted.vocab;
  decoder_->attach(wanted.embedding);
  attached_ = wanted.method;
}

/// While it lives an adapter can be attached to the base alone; what was attached before comes back.
class Session::Build {
 public:
  explicit Build(Session& session) : session_(session), before_(session.attached()) {}
  Build(const Build&) = delete;
  Build& operator=(const Build&) = delete;
  ~Build() {
    session_.run_.dry = false;
    session_.run_.scratch = &session_.scratch_;
    session_.run_.kept = &session_.kept_;
    session_.attach(before_);
  }

  /// The adapter at `path`, with its tensors in `memory`.
  OpenedAdapter attach(const std::string& path, Arena& memory, Arena& scratch) {
    Session& s = session_;
    s.attach(s.base_);
    s.run_.dry = memory.measuring();
    s.run_.scratch = s.run_.kept = &scratch;
    OpenedAdapter adapter = open_adapter(path);
    if (!copies_) copies_ = s.copies_in(adapter, *adapter.method);
    adapter.method->read_from(adapter.files, *copies_);
    adapter.method->attach(s.run_, *s.decoder_, s.weights_, memory, false);
    s.config_.vocab = s.weights_.embedding->rows();
    s.attached_ = adapter.method.get();
    return adapter;
  }
  /// In the adapter that was attached.
  const std::set<std::string>& copies() const { return *copies_; }

 private:
  Session& session_;
  std::optional<std::set<std::string>> copies_;
  Attached before_;
};

void Session::load_adapter(const std::string& name, const std::string& path) {
  FALCONER_CHECK(!options_.training && !options_.adapter_only && !options_.planning);
  if (name.empty())
    fail_usage("an adapter that is loaded needs a name; \"\" is the model without one");
  if (const auto found = loaded_.find(name); found != loaded_.end())
    fail_usage(
        "an adapter named \"{}\" is loaded already, from {}; unload it first, or choose another "
        "name",
        name, found->second.path);
  Build build(*this);
  Arena measure = Arena::measuring_for(device()), measure_scratch = Arena::measuring_for(device());
  build.attach(path, measure, measure_scratch);
  LoadedAdapter made{.path = path, .memory = Arena(measure.high_water(), device())};
  Arena scratch(building_room(measure_scratch.high_water()), device());
  OpenedAdapter adapter = build.attach(path, made.memory, scratch);
  adapter.method->load(adapter.files, build.copies());
  made.attached = attached();
  made.method = std::move(adapter.method);
  loaded_.emplace(name, std::move(made));
}

Session::LoadedAdapter& Session::loaded(const std::string& name) {
  if (const auto found = loaded_.find(name); found != loaded_.end()) return found->second;
  if (loaded_.empty())
    fail_usage("no adapter is loaded, and so none named \"{}\"; load it first", printable(name));
  fail_usage("no adapter named \"{}\" is loaded; loaded are {}{}", printable(name),
             joined(adapters(), ", "), did_you_mean(name, adapters()));
}

Session::AdapterFacts Session::facts(const std::string& name) {
  const LoadedAdapter& adapter = loaded(name);
  return {.kind = std::string(adapter.attached.method->name()),
          .path = adapter.path,
          .bytes = adapter.memory.high_water()};
}

void Session::use_adapter(const std::string& name) {
  attach(name.empty() ? base_ : loaded(name).attached);
  used_ = name;
}

namespace {

bool same_tensors(const SiteTensors& a, const SiteTensors& b) { return a.w == b.w && a.b == b.b; }

// The parameters that Norm computes with (norm.h).
std::set<const Param*> norms_of(const Weights& weights) {
  std::set<const Param*> all;
  for (const Module& module : weights.modules) {
    if (module.kind != ModuleKind::kNorm || module.id.role == Role::kQNorm ||
        module.id.role == Role::kKNorm)
      continue;
    all.insert(module.w);
    all.insert(module.b);
  }
  return all;
}

}  // namespace

AdapterParts Session::parts_of(const Attached& attached) const {
  AdapterParts parts{.sites = attached.sites, .blocks = attached.blocks};
  const std::set<const Param*> norms = norms_of(weights_);
  for (size_t i = 0; i < weights_.params.size(); ++i)
    if (const Param* param = weights_.params[i].get();
        norms.contains(param) && i < base_.places.size() &&
        attached.places[i].value.data != base_.places[i].value.data)
      parts.norms.emplace(param, attached.places[i].value);
  if (attached.method != nullptr && attached.method->name() == "lora") {
    const auto settings = attached.method->settings();
    const auto dora = settings.find("lora_dora");
    parts.scales = dora == settings.end() || dora->second != "true";
  }
  return parts;
}

AdapterParts Session::parts() const { return parts_of(attached()); }

const AdapterParts& Session::parts(const std::string& name) {
  std::optional<AdapterParts>& parts = name.empty() ? base_parts_ : loaded(name).parts;
  if (!parts) parts = parts_of(name.empty() ? base_ : loaded(name).attached);
  return *parts;
}

bool Session::mixes(const std::string& name) {
  if (name.empty()) return true;
  LoadedAdapter& adapter = loaded(name);
  if (!adapter.mixes) adapter.mixes = changes_norms_alone(adapter.attached);
  return *adapter.mixes;
}

bool Session::changes_norms_alone(const Attached& own) const {
  if (own.embedding != base_.embedding || own.vocab != base_.vocab) return false;
  for (size_t i = 0; i < own.tensors.size(); ++i)
    if (!same_tensors(own.tensors[i], base_.tensors[i])) return false;
  const std::set<const Param*> norms = norms_of(weights_);
  for (size_t i = 0; i < weights_.params.size(); ++i)
    if (own.places[i].value.data != base_.places[i].value.data &&
        !norms.contains(weights_.params[i].get()))
      return false;
  return true;
}

struct Session::Mixing::Before {
  Attached attached;
};

Session::Mixing::Mixing(Session& session, Attached tensors)
    : session_(session), before_(std::make_unique<Before>(Before{session.attached()})) {
  if (session.routes_ == nullptr) session.routes_ = std::make_unique<RowRoutes>(session.decoder());
  tensors.sites = session.routes_->sites();
  tensors.blocks = session.routes_->blocks();
  session.attach(tensors);
}

Session::Mixing::Mixing(Session& session, const std::string& adapter)
    : Mixing(session, session.mixes(adapter) ? session.base_ : session.loaded(adapter).attached) {}

Session::Mixing::~Mixing() { session_.attach(before_->attached); }

std::string Session::adapter_path() const {
  return used_.empty() ? std::string() : loaded_.at(used_).path;
}

void Session::unload_adapter(const std::string& name) {
  loaded(name);
  if (used_ == name) use_adapter("");
  loaded_.erase(name);
}

std::vector<std::string> Session::adapters() const {
  std::vector<std::string> names;
  for (const auto& [name, _] : loaded_) names.push_back(name);
  return names;
}

}  // namespace falconer
