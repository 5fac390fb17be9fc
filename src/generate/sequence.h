// One answer while it is made: for scheduler.cc and scheduler_pass.cc.
#pragma once

#include "generate/scheduler.h"

namespace falconer {

/// Prompts of so many tokens go through the products for few rows, and as many rows of new tokens at one time: the
/// CPU's kernels give each the bits that it would have alone.
inline constexpr int64_t kFewTokens = 32;

struct Scheduler::Sequence {
  uint64_t number = 0;
  AnswerRequest request;
  OnProgress on_progress;
  std::vector<int32_t> ends;   // tokens that end the answer, sorted
  int64_t limit = 0;           // new tokens at most
  std::vector<int32_t> ids;    // the prompt's, then the answer's
  std::vector<int32_t> pages;  // none: it waits for room
  int32_t state = -1;          // of models that have them: whose it is as long as it has pages
  int64_t known_pages = 0;     // of its beginning, that were kept when it began
  std::vector<std::pair<int64_t, int32_t>>
      copies;               // of its state, by the whole pages that stand before
  int64_t past = 0;         // ids in the cache
  int64_t read_to = 0;      // ids that are read in parts, as a prompt is
  int64_t read_length = 0;  // of the whole that they are a part of (Continuation::length)
  bool ended = false;
  std::optional<StreamDecoder> decoder;
  StopMatcher stop{{}};
  AnswerProgress progress;  // what the next call is told

  int64_t prompt_size() const { return std::ssize(request.prompt); }
  int64_t answer_size() const { return std::ssize(ids) - prompt_size(); }
  bool reading() const { return past < read_to; }
  /// Of what it reads: not of a prompt that is read again.
  bool gives_prompt_chances() const { return request.prompt_chances && answer_size() == 0; }
  bool mixes = true;
};

/// What one answer has of a pass.
struct Scheduler::PassShare {
  Sequence* sequence;
  int64_t count;           // of ids, from its past on
  int64_t wanted = 0;      // of these the last ones' logits
  int64_t first_row = 0;   // of its logits
  int64_t copy_after = 0;  // its state is copied behind so many of the count
  int32_t copy_slot = -1;
};

/// One pass of the decoder, and what comes of it.
struct Scheduler::Pass {
  std::vector<PassShare> parts;
  bool as_many = false;
  Tensor logits;
  double seconds = 0;

  std::span<const float> row(int64_t i) const {
    return {logits.view().row<float>(i), static_cast<size_t>(logits.view().cols)};
  }
};

}  // namespace falconer
