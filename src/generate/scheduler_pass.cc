// Passes of the scheduler: rows of several answers through the decoder, and the tokens that come of them.
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "base/system.h"
#include "base/threads.h"
#include "generate/sequence.h"
#include "method/finite_weights.h"
#include "ops/pass_observer.h"

namespace falconer {
namespace {

/// ln of the sum of e^l, in f64.
double log_sum(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - most);
  return most + std::log(sum);
}

TokenChances chances_of(std::span<const float> logits, int32_t id, int count) {
  const double whole = log_sum(logits);
  const auto chance = [&](int32_t token) {
    return static_cast<float>(static_cast<double>(logits[static_cast<size_t>(token)]) - whole);
  };
  TokenChances made{.id = id, .chosen = chance(id)};
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto most = std::min<int64_t>(count, std::ssize(order));
  std::partial_sort(order.begin(), order.begin() + most, order.end(), [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  for (int64_t i = 0; i < most; ++i)
    made.most_likely.emplace_back(order[static_cast<size_t>(i)],
                                  chance(order[static_cast<size_t>(i)]));
  return made;
}

/// What was drawn of one row.
struct Choice {
  int32_t id = -1;  // none: the mask allows none
  bool finite = true;
  size_t not_finite = 0;
  TokenChances chances;
};

Choice choose(std::span<const float> logits, const AnswerRequest& request,
              const TokenHistory& history) {
  Choice choice;
  for (size_t i = 0; i < logits.size(); ++i)
    if (!std::isfinite(logits[i])) {
      choice.finite = false;
      choice.not_finite = i;
      return choice;
    }
  const SamplingOptions& sampling = request.options.sampling;
  std::vector<float> changed;
  if (sampling.changes_logits() || request.mask != nullptr)
    changed.assign(logits.begin(), logits.end());
  if (sampling.changes_logits()) change_logits(changed, history, sampling);
  if (request.mask != nullptr) {
    std::vector<bool> allowed(logits.size());
    request.mask->allowed(allowed);
    if (std::find(allowed.begin(), allowed.end(), true) == allowed.end()) return choice;
    // What bans repeated words may leave nothing of what has to come: then it gives way.
    const auto left = [&](size_t i) { return allowed[i] && changed[i] > -FLT_MAX; };
    bool some = false;
    for (size_t i = 0; i < changed.size() && !some; ++i) some = left(i);
    for (size_t i = 0; i < changed.size(); ++i)
      changed[i] = !allowed[i] ? -FLT_MAX : some ? changed[i] : logits[i];
  }
  choice.id = sample(changed.empty() ? logits : std::span<const float>(changed), sampling,
                     request.stream, history.answer.size());
  if (request.chances >= 0) choice.chances = chances_of(logits, choice.id, request.chances);
  return choice;
}

}  // namespace

const AdapterParts& Scheduler::parts_of(const Sequence& s) {
  return attached_parts_ ? *attached_parts_ : session_.parts(s.request.adapter);
}

Session::Mixing Scheduler::mixing_of(const std::string& adapter) const {
  return options_.as_attached ? Session::Mixing(session_) : Session::Mixing(session_, adapter);
}

bool Scheduler::goes_before(const Sequence& a, const Sequence& b) {
  return std::tie(a.request.adapter, a.request.adapter_scale) <
         std::tie(b.request.adapter, b.request.adapter_scale);
}

void Scheduler::compute(Pass& pass) {
  const double start = now_seconds();
  std::stable_sort(pass.parts.begin(), pass.parts.end(), [](const auto& a, const auto& b) {
    return goes_before(*a.sequence, *b.sequence);
  });
  const std::string& adapter = pass.parts.front().sequence->request.adapter;
  const Session::Mixing mixing = mixing_of(adapter);
  std::vector<BatchBuffer::Continuation> continuations;
  std::vector<int32_t> wanted;
  MixedRows mixed;
  for (PassShare& part : pass.parts) {
    const Sequence& s = *part.sequence;
    continuations.push_back({.ids = std::span(s.ids).subspan(static_cast<size_t>(s.past),
                                                             static_cast<size_t>(part.count)),
                             .pages = s.pages,
                             .past = s.past,
                             .length = s.reading() ? s.read_length : 0,
                             .slot = s.state,
                             .copy_after = part.copy_after,
                             .copy_slot = part.copy_slot});
    const AdapterParts* const parts = &parts_of(s);
    const auto scale = static_cast<float>(s.request.adapter_scale);
    if (mixed.all.empty() || mixed.all.back().parts != parts || mixed.all.back().scale != scale)
      mixed.all.push_back({.parts = parts,
                           .begin = mixed.tokens,
                           .wanted_begin = std::ssize(wanted),
                           .scale = scale});
    mixed.all.back().count += part.count;
    mixed.all.back().wanted_count += part.wanted;
    mixed.tokens += part.count;
    part.first_row = std::ssize(wanted);
    for (int64_t i = part.wanted; i > 0; --i)
      wanted.push_back(static_cast<int32_t>(mixed.tokens - i));
  }
  // Every pass of ranks has the head, so that all go the same way through it.
  if (wanted.empty() && session_.passes_together()) {
    wanted.push_back(static_cast<int32_t>(mixed.tokens - 1));
    mixed.all.back().wanted_count = 1;
  }
  const int64_t n = std::ssize(wanted);
  Tensor rows(1, std::max<int64_t>(n, 1), Dtype::kI32);
  std::copy(wanted.begin(), wanted.end(), rows.view().row<int32_t>(0));
  if (n > 0) pass.logits = Tensor(n, session_.config().vocab, Dtype::kF32);
  const BatchBuffer buffer = BatchBuffer::for_generation(continuations);
  const auto compute = [&](Run& run) {
    const RunOfRows rows_of_all(run, mixed, pass.as_many);
    session_.decoder().logits(run, buffer.batch(), n > 0 ? rows.view() : View{}, pass.logits.view(),
                              &cache_);
  };
  session_.reserve(compute);
  const bool reads = std::all_of(pass.parts.begin(), pass.parts.end(),
                                 [](const PassShare& part) { return part.sequence->reading(); });
  const auto number = static_cast<int64_t>(pass.parts.front().sequence->number) - 1;
  const InPart part(session_.run(),
                    reads ? PassPart{.name = "prompt", .number = options_.first_number + number}
                          : PassPart{"token"});
  session_.make_pass(1, compute);
  ++counts_.passes;
  pass.seconds = now_seconds() - start;
}

void Scheduler::reserve() {
  const Session::Mixing mixing(session_, "");
  const int64_t context = session_.config().context;
  for (const bool as_many : {true, false}) {
    const int64_t tokens = std::min(context, as_many ? options_.prompt_part : kFewTokens);
    const std::vector<int32_t> ids(static_cast<size_t>(tokens)),
        pages(static_cast<size_t>((tokens + kPageRows - 1) / kPageRows));
    const BatchBuffer::Continuation part{.ids = ids, .pages = pages, .length = tokens};
    const BatchBuffer buffer = BatchBuffer::for_generation({&part, 1});
    MixedRows mixed;
    mixed.tokens = tokens;
    const int64_t n = std::min(tokens, kFewTokens);
    mixed.all.push_back({.parts = &session_.parts(""), .count = tokens, .wanted_count = n});
    Tensor rows(1, n, Dtype::kI32), logits(n, session_.config().vocab, Dtype::kF32);
    session_.reserve([&](Run& run) {
      const RunOfRows all(run, mixed, as_many);
      session_.decoder().logits(run, buffer.batch(), rows.view(), logits.view(), &cache_);
    });
  }
}

void Scheduler::give_prompt_chances(Sequence& s, const Pass& pass, const PassShare& part) {
  const int64_t left =
      s.prompt_size() - 1 - s.past;  // tokens whose chances the rows from the first on give
  std::vector<TokenChances> made(static_cast<size_t>(std::min(part.count, left)));
  parallel_for(std::ssize(made), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      made[static_cast<size_t>(i)] =
          chances_of(pass.row(part.first_row + i), s.ids[static_cast<size_t>(s.past + i + 1)],
                     std::max(0, s.request.chances));
  });
  auto& all = s.progress.prompt_chances;
  std::move(made.begin(), made.end(), std::back_inserter(all));
}

// The last wanted row of each part draws the answer's next token.
void Scheduler::choose_all(const Pass& pass) {
  std::vector<const PassShare*> drawn;
  for (const PassShare& part : pass.parts)
    if (part.wanted > 0 && !part.sequence->reading()) drawn.push_back(&part);
  std::vector<Choice> choices(drawn.size());
  parallel_for(std::ssize(drawn), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const Sequence& s = *drawn[i]->sequence;
      choices[i] = choose(pass.row(drawn[i]->first_row + drawn[i]->wanted - 1), s.request,
                          {s.request.prompt, std::span(s.ids).subspan(s.request.prompt.size())});
    }
  });
  for (size_t i = 0; i < drawn.size(); ++i) {
    Sequence& s = *drawn[i]->sequence;
    if (s.ended) continue;
    Choice& choice = choices[i];
    if (!choice.finite) {
      end(s, "error",
          fmt::format("{}: the model gave a logit that is not a number for token {}: {}",
                      s.request.name, choice.not_finite, why_not_finite(session_)));
      continue;
    }
    if (choice.id < 0) {
      end_with_rest(s, "stop");
      continue;
    }
    if (s.request.mask != nullptr) s.request.mask->push(choice.id);
    accept(s, choice.id, std::move(choice.chances));
  }
}

