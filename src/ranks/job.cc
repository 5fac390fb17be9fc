#include "ranks/job.h"

#include <dlfcn.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/process.h"
#include "base/threads.h"
#include "falconer/ranks.h"
#include "ranks/rank_cores.h"

namespace falconer {
namespace {

constexpr const char* kLibrary = "libfalconer_mpi.so";

struct Job {
  std::mutex guard;
  bool asked = false, left = false;
  std::exception_ptr failure;
  std::unique_ptr<Ranks> ranks;
  double timeout = 600;
};
// Never destroyed: what leaves the job is leave_job(), not the end of the process.
Job& the_job() {
  static Job* const job = new Job;
  return *job;
}

// Where this code lies: the program, or libfalconer.so.
std::filesystem::path folder_of_this_code() {
  Dl_info info{};
  std::error_code error;
  if (::dladdr(reinterpret_cast<const void*>(&leave_job), &info) != 0 && info.dli_fname != nullptr)
    if (const auto path = std::filesystem::canonical(info.dli_fname, error); !error)
      if (path.filename().string().find(".so") != std::string::npos) return path.parent_path();
  return std::filesystem::path(this_program()).parent_path();
}

std::string find_mpi_library() {
  if (const char* named = process_environment("FALCONER_MPI_LIBRARY"); named && *named)
    return named;
  const std::filesystem::path here = folder_of_this_code();
  std::vector<std::string> places;
  for (const std::filesystem::path& folder : {here, here.parent_path() / "lib" / "falconer",
                                              here / "falconer", here.parent_path() / "falconer"}) {
    std::error_code error;
    const std::filesystem::path path = folder / kLibrary;
    if (std::filesystem::exists(path, error)) return path.string();
    places.push_back(folder.string());
  }
  fail(
      "this process is one of several that {} started, and {} that joins them is not there (looked "
      "for "
      "in {}); build Falconer where MPI is installed (apt-get install openmpi-bin libopenmpi-dev), "
      "or "
      "name the library in FALCONER_MPI_LIBRARY",
      job_place().launcher, kLibrary, joined(places, ", "));
}

using MakeTransport = Transport* (*)(int);

MakeTransport load_mpi() {
  const std::string path = find_mpi_library();
  // Global: Open MPI's own parts look for its symbols there. In packages that must not need it the library does
  // not name it, and finds it loaded.
  constexpr int kHow = RTLD_NOW | RTLD_GLOBAL;
  void* library = ::dlopen(path.c_str(), kHow);
  if (library == nullptr && ::dlopen("libmpi.so.40", kHow) != nullptr)
    library = ::dlopen(path.c_str(), kHow);
  if (library == nullptr)
    fail(
        "{}: cannot be loaded: {}; install the MPI that it was built for (Open MPI: apt-get "
        "install "
        "openmpi-bin), or rebuild it for another (docs/ranks.md)",
        path, ::dlerror());
  const auto make = reinterpret_cast<MakeTransport>(::dlsym(library, "falconer_mpi_transport"));
  if (make == nullptr) fail("{}: is not Falconer's library for MPI", path);
  return make;
}

// Those of this machine that may use the same CPUs divide them.
std::vector<int> divide_cores(Ranks& ranks) {
  std::vector<int> cpus = cpus_for_ranks();
  const std::vector<std::string> all =
      ranks.gather_texts(ranks.place().host + " " + cpu_list_text(cpus));
  int before = 0, sharing = 0;
  const auto self = static_cast<size_t>(ranks.rank());
  for (size_t r = 0; r < all.size(); ++r) {
    if (all[r] != all[self]) continue;
    if (r < self) ++before;
    ++sharing;
  }
  return take_share_of_cpus(cpus, before, sharing);
}

/// Neighbouring ranks with as many threads on one machine.
struct AlikeRanks {
  size_t first, last;
  std::string where;  // "node1, with 4 threads"
  std::vector<std::string> cores;

