#include "generate/scheduler.h"

#include <algorithm>

#include "generate/ends.h"
#include "generate/sequence.h"
#include "model/arch/architecture.h"
#include "text/token_ids.h"

namespace falconer {
namespace {

int64_t pages_for(int64_t tokens) { return (tokens + kPageRows - 1) / kPageRows; }

// Of the parts of a prompt whose every token's logits are wanted.
constexpr int64_t kPartWithLogits = 128;

}  // namespace

Scheduler::Scheduler(Session& session, const SchedulerOptions& options)
    : session_(session),
      options_(options),
      states_(KvCache::state_bytes(session.decoder(), session.run().activation) > 0
                  ? options.most_running + options.kept_states
                  : 0),
      cache_(session.decoder(), options.pages, session.run().activation, session.device(), states_),
      table_(options.pages, states_) {
  FALCONER_CHECK(options.most_running > 0 && options.prompt_part % kPageRows == 0 &&
                 options.part_beside % kPageRows == 0 && options.part_beside > 0);
  if (options.as_attached) attached_parts_ = session.parts();
}

Scheduler::~Scheduler() = default;

int64_t usual_running(const Session& session) {
  constexpr int64_t kOnDevice = 256;
  return session.device() == nullptr ? kFewTokens : kOnDevice;
}

AnswerLimits Scheduler::limits(const std::string& adapter) const {
  const Session::Mixing mixing = mixing_of(adapter);
  return {.vocab = session_.config().vocab,
          .context = session_.config().context,
          .cache_tokens = table_.pages() * kPageRows,
          .scales = !options_.as_attached && session_.parts(adapter).scales};
}

void check_request(const AnswerRequest& request, const AnswerLimits& limits) {
  const int64_t size = std::ssize(request.prompt);
  if (size == 0) fail("the prompt is empty: give at least one token");
  check_token_ids(request.prompt, limits.vocab, "the prompt");
  if (size >= limits.context)
    fail("the prompt has {} tokens, and the model's context is {}; shorten it", size,
         limits.context);
  if (size >= limits.cache_tokens)
    fail_usage(
        "the prompt has {} tokens, and the cache has room for {}; shorten it, or make the cache "
        "larger",
        size, limits.cache_tokens);
  if (request.adapter_scale != 1 && !limits.scales)
    fail_usage("adapter_scale is {}, and {}; leave it out", request.adapter_scale,
               request.adapter.empty() ? "no adapter is asked for"
                                       : "only a LoRA without magnitudes (DoRA) has a scale");
}

uint64_t Scheduler::add(AnswerRequest request, OnProgress on_progress) {
  check_request(request, limits(request.adapter));
  auto made = std::make_unique<Sequence>();
  Sequence& s = *made;
  s.number = ++last_number_;
  const ModelConfig& config = session_.config();
  s.ends = ends_of_answer(config, request.tokenizer, request.options.stop_ids);
  std::sort(s.ends.begin(), s.ends.end());
  const int64_t size = std::ssize(request.prompt);
  s.limit = std::min(
      {request.options.max_new_tokens, config.context - size, table_.pages() * kPageRows - size});
  s.ids = request.prompt;
  s.read_to = s.read_length = size;
  s.mixes = options_.as_attached || session_.mixes(request.adapter);
  if (request.tokenizer != nullptr) s.decoder.emplace(*request.tokenizer);
  s.stop = StopMatcher(request.options.stop);
  s.request = std::move(request);
  s.on_progress = std::move(on_progress);
  waiting_[s.request.user].push_back(std::move(made));
  ++counts_.waiting;
  return s.number;
}

void Scheduler::cancel(uint64_t number) {
  for (const auto& s : running_)
    if (s->number == number && !s->ended) return end(*s, "cancelled");
  for (auto& [_, queue] : waiting_)
    for (auto at = queue.begin(); at != queue.end(); ++at)
      if ((*at)->number == number) {
        const std::unique_ptr<Sequence> s = std::move(*at);
        queue.erase(at);
        --counts_.waiting;
        return end(*s, "cancelled");
      }
}

void Scheduler::end_all(const char* reason, const std::string& error) {
  for (const auto& s : running_)
    if (!s->ended) end(*s, reason, error);
  const auto waiting = std::exchange(waiting_, {});
  for (const auto& [_, queue] : waiting)
    for (const auto& s : queue) end(*s, reason, error);
  counts_.waiting = 0;
  remove_ended();
}

bool Scheduler::uses(const std::string& adapter) const {
  const auto of_it = [&](const auto& s) { return s->request.adapter == adapter && !s->ended; };
  return std::any_of(running_.begin(), running_.end(), of_it) ||
         std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& queue) {
           return std::any_of(queue.second.begin(), queue.second.end(), of_it);
         });
}

