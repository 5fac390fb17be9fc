#include "ranks/nccl/nccl_ranks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/quiet_thread.h"
#include "base/system.h"
#include "ranks/nccl/nccl_api.h"
#include "tensor/buffer.h"
#include "tensor/device_queue.h"

namespace falconer {
namespace {

// What all ranks send of a sum at one time lies here: as much as a band has, where they are not many.
constexpr int64_t kSumRoom = int64_t{1} << 23;  // elements

int64_t sum_chunk(int ranks) {
  return std::max<int64_t>(kSumRoom / ranks / kPieceBlock, 1) * kPieceBlock;
}

// Another GPU adds in another order, and all ranks would go at the pace of the slowest.
void refuse_other_gpus(Ranks& ranks, const Device& device) {
  const std::string& name = device.name();  // "cuda:0, NVIDIA H100"
  const size_t kind = name.find(", ");
  const std::vector<std::string> all =
      ranks.gather_texts(kind == std::string::npos ? name : name.substr(kind + 2));
  for (size_t r = 1; r < all.size(); ++r)
    if (all[r] != all.front())
      fail("rank {} has another GPU than rank 0: {} and {}; give all ranks the same", r, all[r],
           all.front());
}

}  // namespace

struct NcclRanks::State {
  const NcclApi& nccl;
  const int rank, ranks;
  const double timeout;
  const std::unique_ptr<DeviceQueue> queue;
  const Buffer room;
  const int exceptions = std::uncaught_exceptions();

  NcclComm comm = nullptr;
  std::mutex calling;  // of `comm`: the caller's for a whole group, or the watching thread's
  std::atomic<uint64_t> given = 0;

  std::mutex guard;
  std::condition_variable wake;
  bool ending = false;
  std::optional<std::string> failure;
  std::thread watcher;

  State(Ranks& all, Device& device, double seconds)
      : nccl(falconer::nccl()),
        rank(all.rank()),
        ranks(all.size()),
        timeout(seconds),
        queue(device.open_queue()),
        room(room_bytes(all.size()), &device) {}
  void join(Ranks& all);
  void leave();
  void end_watching();
  void watch();
  void look(uint64_t& watched, double& since);
  void fail_with(const std::string& what);
  void throw_failure();
  [[noreturn]] void fail_call(const char* call, int result) const;
  void check(int result, const char* call) const;
  void until_done(const char* call);
  template <class Calls>
  void group(const Calls& calls);
  void send(const void* data, size_t bytes, int to);
  void receive(void* data, size_t bytes, int from);
  void exchange(const float* whole, const Pieces& pieces, int64_t at, int64_t chunk);
};

void NcclRanks::State::fail_call(const char* call, int result) const {
  const char* const more = nccl.last_error(comm);
  fail("{}: {}{}{}", call, nccl.error_text(result), more != nullptr && *more != '\0' ? ": " : "",
       more != nullptr ? more : "");
}

void NcclRanks::State::check(int result, const char* call) const {
  if (result != kNcclSuccess && result != kNcclInProgress) fail_call(call, result);
}

// Nothing that was begun waits in NCCL itself, where nobody would see that a rank does not come.
void NcclRanks::State::until_done(const char* call) {
  const double start = now_seconds();
  for (int looks = 0;; ++looks) {
    int result = kNcclSuccess;
    check(nccl.async_error(comm, &result), call);
    if (result == kNcclSuccess) return;
    if (result != kNcclInProgress) fail_call(call, result);
    const double waited = now_seconds() - start;
    if (waited > timeout)
      fail(
          "{}: another rank did not come within {:g} s: stopped, or at something that takes "
          "longer, "
          "which --rank-timeout SECONDS allows",
          call, timeout);
    if (looks < 100) continue;
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::clamp(waited / 100, 20e-6, 1e-3)));
  }
}

