#include "serve/engine.h"

#include <chrono>
#include <future>

#include "base/error.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/quiet_thread.h"
#include "base/threads.h"

namespace falconer {

Engine::Engine(std::unique_ptr<Session> session, const SchedulerOptions& options)
    : session_(std::move(session)),
      options_(options),
      scheduler_(std::make_unique<Scheduler>(*session_, options)) {
  scheduler_->reserve();
  generations_[""] = {"", scheduler_->limits("")};
  for (const std::string& name : session_->adapters()) {
    generations_[name] = {name, scheduler_->limits(name)};
    say_loaded(name, name);
  }
  state_.cache_pages = options.pages;
  thread_ = quiet_thread([this] { run(); });
}

Engine::~Engine() { shut_down(0); }

void Engine::say_loaded(const std::string& name, const std::string& own) {
  const Session::AdapterFacts facts = session_->facts(own);
  log_info("adapter {} is loaded: {}, {:.2f} MB, from {}", name, facts.kind,
           static_cast<double>(facts.bytes) / 1e6, facts.path);
}

Engine::Generation Engine::generation_of(const std::string& name) const {
  if (const auto found = generations_.find(name); found != generations_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, _] : generations_)
    if (!known.empty()) names.push_back(known);
  fail_usage("no adapter named \"{}\" is loaded{}{}{}", printable(name),
             names.empty() ? "" : "; loaded are ", joined(names, ", "), did_you_mean(name, names));
}

uint64_t Engine::submit(EngineRequest request, OnProgress on_progress) {
  const std::lock_guard lock(mutex_);
  if (closing_) fail("the server shuts down, and takes no more requests");
  const Generation generation = generation_of(request.adapter);
  check_request(request, generation.limits);
  request.adapter = generation.name;
  const uint64_t number = ++last_number_;
  ++submitted_[generation.name];
  tasks_.push_back(
      [this, number, request = std::move(request), on_progress = std::move(on_progress)]() mutable {
        {
          const std::lock_guard taken(mutex_);
          if (--submitted_[request.adapter] == 0) submitted_.erase(request.adapter);
        }
        const auto told = [this, number, on_progress](const EngineProgress& progress) {
          if (!progress.finish_reason.empty()) numbers_.erase(number);
          on_progress(progress);
        };
        try {
          numbers_[number] = scheduler_->add(std::move(request), told);
        } catch (const std::exception& error) {
          told({.finish_reason = "error", .error = error.what()});
        }
      });
  changed_.notify_all();
  return number;
}

void Engine::cancel(uint64_t number) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back([this, number] {
    if (const auto found = numbers_.find(number); found != numbers_.end())
      scheduler_->cancel(found->second);
  });
  changed_.notify_all();
}

EngineState Engine::state() const {
  const std::lock_guard lock(mutex_);
  EngineState now = state_;
  for (const auto& [_, count] : submitted_) now.waiting += count;
  return now;
}

void Engine::call(const std::function<void()>& task) {
  std::promise<void> done;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) fail("the server shuts down");
    tasks_.push_back([&] {
      try {
        task();
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    changed_.notify_all();
  }
  done.get_future().get();
}

void Engine::load_adapter(const std::string& name, const std::string& path) {
  call([&] {
    std::string own;
    {
      const std::lock_guard lock(mutex_);
      if (name.empty()) fail_usage("an adapter needs a name");
      if (generations_.contains(name))
        fail_usage(
            "an adapter named \"{}\" is loaded already; unload it first, or choose another name",
            printable(name));
      own = fmt::format("{} {}", name, ++last_generation_);
    }
    session_->load_adapter(own, path);
    say_loaded(name, own);
    const Generation made{own, scheduler_->limits(own)};
    const std::lock_guard lock(mutex_);
    generations_[name] = made;
  });
}

void Engine::unload_adapter(const std::string& name) {
  if (name.empty()) fail_usage("the base stays loaded; name an adapter");
  call([&] {
    {
      const std::lock_guard lock(mutex_);
      leaving_.push_back({name, generation_of(name).name});
      generations_.erase(name);
    }
    unload_unused();
  });
}

std::vector<std::string> Engine::adapters() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, _] : generations_)
    if (!name.empty()) names.push_back(name);
  return names;
}

void Engine::unload_unused() {
  std::erase_if(leaving_, [&](const Leaving& one) {
    {
      const std::lock_guard lock(mutex_);
      if (submitted_.contains(one.own)) return false;
    }
    if (scheduler_->uses(one.own)) return false;
    const Session::AdapterFacts facts = session_->facts(one.own);
    scheduler_->forget(one.own);
    session_->unload_adapter(one.own);
    log_info("adapter {} is unloaded: {}, {:.2f} MB", one.name, facts.kind,
             static_cast<double>(facts.bytes) / 1e6);
    return true;
  });
}

bool Engine::do_tasks() {
  std::deque<std::function<void()>> tasks;
  {
    std::unique_lock lock(mutex_);
    idle_ = idle_ && tasks_.empty();
    if (idle_) changed_.notify_all();
    changed_.wait(lock, [&] { return !idle_ || !tasks_.empty() || stopping_; });
    if (stopping_) return false;
    idle_ = false;  // what is taken here is work until step() says otherwise
    tasks = std::exchange(tasks_, {});
  }
  for (const auto& task : tasks) task();
  return true;
}

void Engine::step() {
  bool more = false;
  try {
    more = scheduler_->step();
  } catch (const std::exception& error) {
    log_warning("the engine: {}; the requests at work are ended", error.what());
    scheduler_->end_all("error", error.what());
  }
  if (!leaving_.empty()) unload_unused();
  const SchedulerCounts& counts = scheduler_->counts();
  const std::lock_guard lock(mutex_);
  idle_ = !more;
  state_.running = counts.running;
  state_.waiting = counts.waiting;
  state_.cache_pages_used = counts.pages_held;
  state_.prompt_tokens = counts.prompt_tokens;
  state_.cached_tokens = counts.cached_tokens;
  state_.generated_tokens = counts.new_tokens;
  state_.preemptions = counts.preemptions;
  state_.passes = counts.passes;
}

void Engine::run() {
  while (do_tasks()) step();
  for (const auto& task : std::exchange(tasks_, {})) task();
  scheduler_->end_all("cancelled");
}

void Engine::shut_down(double seconds) {
  {
    std::unique_lock lock(mutex_);
    closing_ = true;
    if (!thread_.joinable()) return;
    changed_.wait_for(lock, std::chrono::duration<double>(seconds),
                      [&] { return idle_ && tasks_.empty(); });
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

}  // namespace falconer
