#include "base/error.h"
#include "targets.h"

namespace falconer::fuzz {

void run_target(const Target& target, Input input) {
  try {
    target.run(input);
  } catch (const Error&) {
  }
}

}  // namespace falconer::fuzz
