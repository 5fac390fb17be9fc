#include "generate/generator.h"

#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "generate/scheduler.h"

namespace falconer {
namespace {

// States of prompts' beginnings, for those that begin alike.
constexpr int64_t kKeptStates = 4;

/// What the largest prompts and answers take that are computed at the same time. Error: more than can be counted.
SchedulerOptions options_for(Session& session, const std::vector<std::vector<int32_t>>& prompts,
                             const GenerateOptions& options) {
  SchedulerOptions made{
      .kept_states = prompts.size() > 1 ? kKeptStates : 0,
      .most_running = std::min(usual_running(session), std::max<int64_t>(1, std::ssize(prompts))),
      .keep_prefixes = true,
      .as_attached = true,
      .first_number = options.first_number};
  // Half of what is free is for states, of models whose mixers carry one.
  if (const int64_t state = KvCache::state_bytes(session.decoder(), session.run().activation);
      state > 0)
    made.most_running = std::clamp<int64_t>(
        session.available_bytes() / 2 / state - made.kept_states, 1, made.most_running);
  std::vector<int64_t> pages;
  int64_t longest = 0;
  for (const std::vector<int32_t>& prompt : prompts) {
    const int64_t size = std::ssize(prompt),
                  length = size + std::clamp<int64_t>(session.config().context - size, 0,
                                                      options.max_new_tokens);
    longest = std::max(longest, length);
    pages.push_back(length / kPageRows + 1);
  }
  std::sort(pages.rbegin(), pages.rend());
  pages.resize(static_cast<size_t>(std::min(made.most_running, std::ssize(pages))));
  for (const int64_t count : pages) made.pages += count;
  // Rows of the cache are counted in 32 bits.
  if (made.pages > INT32_MAX / kPageRows)
    fail_usage(
        "{} prompts with up to {} tokens each are more than can be answered together; give fewer "
        "of them, or a smaller --max-new-tokens",
        prompts.size(), longest);
  return made;
}

}  // namespace

double Answer::prefill_tokens_per_second() const {
  return prefill_seconds > 0 ? static_cast<double>(prompt_ids.size()) / prefill_seconds : 0;
}

double Answer::decode_tokens_per_second() const {
  return decode_seconds > 0 ? static_cast<double>(decode_steps) / decode_seconds : 0;
}

std::vector<Answer> Generator::generate(const std::vector<std::vector<int32_t>>& prompts,
                                        const GenerateOptions& options, const OnText& on_text) {
  std::vector<Answer> answers(prompts.size());
  std::vector<uint64_t> numbers;
  Scheduler scheduler(session_, options_for(session_, prompts, options));
  for (size_t i = 0; i < prompts.size(); ++i) {
    Answer& answer = answers[i];
    answer.prompt_ids = prompts[i];
    AnswerRequest request{.prompt = prompts[i],
                          .options = options,
                          .stream = options.first_number + static_cast<uint32_t>(i),
                          .tokenizer = tokenizer_};
    request.name = fmt::format("prompt {}", options.first_number + i + 1);
    const std::string name = request.name;
    const auto add = [&](Scheduler::OnProgress on_progress) {
      try {
        numbers.push_back(scheduler.add(std::move(request), std::move(on_progress)));
      } catch (const Error& error) {
        if (prompts.size() == 1 && options.first_number == 0) throw;
        fail("{}: {}", name, error.what());
      }
    };
    add([&answer, &on_text, i](const AnswerProgress& progress) {
      answer.ids.insert(answer.ids.end(), progress.ids.begin(), progress.ids.end());
      answer.text += progress.text;
      if (on_text && !progress.text.empty()) on_text(i, progress.text);
      if (progress.finish_reason.empty()) return;
      if (!progress.error.empty()) fail("{}", progress.error);
      answer.finish_reason = progress.finish_reason;
      answer.prefill_seconds = progress.prefill_seconds;
      answer.decode_seconds = progress.decode_seconds;
      answer.decode_steps = progress.decode_steps;
    });
  }
  const auto stops = [&] {
    return interrupted() || (options.cancel != nullptr && *options.cancel);
  };
  while (!stops() && scheduler.step()) {
  }
  for (const uint64_t number : numbers) scheduler.cancel(number);
  session_.pass_for_others();
  return answers;
}

}  // namespace falconer
