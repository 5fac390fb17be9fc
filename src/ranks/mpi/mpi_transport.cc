// The ranks of an MPI job, by whatever MPI this file is compiled with: calls of the standard (MPI 3) alone. It is a
// library of its own, libfalconer_mpi.so, which the program loads when it is part of a job.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "falconer/error.h"
#include "ranks/transport.h"

namespace falconer {
namespace {

using Clock = std::chrono::steady_clock;

/// Counts are int in MPI 3; and after each of these a rank is seen to be there.
constexpr size_t kMostMessage = size_t{1} << 22;
constexpr int kTag = 1;

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(std::string(call) + ": " + std::string(text.data(), static_cast<size_t>(length)));
}

/// Sleeps between looks: not at all at first, then for a hundredth of what was waited. MPI's own waiting would take a
/// core from those who compute, and without looks nothing moves.
class Pause {
 public:
  void reset() { *this = {}; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void rest() {
    if (++looks_ <= kSpins) return;
    const double sleep = std::clamp(seconds() / 100, 20e-6, 1e-3);
    std::this_thread::sleep_for(std::chrono::duration<double>(sleep));
  }

 private:
  static constexpr int kSpins = 50;
  int looks_ = 0;
  Clock::time_point start_ = Clock::now();
};

class MpiTransport : public Transport {
 public:
  MpiTransport();
  MpiTransport(const MpiTransport&) = delete;
  MpiTransport& operator=(const MpiTransport&) = delete;
  ~MpiTransport() override;

  const RankPlace& place() const override { return place_; }
  void set_timeout(double seconds) override { timeout_ = seconds; }

  void gather(std::byte* whole, std::span<const size_t> bounds) override;
  void exchange(std::span<const std::span<const std::byte>> parts, std::byte* received) override;
  void broadcast(std::byte* data, size_t bytes, int root) override;
  void barrier() override;
  [[noreturn]] void abort(int code) override;

 private:
  void send(const std::byte* data, size_t bytes, int to);
  void receive(std::byte* data, size_t bytes, int from);
  void finish(const char* what);
  [[noreturn]] void fail_waiting(const char* what) const;

  RankPlace place_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  double timeout_ = 600;
  const std::thread::id thread_ = std::this_thread::get_id();
  std::atomic<int> abort_code_ = -1;
  bool failed_ = false;  // then requests are open, and nobody is waited for any more

  // What is under way, and with whom.
  struct Message {
    int peer;       // -1: none by name
    bool receives;  // from it
    int bytes;      // -1: of a collective call
  };
  void add(MPI_Request request, const Message& message);
  void check_arrived(int code, std::span<const int> done, std::span<const MPI_Status> how,
                     const char* what) const;
  std::vector<MPI_Request> requests_;
  std::vector<Message> messages_;
};

MpiTransport::MpiTransport() {
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // of this thread: short sleeps are as short as they say
  int granted = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &granted), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  MPI_Comm_rank(comm_, &place_.rank);
  MPI_Comm_size(comm_, &place_.size);
  MPI_Comm here = MPI_COMM_NULL;
  check(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, place_.rank, MPI_INFO_NULL, &here),
        "MPI_Comm_split_type");
  MPI_Comm_rank(here, &place_.local_rank);
  MPI_Comm_size(here, &place_.local_size);
  MPI_Comm_free(&here);
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  place_.host = name.data();
}

