// The kinds of things that may be wrong with data: their names, how grave they are, what to do.
#pragma once

#include <array>
#include <cstddef>

#include "data/doctor.h"

namespace falconer {

/// Kinds of findings, in the order in which they are told.
enum FindingKind : size_t {
  kBadRow,
  kNoTargets,
  kMissingEnd,
  kDoubleBegin,
  kHeldOutRow,
  kAnswerLost,
  kTruncated,
  kHeldOutPrompt,
  kRepeatedRow,
  kOtherAnswer,
  kAnswerEmpty,
  kRoleTwice,
  kRowsInField,
  kCharacters,
  kControlToken,
  kOutlier,
  kLeftOut,
  kSpecialText,
  kAnswerShort,
  kTextOpen,
  kKinds
};

struct FindingText {
  const char* kind;
  Severity severity;
  const char* what;
  const char* next_step;
};
const FindingText& text_of(FindingKind kind);

}  // namespace falconer