// The name ends with a character that no other name continues.
std::string Scheduler::key_of(const Sequence& s) const {
  return fmt::format("{}\n{}", s.request.adapter, s.request.adapter_scale);
}

void Scheduler::forget(const std::string& adapter) {
  FALCONER_CHECK(!uses(adapter));
  table_.forget(adapter + "\n");
}

bool Scheduler::few(const Sequence& s) const {
  return session_.device() == nullptr && s.read_to <= kFewTokens && !s.request.prompt_chances;
}

Scheduler::Sequence* Scheduler::next_waiting() {
  auto at = waiting_.upper_bound(last_user_);
  for (size_t i = 0; i < waiting_.size(); ++i, ++at) {
    if (at == waiting_.end()) at = waiting_.begin();
    if (!at->second.empty()) return at->second.front().get();
  }
  return nullptr;
}

// Its keys are those of longer sequences than the model was first made for.
bool Scheduler::beyond_original(const Sequence& s) const {
  const RopeScaling& scaling = session_.config().rope_scaling;
  return scaling.type == RopeType::kLongRope && s.read_length > scaling.original_context;
}

bool Scheduler::shares(const Sequence& s) const {
  return options_.keep_prefixes && !few(s) && !beyond_original(s);
}

// Pages of a beginning that is kept, in the place of its own, of which it has read nothing yet.
void Scheduler::share_beginning(Sequence& s) {
  if (!shares(s) || s.request.prompt_chances) return;
  const PageTable::Beginning found =
      table_.find(key_of(s), s.request.prompt, (s.prompt_size() - 1) / kPageRows);
  const std::vector<int32_t>& kept = found.pages;
  s.known_pages = found.known;
  if (found.state >= 0) cache_.copy_state(session_.run(), found.state, s.state);
  for (size_t i = 0; i < kept.size(); ++i) {
    if (i < s.pages.size())
      table_.release(std::exchange(s.pages[i], kept[i]));
    else
      s.pages.push_back(kept[i]);
  }
  s.past = std::ssize(kept) * kPageRows;
  if (s.answer_size() > 0) return;
  s.progress.cached_tokens = s.past;
}

bool Scheduler::take_state(Sequence& s) {
  if (states_ == 0 || s.state >= 0) return true;
  const std::optional<int32_t> state = table_.take_state();
  s.state = state.value_or(-1);
  return state.has_value();
}

// A copy of its state, behind the last whole page that a prompt which begins alike can share, or behind those that it
// has in common with one that was there before.
void Scheduler::plan_copy(PassShare& share) {
  Sequence& s = *share.sequence;
  if (states_ == 0 || !shares(s) || s.request.prompt_chances) return;
  const auto reached = [&](int64_t pages) {
    const int64_t tokens = pages * kPageRows;
    return tokens > s.past && tokens <= s.past + share.count;
  };
  const int64_t last = (s.prompt_size() - 1) / kPageRows;
  const int64_t pages = reached(s.known_pages) ? s.known_pages : last;
  if (!reached(pages)) return;
  const std::optional<int32_t> copy = table_.take_state();
  if (!copy) return;
  share.copy_after = pages * kPageRows - s.past;
  share.copy_slot = *copy;
  s.copies.emplace_back(pages, *copy);
}

