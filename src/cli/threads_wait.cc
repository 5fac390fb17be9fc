// How long a thread of the pool spins at the end of parallel work before it sleeps.
#include <cstdlib>

namespace {

// GCC's OpenMP spins for milliseconds, which is right where nobody else computes; on a shared
// machine each of its barriers then waits for a time slice, and a small model trains a hundred
// times slower. A tenth of a millisecond keeps both fast. The library reads its setting when it is
// loaded, so this runs before that; what the user set stays.
void set_spin_count() {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) ::setenv("GOMP_SPINCOUNT", "2000", 0);
}

}  // namespace

extern "C" {
__attribute__((section(".preinit_array"), used)) void (*const falconer_before_libraries)() =
    set_spin_count;
}