void NcclRanks::State::join(Ranks& all) {
  NcclId id;
  // Where the first rank has no id all end with its error, and none waits for it.
  std::string why;
  try {
    if (rank == 0) check(nccl.unique_id(&id), "ncclGetUniqueId");
  } catch (const Error& error) {
    why = error.what();
  }
  why = all.gather_texts(why).front();
  if (!why.empty()) fail("{}", why);
  all.broadcast(std::as_writable_bytes(std::span(id.bytes)));
  NcclConfig config{.blocking = 0};
  queue->make_current();
  try {
    check(nccl.init(&comm, ranks, id, rank, &config), "ncclCommInitRankConfig");
    until_done("ncclCommInitRankConfig");
  } catch (const Error& error) {
    if (comm != nullptr) nccl.abort(comm);
    fail(
        "rank {} cannot join the others over NCCL: {}; each rank needs a GPU of its own (as many "
        "ranks on a machine as it has GPUs), and NCCL_DEBUG=INFO says more",
        rank, error.what());
  }
  watcher = quiet_thread([this] { watch(); });
}

// After a failure, or with one, nobody is waited for.
void NcclRanks::State::leave() {
  end_watching();
  if (failure) return;  // it has no communicator any more
  try {
    if (std::uncaught_exceptions() > exceptions) throw Error("another error ends this rank");
    queue->make_current();
    check(nccl.finalize(comm), "ncclCommFinalize");
    until_done("ncclCommFinalize");
    check(nccl.destroy(comm), "ncclCommDestroy");
  } catch (const Error&) {
    nccl.abort(comm);
  }
}

void NcclRanks::State::end_watching() {
  {
    const std::lock_guard<std::mutex> lock(guard);
    ending = true;
  }
  wake.notify_all();
  if (watcher.joinable()) watcher.join();
}

void NcclRanks::State::watch() {
  const auto period = std::chrono::duration<double>(std::min(0.1, timeout / 8));
  uint64_t watched = 0;
  double since = now_seconds();
  std::unique_lock<std::mutex> lock(guard);
  while (!wake.wait_for(lock, period, [&] { return ending; }) && !failure) {
    lock.unlock();
    // The caller looks at what it is calling itself.
    if (const std::unique_lock<std::mutex> free(calling, std::try_to_lock); free.owns_lock()) try {
        look(watched, since);
      } catch (const Error& error) {
        fail_with(error.what());
      }
    lock.lock();
  }
}

// `watched`: the mark that is waited for, since then; 0: none.
void NcclRanks::State::look(uint64_t& watched, double& since) {
  throw_failure();
  int result = kNcclSuccess;
  check(nccl.async_error(comm, &result), "ncclCommGetAsyncError");
  if (result != kNcclSuccess && result != kNcclInProgress) fail_call("NCCL", result);
  if (watched == 0 || queue->reached(watched)) {
    const uint64_t last = given;
    watched = last == 0 || queue->reached(last) ? 0 : last;
    since = now_seconds();
  } else if (now_seconds() - since > timeout) {
    fail(
        "nothing came over NCCL for {:g} s: a rank has stopped, or is at something that takes "
        "longer, which --rank-timeout SECONDS allows",
        timeout);
  }
}

// With `calling` held. The device is then done with what it waits for, whatever came of it.
void NcclRanks::State::fail_with(const std::string& what) {
  {
    const std::lock_guard<std::mutex> lock(guard);
    if (failure) return;
    failure = what;
  }
  nccl.abort(comm);
}

void NcclRanks::State::throw_failure() {
  const std::lock_guard<std::mutex> lock(guard);
  if (failure) throw Error(*failure);
}

// What is called in a group is one step for NCCL, whose parts do not wait for one another.
template <class Calls>
void NcclRanks::State::group(const Calls& calls) {
  const std::lock_guard<std::mutex> lock(calling);
  throw_failure();
  queue->make_current();
  try {
    check(nccl.group_start(), "ncclGroupStart");
    try {
      calls();
    } catch (...) {
      nccl.group_end();
      throw;
    }
    check(nccl.group_end(), "ncclGroupEnd");
    until_done("ncclGroupEnd");
  } catch (const Error& error) {
    fail_with(error.what());
    throw;
  }
}

