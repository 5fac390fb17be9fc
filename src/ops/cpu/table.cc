// The CPU table: the scalar one, with members overridden by faster kernels as they land.
#include "ops/kernels.h"

namespace falconer {

const Kernels& cpu_kernels() {
  static const Kernels table = [] {
    Kernels made = scalar_kernels();
    made.name = "cpu";
    return made;
  }();
  return table;
}

}  // namespace falconer
