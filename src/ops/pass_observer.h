// Who looks at a pass while it goes: at what the model's parts make, and at which part it is in.
#pragma once

#include <cstdint>

#include "ops/run.h"

namespace falconer {

/// A part of a model or of a run: "attention" of layer 3, "step" 12.
struct PassPart {
  const char* name;     // a literal
  int64_t layer = -1;   // of the decoder; -1: of none
  int64_t number = -1;  // of a step or the like, which comes again and again
  bool backward = false;
};

/// Set in Run::observer; none costs a comparison for each part. It is called in dry runs as well, whose
/// values must not be touched.
class PassObserver {
 public:
  virtual ~PassObserver() = default;
  /// What a part made, (rows, columns) in the run's dtype, where the run computes; it will be written over.
  virtual void made(const Run&, const PassPart&, const View&) {}
  /// What comes until the next end belongs to this part. Parts nest.
  virtual void begins(const Run&, const PassPart&) {}
  virtual void ends(const Run&) {}
};

inline void tell_made(const Run& run, const PassPart& part, const View& values) {
  if (run.observer != nullptr && values) run.observer->made(run, part, values);
}

/// A part, while it lives.
class InPart {
 public:
  InPart(const Run& run, const PassPart& part) : run_(run), observer_(run.observer) {
    if (observer_ != nullptr) observer_->begins(run_, part);
  }
  InPart(const InPart&) = delete;
  InPart& operator=(const InPart&) = delete;
  ~InPart() {
    if (observer_ != nullptr) observer_->ends(run_);
  }

 private:
  const Run& run_;
  PassObserver* observer_;
};

}  // namespace falconer
