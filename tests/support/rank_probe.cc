// A rank of an MPI job that does one thing. tests/system/mpi_ranks starts it by mpirun.
//   rank_probe sums          gathers and sums of all sizes against plain loops
//   rank_probe speed MB      seconds of a gather and of a reduction of so many
//   rank_probe absent SEC    the last rank sleeps; the others wait for it for so long at most
//   rank_probe abort CODE    the last rank ends the job, while the others wait for it
//   rank_probe apart 0       the last rank makes another call than the others
//   rank_probe alone         ends with 0 where the process is in no job
#include <fcntl.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/system.h"
#include "base/threads.h"
#include "ranks/job.h"

namespace {

using falconer::Pieces;
using falconer::Ranks;

float value(int rank, int64_t i) {
  return std::sin(static_cast<float>(i * 7 + rank * 131 + 1)) *
         std::pow(10.0f, static_cast<float>((i + rank) % 9 - 4));
}

void require(bool holds, const char* what) {
  if (!holds) falconer::fail("wrong: {}", what);
}

void sums(Ranks& ranks) {
  for (const int64_t n : {0, 1, 256, 1000, 300'000, 9'000'001}) {
    const Pieces pieces{.n = n, .ranks = ranks.size()};
    const int64_t begin = pieces.begin(ranks.rank()), count = pieces.count(ranks.rank());
    std::vector<float> mine(static_cast<size_t>(n)), home(static_cast<size_t>(count), 0.25f);
    for (int64_t i = 0; i < n; ++i) mine[static_cast<size_t>(i)] = value(ranks.rank(), i);
    ranks.reduce(mine.data(), pieces, home.data());
    std::vector<float> whole(static_cast<size_t>(n));
    const auto ticket = ranks.reduce(mine.data(), pieces, whole.data() + begin);
    ranks.wait(ticket);
    ranks.wait(ranks.gather(whole.data(), pieces, sizeof(float)));
    for (int64_t i = 0; i < n; ++i) {
      float sum = value(0, i);
      for (int r = 1; r < ranks.size(); ++r) sum += value(r, i);
      require(whole[static_cast<size_t>(i)] == sum, "a sum that was gathered");
      if (i >= begin && i < begin + count)
        require(home[static_cast<size_t>(i - begin)] == 0.25f + sum, "a sum at its home");
    }
  }
  for (size_t bytes : {size_t{0}, size_t{5}, size_t{9'000'000}}) {
    std::vector<std::byte> data(bytes, static_cast<std::byte>(ranks.rank() + 1));
    ranks.broadcast(data);
    require(data == std::vector<std::byte>(bytes, std::byte{1}), "a broadcast");
  }
  const std::vector<std::string> texts = ranks.gather_texts(std::to_string(ranks.rank()));
  for (size_t r = 0; r < texts.size(); ++r) require(texts[r] == std::to_string(r), "texts");
  ranks.barrier();
}

void speed(Ranks& ranks, int64_t megabytes) {
  const Pieces pieces{.n = megabytes * 1'000'000 / 4, .ranks = ranks.size()};
  std::vector<float> whole(static_cast<size_t>(pieces.n), 1);
  std::vector<float> home(static_cast<size_t>(pieces.count(ranks.rank())));
  for (int time = 0; time < 5; ++time) {
    ranks.barrier();
    const double start = falconer::now_seconds();
    ranks.wait(ranks.gather(whole.data(), pieces, sizeof(float)));
    const double middle = falconer::now_seconds();
    ranks.wait(ranks.reduce(whole.data(), pieces, home.data()));
    if (ranks.first())
      std::printf("gather %.3f s, reduce %.3f s\n", middle - start,
                  falconer::now_seconds() - middle);
  }
}

void absent(Ranks& ranks, double seconds) {
  if (ranks.rank() + 1 == ranks.size())
    std::this_thread::sleep_for(std::chrono::duration<double>(10 * seconds));
  ranks.barrier();
}

void apart(Ranks& ranks) {
  const double number = 1;
  if (ranks.rank() + 1 == ranks.size()) return ranks.barrier();
  ranks.gather_numbers({&number, 1});
}

void abort(Ranks& ranks, int code) {
  if (ranks.rank() + 1 == ranks.size()) ranks.abort(code);
  ranks.barrier();
}

void run(const std::string& what, const char* argument) {
  if (what == "absent") falconer::set_rank_timeout(std::atof(argument));
  Ranks* const ranks = falconer::job_ranks();
  if (what == "alone") return require(ranks == nullptr, "this process is in a job");
  require(ranks != nullptr, "this process is in no job");
  if (what == "sums") sums(*ranks);
  if (what == "speed") speed(*ranks, std::atoi(argument));
  if (what == "absent") absent(*ranks, std::atof(argument));
  if (what == "apart") apart(*ranks);
  if (what == "abort") abort(*ranks, std::atoi(argument));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    run(argv[1], argc > 2 ? argv[2] : "0");
    falconer::leave_job();
  } catch (const falconer::Error& error) {
    std::fprintf(stderr, "rank_probe: %s\n", error.what());
    falconer::abort_job(error.exit_code());
    return error.exit_code();
  }
  return 0;
}