void NcclRanks::State::send(const void* data, size_t bytes, int to) {
  if (bytes > 0) check(nccl.send(data, bytes, kNcclUint8, to, comm, queue->stream()), "ncclSend");
}

void NcclRanks::State::receive(void* data, size_t bytes, int from) {
  if (bytes > 0)
    check(nccl.receive(data, bytes, kNcclUint8, from, comm, queue->stream()), "ncclRecv");
}

// Rank r gets of its piece what lies from `at` on, a chunk at most, and so does this one, into the room.
void NcclRanks::State::exchange(const float* whole, const Pieces& pieces, int64_t at,
                                int64_t chunk) {
  const auto elements = [&](int r) { return std::clamp<int64_t>(pieces.count(r) - at, 0, chunk); };
  const auto bytes = [&](int r) { return static_cast<size_t>(elements(r)) * sizeof(float); };
  group([&] {
    // Everyone begins with its neighbour, so that not all send to one at a time.
    for (int i = 1; i < ranks; ++i) {
      const int to = (rank + i) % ranks, from = (rank + ranks - i) % ranks;
      if (elements(to) > 0) send(whole + pieces.begin(to) + at, bytes(to), to);
      receive(room.data() + static_cast<size_t>(from * chunk) * sizeof(float), bytes(rank), from);
    }
  });
}

NcclRanks::NcclRanks(Ranks& ranks, Device& device, double timeout)
    : state_(new State(ranks, device, timeout)) {
  refuse_other_gpus(ranks, device);
  state_->join(ranks);
}

NcclRanks::~NcclRanks() { state_->leave(); }

NcclRanks::Ticket NcclRanks::gather(void* whole, const Pieces& pieces, size_t element) {
  FALCONER_CHECK(pieces.ranks == state_->ranks);
  if (pieces.n == 0) return 0;
  auto* const bytes = static_cast<std::byte*>(whole);
  const auto at = [&](int r) { return bytes + static_cast<size_t>(pieces.begin(r)) * element; };
  const auto count = [&](int r) { return static_cast<size_t>(pieces.count(r)) * element; };
  const int rank = state_->rank, ranks = state_->ranks;
  state_->queue->follow_device();
  state_->group([&] {
    for (int i = 1; i < ranks; ++i) {
      const int to = (rank + i) % ranks, from = (rank + ranks - i) % ranks;
      state_->send(at(rank), count(rank), to);
      state_->receive(at(from), count(from), from);
    }
  });
  return state_->given = state_->queue->mark();
}

NcclRanks::Ticket NcclRanks::reduce(const float* whole, const Pieces& pieces, float* home) {
  FALCONER_CHECK(pieces.ranks == state_->ranks);
  if (pieces.n == 0) return 0;
  int64_t longest = 0;
  for (int r = 0; r < pieces.ranks; ++r) longest = std::max(longest, pieces.count(r));
  const int rank = state_->rank;
  const int64_t chunk = sum_chunk(pieces.ranks);
  state_->queue->follow_device();
  for (int64_t at = 0; at < longest; at += chunk) {
    state_->exchange(whole, pieces, at, chunk);
    const int64_t own = std::clamp<int64_t>(pieces.count(rank) - at, 0, chunk);
    if (own == 0) continue;
    state_->queue->add_sum({.own = whole + pieces.begin(rank) + at,
                            .parts = reinterpret_cast<const float*>(state_->room.data()),
                            .stride = chunk,
                            .self = rank,
                            .ranks = pieces.ranks,
                            .n = own,
                            .home = home + at});
  }
  return state_->given = state_->queue->mark();
}

void NcclRanks::wait(Ticket ticket) {
  state_->throw_failure();
  if (ticket > 0) state_->queue->device_follows(ticket);
}

size_t NcclRanks::room_bytes(int ranks) {
  return static_cast<size_t>(sum_chunk(ranks)) * static_cast<size_t>(ranks) * sizeof(float);
}

}  // namespace falconer