// Pages for all that is known of it, and for a token more.
bool Scheduler::admit(Sequence& s) {
  if (!take_state(s)) return false;
  share_beginning(s);
  const int64_t shared = std::ssize(s.pages), wanted = pages_for(std::ssize(s.ids) + 1) - shared;
  int64_t held = 0;
  for (const auto& other : running_) held += other->pages.empty() ? 0 : 1;
  // Those that run will need a page each before long.
  if (table_.available() < wanted + held && (held > 0 || table_.available() < wanted)) {
    release(s);
    s.past = 0;
    return false;
  }
  while (std::ssize(s.pages) < shared + wanted) s.pages.push_back(*table_.take());
  return true;
}

void Scheduler::admit() {
  for (const auto& s : running_)
    if (s->pages.empty() && !s->ended && !admit(*s)) return;  // who had to give way comes first
  while (std::ssize(running_) < options_.most_running) {
    Sequence* const next = next_waiting();
    if (next == nullptr) return;
    if (next->limit > 0 && !admit(*next)) return;
    auto& queue = waiting_[next->request.user];
    last_user_ = next->request.user;
    running_.push_back(std::move(queue.front()));
    queue.pop_front();
    if (queue.empty()) waiting_.erase(last_user_);
    --counts_.waiting;
    counts_.prompt_tokens += next->prompt_size();
    if (next->limit <= 0) end(*next, "length");
  }
}

void Scheduler::release(Sequence& s) {
  for (const int32_t page : s.pages) table_.release(page);
  s.pages.clear();
  if (s.state >= 0) table_.release_state(std::exchange(s.state, -1));
  for (const auto& [_, state] : s.copies) table_.release_state(state);
  s.copies.clear();
}

void Scheduler::preempt(Sequence& s) {
  ++counts_.preemptions;
  release(s);
  s.past = 0;
  s.progress.prompt_chances.clear();  // those of a prompt that was not read to its end
}

// False: it had to give way itself.
bool Scheduler::make_room(Sequence& s, int64_t tokens) {
  while (std::ssize(s.pages) < pages_for(tokens)) {
    if (const auto page = table_.take()) {
      s.pages.push_back(*page);
      continue;
    }
    const auto last = std::find_if(running_.rbegin(), running_.rend(),
                                   [](const auto& other) { return !other->pages.empty(); });
    preempt(**last);
    if (last->get() == &s) return false;
  }
  return true;
}

void Scheduler::end(Sequence& s, const char* reason, const std::string& error) {
  release(s);
  s.ended = true;
  s.progress.finish_reason = reason;
  s.progress.error = error;
  if (s.on_progress) s.on_progress(std::exchange(s.progress, {}));
}

void Scheduler::remove_ended() {
  std::erase_if(running_, [](const auto& s) { return s->ended; });
}

bool Scheduler::mixes_with(const Sequence& a, const Sequence& b) const {
  return options_.as_attached || (a.mixes && b.mixes) || a.request.adapter == b.request.adapter;
}

bool Scheduler::step() {
  remove_ended();
  admit();
  read_prompts();
  decode();
  remove_ended();
  counts_.running = std::ssize(running_);
  counts_.pages_held = table_.pages() - table_.available();
  return !running_.empty() || counts_.waiting > 0;
}

bool Scheduler::begins_alike(const Sequence& a, const Sequence& b) const {
  const auto page = [](const Sequence& s) {
    return std::span(s.request.prompt).first(static_cast<size_t>(kPageRows));
  };
  return a.past == 0 && shares(a) && shares(b) && !a.request.prompt_chances &&
         std::min(a.prompt_size(), b.prompt_size()) > kPageRows && key_of(a) == key_of(b) &&
         std::ranges::equal(page(a), page(b));
}

