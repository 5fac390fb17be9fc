// The engine: one thread that computes answers, for any number of requests at once.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "generate/scheduler.h"

namespace falconer {

using EngineRequest = AnswerRequest;
using EngineProgress = AnswerProgress;

struct EngineState {
  int64_t running = 0, waiting = 0;
  int64_t cache_pages = 0, cache_pages_used = 0;
  // Since the start.
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0, preemptions = 0, passes = 0;
};

class Engine {
 public:
  /// The session's adapters may be asked for by the names under which it has loaded them. Memory for the largest passes
  /// is taken before this returns.
  Engine(std::unique_ptr<Session> session, const SchedulerOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  /// Cancels what runs.
  ~Engine();

  /// Called on the engine's thread: returns at once, throws nothing.
  using OnProgress = std::function<void(const EngineProgress&)>;
  /// From any thread, as all that follows; does not wait. The number names the request for cancel(). Errors: those of
  /// check_request(); an adapter that is not loaded; the engine shuts down.
  uint64_t submit(EngineRequest request, OnProgress on_progress);
  /// Ends with finish_reason "cancelled". Nothing happens where it has ended.
  void cancel(uint64_t number);
  EngineState state() const;

  /// Waits for the engine's thread, between two passes. Errors: the name is taken; what Session::load_adapter() says.
  void load_adapter(const std::string& name, const std::string& path);
  /// No request can ask for it from now on. Those that do go on with it, and then its memory is given back. Error
  /// (usage): none of that name is loaded.
  void unload_adapter(const std::string& name);
  /// Sorted.
  std::vector<std::string> adapters() const;

  /// Takes no more requests; those that it has get `seconds` to end, then they are cancelled. Waits for that.
  void shut_down(double seconds);

 private:
  /// An adapter under a name as long as it is loaded there: another one later is another generation.
  struct Generation {
    std::string name;  // the session's
    AnswerLimits limits;
  };
  struct Leaving {
    std::string name, own;  // as it was asked for, and the session's
  };
  void run();
  void say_loaded(const std::string& name, const std::string& own);
  bool do_tasks();
  void step();
  /// On the engine's thread; what it throws is thrown here.
  void call(const std::function<void()>& task);
  void unload_unused();
  Generation generation_of(const std::string& name) const;

  std::unique_ptr<Session> session_;
  SchedulerOptions options_;
  // The engine's thread alone.
  std::unique_ptr<Scheduler> scheduler_;
  std::map<uint64_t, uint64_t> numbers_;  // of the scheduler, by ours
  std::vector<Leaving> leaving_;          // until nobody uses them

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::map<std::string, Generation> generations_;  // by the names that are asked for
  EngineState state_;
  std::map<std::string, int64_t>
      submitted_;  // by the session's adapter, and not yet with the scheduler
  uint64_t last_number_ = 0, last_generation_ = 0;
  bool closing_ = false, stopping_ = false, idle_ = true;
  std::thread thread_;
};

}  // namespace falconer