// After a failure others may be gone: who ends this process takes the job down with abort().
MpiTransport::~MpiTransport() {
  if (failed_) return;
  try {
    barrier();
    MPI_Comm_free(&comm_);
    MPI_Finalize();
  } catch (const std::exception&) {
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}

// In messages that an int can count.
void MpiTransport::send(const std::byte* data, size_t bytes, int to) {
  for (size_t at = 0; at == 0 || at < bytes; at += kMostMessage) {
    MPI_Request request = MPI_REQUEST_NULL;
    const int count = static_cast<int>(std::min(kMostMessage, bytes - at));
    check(MPI_Isend(bytes == 0 ? nullptr : data + at, count, MPI_BYTE, to, kTag, comm_, &request),
          "MPI_Isend");
    add(request, {.peer = to, .receives = false, .bytes = count});
  }
}

void MpiTransport::receive(std::byte* data, size_t bytes, int from) {
  for (size_t at = 0; at == 0 || at < bytes; at += kMostMessage) {
    MPI_Request request = MPI_REQUEST_NULL;
    const int count = static_cast<int>(std::min(kMostMessage, bytes - at));
    check(MPI_Irecv(bytes == 0 ? nullptr : data + at, count, MPI_BYTE, from, kTag, comm_, &request),
          "MPI_Irecv");
    add(request, {.peer = from, .receives = true, .bytes = count});
  }
}

void MpiTransport::add(MPI_Request request, const Message& message) {
  requests_.push_back(request);
  messages_.push_back(message);
}

// A rank that was told to stop alone, say, meets the others in other calls than theirs.
void MpiTransport::check_arrived(int code, std::span<const int> done,
                                 std::span<const MPI_Status> how, const char* what) const {
  int kind = MPI_SUCCESS;
  MPI_Error_class(code, &kind);
  if (kind != MPI_ERR_IN_STATUS) check(code, what);
  for (size_t i = 0; i < done.size(); ++i) {
    const Message& message = messages_[static_cast<size_t>(done[i])];
    if (!message.receives || message.bytes < 0) continue;
    int bytes = -1;
    MPI_Get_count(&how[i], MPI_BYTE, &bytes);
    if (kind != MPI_SUCCESS || bytes != message.bytes)
      throw Error("rank " + std::to_string(message.peer) + " is at something else than rank " +
                  std::to_string(place_.rank) + ", which is " + what);
  }
  check(code, what);
}

void MpiTransport::fail_waiting(const char* what) const {
  std::vector<int> silent, deaf;
  for (size_t i = 0; i < requests_.size(); ++i)
    if (requests_[i] != MPI_REQUEST_NULL && messages_[i].peer >= 0)
      (messages_[i].receives ? silent : deaf).push_back(messages_[i].peer);
  std::vector<int>& named = silent.empty() ? deaf : silent;
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  std::string ranks = named.size() > 1 ? "ranks" : named.empty() ? "the other ranks" : "rank";
  for (size_t i = 0; i < named.size(); ++i)
    ranks += (i == 0 ? " " : i + 1 == named.size() ? " and " : ", ") + std::to_string(named[i]);
  std::string seconds = std::to_string(timeout_);
  seconds.erase(seconds.find_last_not_of('0') + 1);
  if (seconds.ends_with('.')) seconds.pop_back();
  throw Error(std::string("nothing came from ") + ranks + " for " + seconds + " s (" + what +
              "): stopped, or at something that takes longer, which --rank-timeout SECONDS allows");
}

// Until all that is under way has been done.
void MpiTransport::finish(const char* what) {
  if (failed_) throw Error(std::string(what) + ": an earlier call has failed");
  failed_ = true;  // unless the end is reached
  std::vector<int> done(requests_.size());
  std::vector<MPI_Status> how(requests_.size());
  size_t left = requests_.size();
  Pause pause;
  while (left > 0) {
    if (const int code = abort_code_; code >= 0) MPI_Abort(MPI_COMM_WORLD, code);
    int count = 0;
    const int code = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                                  done.data(), how.data());
    const size_t ended = count > 0 ? static_cast<size_t>(count) : 0;
    check_arrived(code, std::span(done).first(ended), how, what);
    if (count > 0) {
      left -= static_cast<size_t>(count);
      pause.reset();
      continue;
    }
    if (pause.seconds() > timeout_) fail_waiting(what);
    pause.rest();
  }
  requests_.clear();
  messages_.clear();
  failed_ = false;
}

void MpiTransport::gather(std::byte* whole, std::span<const size_t> bounds) {
  const auto own = static_cast<size_t>(place_.rank);
  const size_t bytes = bounds[own + 1] - bounds[own];
  // Everyone begins with its neighbour, so that not all send to one at a time.
  for (int i = 1; i < place_.size; ++i) {
    const int from = (place_.rank + place_.size - i) % place_.size;
    const auto f = static_cast<size_t>(from);
    if (bounds[f + 1] > bounds[f]) receive(whole + bounds[f], bounds[f + 1] - bounds[f], from);
  }
  for (int i = 1; i < place_.size && bytes > 0; ++i)
    send(whole + bounds[own], bytes, (place_.rank + i) % place_.size);
  finish("gathering");
}

void MpiTransport::exchange(std::span<const std::span<const std::byte>> parts,
                            std::byte* received) {
  const size_t own = parts[static_cast<size_t>(place_.rank)].size();
  for (int i = 1; i < place_.size && own > 0; ++i) {
    const int from = (place_.rank + place_.size - i) % place_.size;
    receive(received + static_cast<size_t>(from) * own, own, from);
  }
  for (int i = 1; i < place_.size; ++i) {
    const int to = (place_.rank + i) % place_.size;
    const std::span<const std::byte> part = parts[static_cast<size_t>(to)];
    if (!part.empty()) send(part.data(), part.size(), to);
  }
  finish("exchanging");
}

void MpiTransport::broadcast(std::byte* data, size_t bytes, int root) {
  for (size_t at = 0; at < bytes; at += kMostMessage) {
    MPI_Request request = MPI_REQUEST_NULL;
    check(MPI_Ibcast(data + at, static_cast<int>(std::min(kMostMessage, bytes - at)), MPI_BYTE,
                     root, comm_, &request),
          "MPI_Ibcast");
    add(request, {.peer = place_.rank == root ? -1 : root, .receives = true, .bytes = -1});
  }
  finish("broadcasting");
}

// Not MPI_Ibarrier, which cannot say who did not come.
void MpiTransport::barrier() {
  for (int r = 0; r < place_.size; ++r)
    if (r != place_.rank) receive(nullptr, 0, r);
  for (int r = 0; r < place_.size; ++r)
    if (r != place_.rank) send(nullptr, 0, r);
  finish("at a barrier");
}

void MpiTransport::abort(int code) {
  if (std::this_thread::get_id() == thread_) {
    MPI_Abort(MPI_COMM_WORLD, code);
    ::_exit(code);
  }
  // The thread that may talk to MPI sees it between two looks. Where it does not come back from MPI, this process
  // ends without, and its launcher ends the others.
  abort_code_ = code;
  std::this_thread::sleep_for(std::chrono::seconds(2));
  ::_exit(code);
}

}  // namespace
}  // namespace falconer

/// Joins the job that this process was started in. Null: the program that asks has another version of Transport.
/// Throws falconer::Error.
extern "C" __attribute__((visibility("default"))) falconer::Transport* falconer_mpi_transport(
    int version) {
  if (version != falconer::kTransportVersion) return nullptr;
  return new falconer::MpiTransport;
}
