// The ranks of a job that work on one model: what they tell each other, and in which order it is summed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ranks/pieces.h"
#include "ranks/tensor_ranks.h"
#include "ranks/transport.h"

namespace falconer {

/// Calls are queued for a thread of their own, which alone talks to the transport. An error on it is thrown by the
/// next wait(), and by all after it: no call is done then. Tensors lie in the host's memory.
class Ranks : public TensorRanks {
 public:
  /// `make` is called on the thread, which also destroys what it made. Its error is thrown here.
  explicit Ranks(std::function<std::unique_ptr<Transport>()> make);
  explicit Ranks(std::unique_ptr<Transport> transport);
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;
  /// When all calls are done. Every rank does it, as every other call; but for one whose call has failed.
  ~Ranks() override;

  const RankPlace& place() const;
  int rank() const { return place().rank; }
  int size() const { return place().size; }
  bool first() const { return rank() == 0; }

  Ticket gather(void* whole, const Pieces& pieces, size_t element) override;
  /// The same of bytes, where rank r's part is bounds[r] .. bounds[r + 1].
  Ticket gather_parts(void* whole, std::vector<size_t> bounds);
  Ticket reduce(const float* whole, const Pieces& pieces, float* home) override;
  void wait(Ticket ticket) override;

  // What follows is done when it returns.

  /// As many numbers of every rank, rank after rank.
  std::vector<double> gather_numbers(std::span<const double> mine);
  /// The text of every rank.
  std::vector<std::string> gather_texts(const std::string& mine);
  /// Rank 0's bytes to all; as many everywhere.
  void broadcast(std::span<std::byte> data);
  void barrier();

  /// Memory that sums of so many ranks take beside the caller's, at most.
  static size_t room_bytes(int ranks);
  /// Bytes that this rank has sent, and seconds that the caller has waited.
  int64_t sent_bytes() const;
  double waited_seconds() const;

  /// Ends the job: this rank's error was said. From any thread, whatever the others are at. Never returns.
  [[noreturn]] void abort(int code);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Ranks::gather_numbers(), or `mine` where `ranks` is null: this process is alone.
std::vector<double> numbers_of_all(Ranks* ranks, const std::vector<double>& mine);

}  // namespace falconer
