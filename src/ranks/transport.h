// What carries bytes between the ranks of a job: MPI's library, or threads of one process for tests. The one
// header that libfalconer_mpi.so is built from, besides falconer/error.h.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace falconer {

/// Where a rank stands: in the job, and among those of its machine.
struct RankPlace {
  int rank = 0, size = 1;
  int local_rank = 0, local_size = 1;
  std::string host;
};

/// Every rank makes the same calls in the same order. Each returns when this rank's part is done, and does no
/// arithmetic: whoever sums, sums in an order of its own. All calls but abort() come from the thread that made the
/// transport, which also destroys it: that leaves the job in order, together with the other ranks, unless a call
/// has failed. Errors: another rank was not there within the time that was given (named where that can be known);
/// the transport's own.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual const RankPlace& place() const = 0;
  /// How long a call waits for other ranks of which nothing comes.
  virtual void set_timeout(double seconds) = 0;

  /// Rank r's part of `whole` are the bytes bounds[r] .. bounds[r + 1]; each has its own, and has all of them
  /// then. Empty parts are allowed; bounds.size() is the number of ranks + 1.
  virtual void gather(std::byte* whole, std::span<const size_t> bounds) = 0;
  /// Sends parts[r] to rank r, and puts what rank r sends to `received` + r * parts[this rank].size(), which is
  /// how much everyone sends to this rank; its own part is not put there.
  virtual void exchange(std::span<const std::span<const std::byte>> parts, std::byte* received) = 0;
  virtual void broadcast(std::byte* data, size_t bytes, int root) = 0;
  virtual void barrier() = 0;

  /// Takes the whole job down at once, from any thread.
  [[noreturn]] virtual void abort(int code) = 0;
};

/// Of the class above, with RankPlace: another number wherever they change.
inline constexpr int kTransportVersion = 1;

}  // namespace falconer