  std::string line() const {
    const bool same = std::all_of(cores.begin(), cores.end(),
                                  [&](const std::string& one) { return one == cores.front(); });
    if (first == last) return worded("rank {} on {}, on cores {}", first, where, cores.front());
    return worded("ranks {} to {} on {} each, on cores {}", first, last, where,
                  same ? cores.front() + " together" : joined(cores, " | "));
  }
};

void say_cores(Ranks& ranks, const std::vector<int>& cpus) {
  const int threads = thread_count();
  const std::vector<std::string> places = ranks.gather_texts(
      worded("{}, with {} {}", ranks.place().host, threads, plural(threads, "thread")));
  const std::vector<std::string> cores = ranks.gather_texts(cpu_list_text(cpus));
  if (!ranks.first()) return;
  std::vector<AlikeRanks> groups;
  for (size_t r = 0; r < places.size(); ++r) {
    if (groups.empty() || groups.back().where != places[r]) groups.push_back({r, r, places[r], {}});
    groups.back().last = r;
    groups.back().cores.push_back(cores[r]);
  }
  for (const AlikeRanks& group : groups) log_info("{}", group.line());
}

std::unique_ptr<Ranks> join(const JobPlace& place) {
  const MakeTransport make = load_mpi();
  const double timeout = the_job().timeout;
  auto ranks = std::make_unique<Ranks>([make, timeout] {
    std::unique_ptr<Transport> transport(make(kTransportVersion));
    if (!transport)
      fail("{}: was built for another version of Falconer; build it anew (docs/ranks.md)",
           find_mpi_library());
    transport->set_timeout(timeout);
    return transport;
  });
  if (ranks->size() == 1 && place.size != 1)
    fail_usage(
        "{} started {} processes, and by {} each of them is alone: it was built for another MPI "
        "than "
        "this launcher's; rebuild it (docs/ranks.md), or start the job with its own mpirun",
        place.launcher, place.size == 0 ? "several" : std::to_string(place.size),
        find_mpi_library());
  say_cores(*ranks, divide_cores(*ranks));
  return ranks;
}

}  // namespace

Ranks* job_ranks() {
  Job& job = the_job();
  const std::lock_guard<std::mutex> lock(job.guard);
  FALCONER_CHECK(!job.left);
  if (job.failure) std::rethrow_exception(job.failure);
  if (std::exchange(job.asked, true)) return job.ranks.get();
  try {
    const JobPlace place = job_place();
    if (!place.alone())
      job.ranks = join(place);
    else if (!place.launcher.empty())  // which gave it one core
      take_share_of_cpus(cpus_for_ranks(), 0, 1);
  } catch (...) {
    job.failure = std::current_exception();
    throw;
  }
  return job.ranks.get();
}

Ranks* joined_ranks() {
  Job& job = the_job();
  const std::lock_guard<std::mutex> lock(job.guard);
  return job.ranks.get();
}

void set_rank_timeout(double seconds) { the_job().timeout = seconds; }
double rank_timeout() { return the_job().timeout; }

void leave_job() {
  Job& job = the_job();
  const std::lock_guard<std::mutex> lock(job.guard);
  job.left = job.ranks != nullptr;
  job.ranks.reset();
}

StartedRank started_rank() {
  try {
    const JobPlace place = job_place();
    return {.rank = place.rank, .size = place.size, .by_mpirun = place.launcher == "mpirun"};
  } catch (const Error&) {  // join_job() says it
    return {};
  }
}

StartedRank join_job(double timeout) {
  set_rank_timeout(timeout);
  const Ranks* const ranks = job_ranks();
  if (ranks == nullptr) return {};
  return {.rank = ranks->rank(), .size = ranks->size(), .by_mpirun = started_rank().by_mpirun};
}

bool end_job_together() {
  Ranks* const ranks = the_job().ranks.get();
  if (ranks == nullptr) return true;
  try {
    ranks->barrier();
  } catch (const Error&) {
    return false;
  }
  leave_job();
  return true;
}

void abort_job(int code) {
  if (Ranks* const ranks = the_job().ranks.get()) ranks->abort(code);
}

}  // namespace falconer