void Scheduler::read_prompts() {
  const bool beside = std::any_of(running_.begin(), running_.end(), [&](const auto& s) {
    return !s->ended && !s->pages.empty() && !s->reading();
  });
  int64_t left = beside ? options_.part_beside : options_.prompt_part, wanted = 0;
  Pass pass;
  pass.as_many = true;
  for (const auto& s : running_) {
    if (s->ended || s->pages.empty() || !s->reading() || few(*s) || wanted == kFewTokens) continue;
    const bool all = s->gives_prompt_chances();
    if (!pass.parts.empty() && (all || !mixes_with(*pass.parts.front().sequence, *s))) continue;
    if (s->past == 0) share_beginning(*s);
    // What another is about to read it will find kept.
    if (std::any_of(pass.parts.begin(), pass.parts.end(),
                    [&](const PassShare& other) { return begins_alike(*s, *other.sequence); }))
      continue;
    const int64_t rest = s->read_to - s->past;
    int64_t count = std::min(rest, all ? kPartWithLogits : left);
    if (count < rest) count = count / kPageRows * kPageRows;
    if (count == 0) break;
    // An answer that gave way, or is read again, knows what follows.
    const bool last = count == rest && s->answer_size() == 0;
    pass.parts.push_back({s.get(), count, all ? count : last ? 1 : 0});
    wanted += last ? 1 : 0;
    left -= count;
    if (left == 0 || all) break;
  }
  if (pass.parts.empty()) return;
  for (PassShare& part : pass.parts) plan_copy(part);
  compute(pass);
  for (PassShare& part : pass.parts) {
    Sequence& s = *part.sequence;
    s.progress.prefill_seconds += pass.seconds;
    if (s.gives_prompt_chances()) give_prompt_chances(s, pass, part);
    if (s.answer_size() == 0 && s.past == s.progress.cached_tokens)
      counts_.cached_tokens += s.past;  // with its first part
    s.past += part.count;
    if (s.reading() || !shares(s)) continue;
    const auto whole = static_cast<size_t>(s.prompt_size() / kPageRows);
    table_.keep(key_of(s), s.request.prompt, std::span(s.pages).first(whole));
    for (const auto& [pages, state] : std::exchange(s.copies, {}))
      table_.keep_state(key_of(s), s.request.prompt, pages, state);
  }
  choose_all(pass);
}

// The keys in the cache are those of a sequence within the original context, and the next token goes beyond it.
bool Scheduler::read_again(Sequence& s) {
  const ModelConfig& config = session_.config();
  if (config.rope_scaling.type != RopeType::kLongRope || beyond_original(s) ||
      s.past != config.rope_scaling.original_context || !architecture(config.family).reads_again)
    return false;
  FALCONER_CHECK(states_ == 0);
  release(s);  // what others share stays as it is
  s.read_to = s.past;
  s.read_length = s.past + 1;
  s.past = 0;
  return true;
}

void Scheduler::decode() {
  for (const auto& s : running_) {
    if (s->ended || s->pages.empty() || (s->reading() && !few(*s))) continue;
    if (!s->reading() && !read_again(*s)) make_room(*s, s->past + 1);
  }
  Sequences rest;
  for (const auto& s : running_)
    if (!s->ended && !s->pages.empty() && (!s->reading() || few(*s))) rest.push_back(s.get());
  std::stable_sort(rest.begin(), rest.end(),
                   [](const Sequence* a, const Sequence* b) { return goes_before(*a, *b); });
  const int64_t most = session_.device() == nullptr ? kFewTokens : INT64_MAX;
  while (!rest.empty()) {
    Pass pass;
    int64_t rows = 0;
    const Sequence& first = *rest.front();
    std::erase_if(rest, [&](Sequence* s) {
      const int64_t count = s->reading() ? s->read_to : 1;
      if (rows + count > most || !mixes_with(first, *s)) return false;
      // Of tokens that are known already nobody asks what follows.
      const bool last = s->past + count == std::ssize(s->ids);
      pass.parts.push_back({s, count, last ? 1 : 0});
      rows += count;
      return true;
    });
    compute(pass);
    for (const PassShare& part : pass.parts) {
      Sequence& s = *part.sequence;
      double& seconds = s.reading() ? s.progress.prefill_seconds : s.progress.decode_seconds;
      seconds += pass.seconds;
      s.progress.decode_steps += s.reading() ? 0 : 1;
      s.past += part.count;
    }
    choose_all(pass);
  }
}

}  // namespace falconer
