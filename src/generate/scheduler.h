// The only decode loop: any number of answers at once, which begin and end when they like, of several adapters, over
// pages of keys and values that they share where their prompts begin alike.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>

#include "generate/answer.h"
#include "generate/page_table.h"
#include "generate/stop.h"
#include "method/session.h"

namespace falconer {

struct SchedulerOptions {
  int64_t pages = 0;  // of the cache, kPageRows tokens each
  int64_t kept_states =
      0;  // beside those of what runs, for prompts that begin alike (KvCache::state_bytes())
  int64_t most_running = 0;  // answers that are computed at the same time
  /// Prompt tokens of one pass, and of one while answers wait for their next token: whole pages.
  int64_t prompt_part = 512, part_beside = 256;
  bool keep_prefixes = false;  // of prompts, for those that begin alike
  bool as_attached =
      false;  // all are of what the session has attached, whatever AnswerRequest::adapter says
  int64_t first_number = 0;  // of prompts, in profiles
};

/// Answers that are computed at the same time where nobody says how many: what one pass takes on the CPU, and more on a
/// device.
int64_t usual_running(const Session& session);

/// What a request may be.
struct AnswerLimits {
  int64_t vocab = 0, context = 0, cache_tokens = 0;
  bool scales = false;  // adapter_scale may be other than 1
};
/// Errors: an empty prompt, an id outside of the vocabulary, a prompt longer than the context or than the cache, an
/// adapter that has no scale.
void check_request(const AnswerRequest& request, const AnswerLimits& limits);

/// What was done so far.
struct SchedulerCounts {
  int64_t running = 0, waiting = 0, pages_held = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, new_tokens = 0, preemptions = 0, passes = 0;
};

// A token's numbers are the same whatever is computed beside it (on the CPU): prompts of up to kFewTokens tokens and
// new tokens go through the products for few rows, at most that many rows in a pass; the parts of longer prompts, as
// they begin and end at whole pages, through those for many (Run::as_many). What a prompt's beginning left in a shared
// page are the bits that reading it again would give; pages of answers are not shared, and an answer that had to give
// up its pages goes through the same tokens again.
class Scheduler {
 public:
  /// The session stays as it is between steps, but for the adapters that it has loaded.
  Scheduler(Session& session, const SchedulerOptions& options);
  ~Scheduler();

  /// Called by step() and cancel(); may call add() and cancel().
  using OnProgress = std::function<void(const AnswerProgress&)>;
  /// The answer's number. Errors: those of check_request(), an adapter that is not loaded.
  uint64_t add(AnswerRequest request, OnProgress on_progress);
  /// Nothing where it has ended.
  void cancel(uint64_t number);
  /// Ends all of them.
  void end_all(const char* reason, const std::string& error = {});
  /// Makes memory for the largest passes, of the base alone, that there can be.
  void reserve();
  /// Of requests for an adapter. Error (usage): it is not loaded.
  AnswerLimits limits(const std::string& adapter) const;
  /// Reads a part of the prompts that wait to be read, and makes one more token of each answer. False: nothing is left
  /// to do. What throws inside ends its answer with "error" where it is one answer's, and is thrown on where it is not.
  bool step();
  /// No answer is of it: what is kept of its prompts is forgotten.
  void forget(const std::string& adapter);
  bool uses(const std::string& adapter) const;
  const SchedulerCounts& counts() const { return counts_; }

 private:
  struct Sequence;
  struct PassShare;
  struct Pass;
  using Sequences = std::vector<Sequence*>;

  bool few(const Sequence& s) const;
  bool beyond_original(const Sequence& s) const;
  bool shares(const Sequence& s) const;
  bool begins_alike(const Sequence& a, const Sequence& b) const;
  std::string key_of(const Sequence& s) const;
  bool mixes_with(const Sequence& a, const Sequence& b) const;
  const AdapterParts& parts_of(const Sequence& s);
  Session::Mixing mixing_of(const std::string& adapter) const;
  /// Those of an adapter are beside each other.
  static bool goes_before(const Sequence& a, const Sequence& b);

  void admit();
  bool admit(Sequence& s);
  void share_beginning(Sequence& s);
  Sequence* next_waiting();
  bool make_room(Sequence& s, int64_t tokens);
  void preempt(Sequence& s);
  void release(Sequence& s);
  bool take_state(Sequence& s);
  void plan_copy(PassShare& share);
  void remove_ended();

  void read_prompts();
  bool read_again(Sequence& s);
  void decode();
  void compute(Pass& pass);
  void give_prompt_chances(Sequence& s, const Pass& pass, const PassShare& share);
  void choose_all(const Pass& pass);
  void accept(Sequence& s, int32_t id, TokenChances chances);
  void end_with_rest(Sequence& s, const char* reason);
  void end(Sequence& s, const char* reason, const std::string& error = {});

  Session& session_;
  SchedulerOptions options_;
  int64_t states_;  // of sequences; 0: keys and values are all that the model remembers
  KvCache cache_;
  PageTable table_;
  std::list<std::unique_ptr<Sequence>> running_;  // in the order in which they came
  std::map<std::string, std::deque<std::unique_ptr<Sequence>>> waiting_;  // by user
  std::string last_user_;
  std::optional<AdapterParts> attached_parts_;  // of as_attached
  uint64_t last_number_ = 0;
  SchedulerCounts counts_;
};

}  // namespace falconer
