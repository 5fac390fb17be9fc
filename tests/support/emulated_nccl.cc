#include "support/emulated_nccl.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/error.h"
#include "ranks/nccl/nccl_api.h"
#include "support/emulated_gpu.h"

namespace falconer::test {
namespace {

constexpr int kInvalidArgument = 4, kInvalidUsage = 5;
constexpr auto kPatience = std::chrono::seconds(60);

/// The communicators that one id has brought together.
struct NcclJob {
  std::mutex guard;
  std::condition_variable changed;
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> sent;  // by sender and receiver
  std::set<int> aborted;
  int joined = 0, finalized = 0;
};

struct NcclWorld {
  std::mutex guard;
  std::map<std::string, std::shared_ptr<NcclJob>> jobs;
  std::map<int, std::vector<NcclGroup>> groups;
  std::map<std::pair<int, std::string>, int> failures;
  std::map<int, int> reports;
  int ids = 0, alive = 0, aborted = 0;
  bool moves = true;
};
NcclWorld* world = nullptr;  // while an EmulatedNccl lives

}  // namespace
}  // namespace falconer::test

namespace falconer {

struct NcclCommunicator {
  std::shared_ptr<test::NcclJob> job;
  int rank = 0, ranks = 1;
  int looks = 0;  // ncclInProgress for so many
  bool finalizing = false;
};

namespace test {
namespace {

struct OpenGroup {
  int depth = 0;
  NcclComm comm = nullptr;
  void* stream = nullptr;
  NcclGroup calls;
};
thread_local OpenGroup open_group;

// What a call of the rank is to give; kNcclSuccess: go on.
int take_failure(int rank, const char* function) {
  const std::lock_guard<std::mutex> lock(world->guard);
  const auto found = world->failures.find({rank, function});
  if (found == world->failures.end()) return kNcclSuccess;
  const int result = found->second;
  world->failures.erase(found);
  return result;
}

int emulated_version(int* version) {
  *version = 21700;
  return kNcclSuccess;
}

int emulated_unique_id(NcclId* id) {
  if (const int result = take_failure(0, "ncclGetUniqueId")) return result;
  const std::lock_guard<std::mutex> lock(world->guard);
  const std::string name = "job " + std::to_string(++world->ids);
  std::memcpy(id->bytes, name.c_str(), name.size() + 1);
  world->jobs[name] = std::make_shared<NcclJob>();
  return kNcclSuccess;
}

int emulated_init(NcclComm* comm, int ranks, NcclId id, int rank, NcclConfig* config) {
  if (const int result = take_failure(rank, "ncclCommInitRankConfig")) return result;
  if (config->magic != 0xcafebeef || config->size != sizeof *config || config->blocking != 0)
    return kInvalidArgument;
  const std::lock_guard<std::mutex> lock(world->guard);
  const auto found = world->jobs.find(id.bytes);
  if (found == world->jobs.end() || rank < 0 || rank >= ranks) return kInvalidArgument;
  *comm = new NcclCommunicator{.job = found->second, .rank = rank, .ranks = ranks};
  ++world->alive;
  const std::lock_guard<std::mutex> joining(found->second->guard);
  ++found->second->joined;
  return kNcclInProgress;
}

int emulated_async_error(NcclComm comm, int* result) {
  {
    const std::lock_guard<std::mutex> lock(world->guard);
    if (const auto found = world->reports.find(comm->rank); found != world->reports.end()) {
      *result = found->second;
      return kNcclSuccess;
    }
  }
  const std::lock_guard<std::mutex> lock(comm->job->guard);
  const bool waits =
      comm->job->joined < comm->ranks || (comm->finalizing && comm->job->finalized < comm->ranks);
  *result = waits || comm->looks > 0 ? kNcclInProgress : kNcclSuccess;
  if (comm->looks > 0) --comm->looks;
  return kNcclSuccess;
}

int emulated_finalize(NcclComm comm) {
  const std::lock_guard<std::mutex> lock(comm->job->guard);
  if (comm->finalizing) return kInvalidUsage;
  comm->finalizing = true;
  ++comm->job->finalized;
  return kNcclInProgress;
}

int end_communicator(NcclComm comm, bool aborts) {
  {
    const std::lock_guard<std::mutex> lock(comm->job->guard);
    if (aborts) comm->job->aborted.insert(comm->rank);
    if (!aborts && !comm->finalizing) return kInvalidUsage;
  }
  comm->job->changed.notify_all();
  const std::lock_guard<std::mutex> lock(world->guard);
  --world->alive;
  if (aborts) ++world->aborted;
  delete comm;
  return kNcclSuccess;
}
int emulated_destroy(NcclComm comm) { return end_communicator(comm, false); }
int emulated_abort(NcclComm comm) { return end_communicator(comm, true); }

// In the device's queue: all that is sent is there for the others before this rank waits for theirs.
void move_group(NcclJob& job, int rank, const NcclGroup& calls) {
  std::unique_lock<std::mutex> lock(job.guard);
  for (const NcclCall& call : calls) {
    if (!call.sends) continue;
    const auto* const data = static_cast<const std::byte*>(call.memory);
    job.sent[{rank, call.peer}].emplace_back(data, data + call.bytes);
  }
  job.changed.notify_all();
  for (const NcclCall& call : calls) {
    if (call.sends) continue;
    auto& from = job.sent[{call.peer, rank}];
    const bool came = job.changed.wait_for(
        lock, kPatience, [&] { return !from.empty() || job.aborted.contains(rank); });
    if (job.aborted.contains(rank)) return;
    if (!came) throw Error("emulated NCCL: nothing was sent by rank " + std::to_string(call.peer));
    if (from.front().size() != call.bytes)
      throw Error("emulated NCCL: other sizes are sent than received");
    std::memcpy(const_cast<void*>(call.memory), from.front().data(), call.bytes);
    from.pop_front();
  }
}

int emulated_group_start() {
  ++open_group.depth;
  return kNcclSuccess;
}

int emulated_group_end() {
  if (open_group.depth == 0) return kInvalidUsage;
  if (--open_group.depth > 0) return kNcclSuccess;
  const OpenGroup group = std::exchange(open_group, {});
  if (group.comm == nullptr) return kNcclSuccess;
  if (const int result = take_failure(group.comm->rank, "ncclGroupEnd")) return result;
  bool moves = true;
  {
    const std::lock_guard<std::mutex> lock(world->guard);
    world->groups[group.comm->rank].push_back(group.calls);
    moves = world->moves;
  }
  {
    const std::lock_guard<std::mutex> lock(group.comm->job->guard);
    group.comm->looks = 2;
  }
  if (moves)
    emulated::enqueue_call(group.stream, [job = group.comm->job, rank = group.comm->rank,
                                          calls = group.calls] { move_group(*job, rank, calls); });
  return kNcclInProgress;
}

int add_call(const NcclCall& call, int type, NcclComm comm, void* stream, const char* function) {
  if (comm == nullptr || stream == nullptr || type != kNcclUint8) return kInvalidArgument;
  if (call.peer < 0 || call.peer >= comm->ranks || call.peer == comm->rank) return kInvalidArgument;
  if (const int result = take_failure(comm->rank, function)) return result;
  // Alone, a send would wait for its receive: ours belong together.
  if (open_group.depth != 1) return kInvalidUsage;
  if (open_group.comm != nullptr && (open_group.comm != comm || open_group.stream != stream))
    return kInvalidUsage;
  open_group.comm = comm;
  open_group.stream = stream;
  open_group.calls.push_back(call);
  return kNcclSuccess;
}

int emulated_send(const void* data, size_t count, int type, int to, NcclComm comm, void* stream) {
  return add_call({.sends = true, .peer = to, .bytes = count, .memory = data}, type, comm, stream,
                  "ncclSend");
}

int emulated_receive(void* data, size_t count, int type, int from, NcclComm comm, void* stream) {
  return add_call({.sends = false, .peer = from, .bytes = count, .memory = data}, type, comm,
                  stream, "ncclRecv");
}

const char* emulated_error_text(int result) {
  return result == kInvalidUsage      ? "invalid usage"
         : result == kInvalidArgument ? "invalid argument"
         : result == 6                ? "remote process exited or there was a network error"
                                      : "another result";
}
const char* emulated_last_error(NcclComm) { return "Duplicate GPU detected : rank 1 and rank 0"; }

constexpr NcclApi kEmulatedNccl = {
    .version = emulated_version,
    .unique_id = emulated_unique_id,
    .init = emulated_init,
    .finalize = emulated_finalize,
    .destroy = emulated_destroy,
    .abort = emulated_abort,
    .async_error = emulated_async_error,
    .group_start = emulated_group_start,
    .group_end = emulated_group_end,
    .send = emulated_send,
    .receive = emulated_receive,
    .error_text = emulated_error_text,
    .last_error = emulated_last_error,
};

}  // namespace

EmulatedNccl::EmulatedNccl() {
  FALCONER_CHECK(world == nullptr);
  world = new NcclWorld;
  stand_in_for_nccl(&kEmulatedNccl);
}

EmulatedNccl::~EmulatedNccl() {
  stand_in_for_nccl(nullptr);
  delete std::exchange(world, nullptr);
}

std::vector<NcclGroup> EmulatedNccl::groups(int rank) const {
  const std::lock_guard<std::mutex> lock(world->guard);
  return world->groups[rank];
}
int EmulatedNccl::alive() const {
  const std::lock_guard<std::mutex> lock(world->guard);
  return world->alive;
}
int EmulatedNccl::aborted() const {
  const std::lock_guard<std::mutex> lock(world->guard);
  return world->aborted;
}
void EmulatedNccl::move_nothing() {
  const std::lock_guard<std::mutex> lock(world->guard);
  world->moves = false;
}
void EmulatedNccl::fail(int rank, const char* function, int result) {
  const std::lock_guard<std::mutex> lock(world->guard);
  world->failures[{rank, function}] = result;
}
void EmulatedNccl::report(int rank, int result) {
  const std::lock_guard<std::mutex> lock(world->guard);
  world->reports[rank] = result;
}

}  // namespace test
}  // namespace falconer
