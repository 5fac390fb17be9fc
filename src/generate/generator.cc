#include "generate/generator.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/interrupt.h"
#include "base/system.h"
#include "generate/ends.h"
#include "generate/stop.h"
#include "method/finite_weights.h"
#include "model/arch/architecture.h"
#include "ops/cpu/small_product.h"
#include "ops/pass_observer.h"
#include "text/token_ids.h"

namespace falconer {
namespace {

// Tokens of a prompt that go through the model at one time: enough for the products' peak, bounded
// in memory.
constexpr int64_t kPrefillTokens = 512;

// Sequences that are decoded at one time. Up to so many, the CPU's kernels give each the bits that it
// would have alone: an answer does not depend on what else is asked.
int64_t decoded_together(const Device* device, int64_t active) {
  return device == nullptr ? std::min(active, cpu::kSmallRows) : active;
}

}  // namespace

double Answer::prefill_tokens_per_second() const {
  return prefill_seconds > 0 ? static_cast<double>(prompt_ids.size()) / prefill_seconds : 0;
}

double Answer::decode_tokens_per_second() const {
  return decode_seconds > 0 ? static_cast<double>(decode_steps) / decode_seconds : 0;
}

struct Generator::Sequence {
  size_t number = 0;
  int64_t past = 0;   // tokens in the cache
  int64_t limit = 0;  // new tokens at most
  int32_t next = -1;  // sampled, not yet in the cache
  bool done = false;
  Answer answer;
  std::optional<StreamDecoder> decoder;
  StopMatcher stop{{}};
};

void Generator::check_prompt(const std::vector<int32_t>& ids) const {
  const ModelConfig& config = session_.config();
  if (ids.empty()) fail("the prompt is empty: give at least one token");
  check_token_ids(ids, config.vocab, "the prompt");
  if (static_cast<int64_t>(ids.size()) >= config.context)
    fail("the prompt has {} tokens, and the model's context is {}; shorten it", ids.size(),
         config.context);
}

// Takes a sampled token into the answer, or ends it.
void Generator::accept(Sequence& s, int32_t id, const GenerateOptions& options) {
  if (!options.ignore_eos && std::binary_search(ends_.begin(), ends_.end(), id)) {
    s.answer.finish_reason = "stop";
    s.done = true;
  } else {
    s.answer.ids.push_back(id);
    s.next = id;
    // Models are padded to more ids than their tokenizer has; these say nothing.
    if (s.decoder && id < tokenizer_->vocab_size()) {
      const std::string text = s.stop.push(s.decoder->push(id));
      s.answer.text += text;
      if (on_text_ && !text.empty()) on_text_(s.number, text);
    }
    if (s.stop.stopped()) {
      s.answer.finish_reason = "stop";
      s.done = true;
    } else if (static_cast<int64_t>(s.answer.ids.size()) >= s.limit) {
      s.answer.finish_reason = "length";
      s.done = true;
    }
  }
  if (!s.done || !s.decoder || s.stop.stopped()) return;
  const std::string rest = s.stop.push(s.decoder->finish()) + s.stop.finish();
  s.answer.text += rest;
  if (on_text_ && !rest.empty()) on_text_(s.number, rest);
}

int32_t Generator::choose(const Sequence& s, std::span<const float> logits,
                          const GenerateOptions& options) const {
  for (size_t i = 0; i < logits.size(); ++i)
    if (!std::isfinite(logits[i]))
      fail("prompt {}: the model gave a logit that is not a number for token {}: {}",
           options.first_number + s.number + 1, i, why_not_finite(session_));
  const auto stream = options.first_number + static_cast<uint32_t>(s.number);
  if (!options.sampling.changes_logits())
    return sample(logits, options.sampling, stream, s.answer.ids.size());
  std::vector<float> changed(logits.begin(), logits.end());
  change_logits(changed, {s.answer.prompt_ids, s.answer.ids}, options.sampling);
  return sample(changed, options.sampling, stream, s.answer.ids.size());
}

void Generator::read(const Sequence& s, int64_t count, int64_t length, KvCache& cache,
                     const View& logits) {
  std::vector<int32_t> ids = s.answer.prompt_ids;
  ids.insert(ids.end(), s.answer.ids.begin(), s.answer.ids.end());
  const Tensor row(1, 1, Dtype::kI32);
  const Tensor spare =
      session_.passes_together() ? Tensor(1, session_.config().vocab, Dtype::kF32) : Tensor();
  for (int64_t begin = 0; begin < count; begin += kPrefillTokens) {
    const int64_t n = std::min(kPrefillTokens, count - begin);
    const BatchBuffer::Continuation part{.ids = std::span<const int32_t>(ids).subspan(
                                             static_cast<size_t>(begin), static_cast<size_t>(n)),
                                         .slot = static_cast<int64_t>(s.number),
                                         .past = begin,
                                         .length = length};
    const BatchBuffer buffer = BatchBuffer::for_generation({&part, 1}, cache.capacity());
    *row.view().row<int32_t>(0) = static_cast<int32_t>(n - 1);
    const bool last = begin + n == count && logits;
    // Every pass of ranks has the head, so that all go the same way through it.
    const View out = last ? logits : spare.view();
    const auto compute = [&](Run& run) {
      session_.decoder().logits(run, buffer.batch(), out ? row.view() : View{}, out, &cache);
    };
    session_.reserve(compute);
    session_.make_pass(1, compute);
  }
}

void Generator::prefill(Sequence& s, KvCache& cache, const GenerateOptions& options) {
  const double start = now_seconds();
  const InPart part(
      session_.run(),
      {.name = "prompt", .number = options.first_number + static_cast<int64_t>(s.number)});
  const auto count = static_cast<int64_t>(s.answer.prompt_ids.size());
  const Tensor logits(1, session_.config().vocab, Dtype::kF32);
  read(s, count, count, cache, logits.view());
  s.past = count;
  s.answer.prefill_seconds = now_seconds() - start;
  const std::span<const float> values(logits.view().row<float>(0),
                                      static_cast<size_t>(logits.view().cols));
  accept(s, choose(s, values, options), options);
}

// The keys in the cache are those of a sequence within the original context, and the next token goes beyond it.
void Generator::read_again(Sequence& s, KvCache& cache) {
  const ModelConfig& config = session_.config();
  if (config.rope_scaling.type != RopeType::kLongRope ||
      s.past != config.rope_scaling.original_context || !architecture(config.family).reads_again)
    return;
  const double start = now_seconds();
  read(s, s.past, s.past + 1, cache, {});
  s.answer.decode_seconds += now_seconds() - start;
}

void Generator::decode_step(std::span<Sequence* const> active, KvCache& cache,
                            const GenerateOptions& options) {
  const double start = now_seconds();
  const InPart part(session_.run(), {"token"});
  const int64_t n = static_cast<int64_t>(active.size());
  std::vector<BatchBuffer::Continuation> parts;
  Tensor rows(1, n, Dtype::kI32), logits(n, session_.config().vocab, Dtype::kF32);
  for (int64_t i = 0; i < n; ++i) {
    rows.view().row<int32_t>(0)[i] = static_cast<int32_t>(i);
    parts.push_back({.ids = {&active[i]->next, 1},
                     .slot = static_cast<int64_t>(active[i]->number),
                     .past = active[i]->past});
  }
  const BatchBuffer buffer = BatchBuffer::for_generation(parts, cache.capacity());
  session_.make_pass(1, [&](Run& run) {
    session_.decoder().logits(run, buffer.batch(), rows.view(), logits.view(), &cache);
  });
  const double seconds = now_seconds() - start;
  for (int64_t i = 0; i < n; ++i) {
    Sequence& s = *active[i];
    ++s.past;
    ++s.answer.decode_steps;
    s.answer.decode_seconds += seconds;
    const std::span<const float> values(logits.view().row<float>(i),
                                        static_cast<size_t>(logits.view().cols));
    accept(s, choose(s, values, options), options);
  }
}

std::vector<Answer> Generator::generate(const std::vector<std::vector<int32_t>>& prompts,
                                        const GenerateOptions& options, const OnText& on_text) {
  on_text_ = on_text;
  const ModelConfig& config = session_.config();
  ends_ = ends_of_answer(config, tokenizer_, options.stop_ids);
  std::vector<Sequence> sequences(prompts.size());
  int64_t capacity = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    check_prompt(prompts[i]);
    Sequence& s = sequences[i];
    const int64_t length = static_cast<int64_t>(prompts[i].size());
    s.number = i;
    s.limit = std::min(options.max_new_tokens, config.context - length);
    s.answer.prompt_ids = prompts[i];
    s.answer.finish_reason = "length";
    s.done = s.limit <= 0;
    if (tokenizer_ != nullptr) s.decoder.emplace(*tokenizer_);
    s.stop = StopMatcher(options.stop);
    capacity = std::max(capacity, length + s.limit);
  }
  // Rows of the cache are counted in 32 bits.
  if (capacity > INT32_MAX / std::max<int64_t>(1, std::ssize(prompts)))
    fail_usage(
        "{} prompts with up to {} tokens each are more than can be answered together; give fewer "
        "of "
        "them, or a smaller --max-new-tokens",
        prompts.size(), capacity);
  KvCache cache(session_.decoder(), static_cast<int64_t>(prompts.size()), capacity,
                session_.run().activation, session_.device());
  const auto stops = [&] {
    return interrupted() || (options.cancel != nullptr && *options.cancel);
  };
  for (Sequence& s : sequences)
    if (!s.done && !stops()) prefill(s, cache, options);
  while (!stops()) {
    std::vector<Sequence*> active;
    for (Sequence& s : sequences)
      if (!s.done) active.push_back(&s);
    if (active.empty()) break;
    for (Sequence* s : active) read_again(*s, cache);
    const int64_t n = decoded_together(session_.device(), static_cast<int64_t>(active.size()));
    if (n > 1) {
      session_.reserve([&](Run& run) {
        const Batch batch = measuring_batch(n, n);
        View logits{batch.ids.data, n, config.vocab, config.vocab, Dtype::kF32};
        session_.decoder().logits(run, batch, batch.target_rows, logits);
      });
    }
    const size_t together = static_cast<size_t>(n);
    for (size_t i = 0; i < active.size(); i += together)
      decode_step(std::span(active).subspan(i, std::min(together, active.size() - i)), cache,
                  options);
  }
  session_.pass_for_others();
  std::vector<Answer> answers;
  for (Sequence& s : sequences)
    if (!s.done) s.answer.finish_reason = "cancelled";
  for (Sequence& s : sequences) answers.push_back(std::move(s.answer));
  return answers;
}

}  // namespace falconer