void Scheduler::end_with_rest(Sequence& s, const char* reason) {
  if (s.decoder && !s.stop.stopped())
    s.progress.text += s.stop.push(s.decoder->finish()) + s.stop.finish();
  end(s, reason);
}

// Takes a token into the answer, or ends it.
void Scheduler::accept(Sequence& s, int32_t id, TokenChances chances) {
  if (!s.request.options.ignore_eos && std::binary_search(s.ends.begin(), s.ends.end(), id))
    return end_with_rest(s, "stop");
  ++counts_.new_tokens;
  s.ids.push_back(id);
  s.progress.ids.push_back(id);
  if (s.request.chances >= 0) s.progress.chances.push_back(std::move(chances));
  // Models are padded to more ids than their tokenizer has; these say nothing.
  if (s.decoder && id < s.request.tokenizer->vocab_size())
    s.progress.text += s.stop.push(s.decoder->push(id));
  if (s.stop.stopped()) return end_with_rest(s, "stop");
  if (s.answer_size() >= s.limit) return end_with_rest(s, "length");
  if (!s.on_progress) return;
  // Times and counts are told with the last.
  AnswerProgress told = std::exchange(s.progress, {});
  s.progress.prefill_seconds = std::exchange(told.prefill_seconds, 0);
  s.progress.decode_seconds = std::exchange(told.decode_seconds, 0);
  s.progress.decode_steps = std::exchange(told.decode_steps, 0);
  s.on_progress(told);
}

}  // namespace falconer
