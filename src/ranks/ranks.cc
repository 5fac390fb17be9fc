#include "ranks/ranks.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/quiet_thread.h"
#include "base/system.h"

namespace falconer {
namespace {

/// Of each rank's piece, at a time: what is received fits the caches, and is little memory at any number of ranks.
constexpr size_t kMostChunk = size_t{1} << 20, kLeastChunk = size_t{1} << 16,
                 kRoom = size_t{1} << 25;

size_t chunk_bytes(size_t ranks) { return std::clamp(kRoom / ranks, kLeastChunk, kMostChunk); }

/// home += the sum of `parts`, which is formed in their order.
void add_sum(std::span<const float* const> parts, int64_t n, float* home) {
  constexpr int64_t kTile = 1024;
  std::array<float, kTile> sum;
  for (int64_t at = 0; at < n; at += kTile) {
    const int64_t count = std::min(kTile, n - at);
    std::copy_n(parts[0] + at, count, sum.data());
    for (const float* part : parts.subspan(1))
      for (int64_t i = 0; i < count; ++i) sum[static_cast<size_t>(i)] += part[at + i];
    for (int64_t i = 0; i < count; ++i) home[at + i] += sum[static_cast<size_t>(i)];
  }
}

}  // namespace

struct Ranks::State {
  std::unique_ptr<Transport> transport;  // the thread's
  RankPlace place;
  std::mutex guard;
  std::condition_variable called, finished;
  std::deque<std::function<void()>> calls;
  Ticket given = 0, done = 0;
  bool joined = false, ending = false;
  std::exception_ptr failure;  // the first; nothing is done after it
  std::optional<int> abort_code;
  std::atomic<int64_t> sent = 0;
  double waited = 0;  // the caller's
  std::vector<std::byte> room;
  std::thread thread;

  void serve(const std::function<std::unique_ptr<Transport>()>& make);
  void serve_calls();
  void fail_with(std::exception_ptr error);
  Ticket call(std::function<void()> work);
  void wait(Ticket ticket);
  void reduce(const float* whole, const Pieces& pieces, float* home);
  int64_t bytes_to_others(size_t own) const { return static_cast<int64_t>(own) * (place.size - 1); }
};

void Ranks::State::fail_with(std::exception_ptr error) {
  const std::lock_guard<std::mutex> lock(guard);
  if (!failure) failure = std::move(error);
}

void Ranks::State::serve(const std::function<std::unique_ptr<Transport>()>& make) {
  try {
    std::unique_ptr<Transport> made = make();
    const std::lock_guard<std::mutex> lock(guard);
    transport = std::move(made);
    place = transport->place();
  } catch (...) {
    fail_with(std::current_exception());
  }
  {
    const std::lock_guard<std::mutex> lock(guard);
    joined = true;
  }
  finished.notify_all();
  if (!transport) return;
  serve_calls();
  const std::lock_guard<std::mutex> lock(guard);
  if (!abort_code) transport.reset();
}

void Ranks::State::serve_calls() {
  std::unique_lock<std::mutex> lock(guard);
  for (;;) {
    called.wait(lock, [&] { return !calls.empty() || ending || abort_code; });
    if (abort_code) {
      lock.unlock();
      try {
        transport->abort(*abort_code);
      } catch (...) {  // that of a test
      }
      return;
    }
    if (calls.empty()) return;
    const std::function<void()> work = std::move(calls.front());
    calls.pop_front();
    if (!failure) {
      lock.unlock();
      try {
        work();
      } catch (...) {
        fail_with(std::current_exception());
      }
      lock.lock();
    }
    ++done;
    finished.notify_all();
  }
}

Ranks::Ticket Ranks::State::call(std::function<void()> work) {
  Ticket ticket = 0;
  {
    const std::lock_guard<std::mutex> lock(guard);
    calls.push_back(std::move(work));
    ticket = ++given;
  }
  called.notify_one();
  return ticket;
}

void Ranks::State::wait(Ticket ticket) {
  std::unique_lock<std::mutex> lock(guard);
  FALCONER_CHECK(ticket <= given);
  if (done < ticket) {
    const double start = now_seconds();
    finished.wait(lock, [&] { return done >= ticket; });
    waited += now_seconds() - start;
  }
  if (failure) std::rethrow_exception(failure);
}

// Chunk by chunk: rank r's next one goes to rank r, and the others' of this rank's piece come here.
void Ranks::State::reduce(const float* whole, const Pieces& pieces, float* home) {
  const auto ranks = static_cast<size_t>(place.size), self = static_cast<size_t>(place.rank);
  const auto chunk = static_cast<int64_t>(chunk_bytes(ranks) / sizeof(float));
  int64_t longest = 0;
  for (int r = 0; r < place.size; ++r) longest = std::max(longest, pieces.count(r));
  std::vector<std::span<const std::byte>> parts(ranks);
  std::vector<const float*> summed(ranks);
  for (int64_t at = 0; at < longest; at += chunk) {
    size_t total = 0;
    for (size_t r = 0; r < ranks; ++r) {
      const int rank = static_cast<int>(r);
      const int64_t count = std::clamp<int64_t>(pieces.count(rank) - at, 0, chunk);
      // Of an empty part no address is formed, which might lie beyond the end.
      parts[r] = count == 0 ? std::span<const std::byte>()
                            : std::as_bytes(std::span(whole + pieces.begin(rank) + at,
                                                      static_cast<size_t>(count)));
      total += parts[r].size();
    }
    const size_t own = parts[self].size();
    room.resize(std::max(room.size(), own * ranks));
    transport->exchange(parts, room.data());
    sent += static_cast<int64_t>(total - own);
    if (own == 0) continue;
    for (size_t r = 0; r < ranks; ++r)
      summed[r] =
          reinterpret_cast<const float*>(r == self ? parts[r].data() : room.data() + r * own);
    add_sum(summed, static_cast<int64_t>(own / sizeof(float)), home + at);
  }
}

Ranks::Ranks(std::function<std::unique_ptr<Transport>()> make) : state_(new State) {
  state_->thread =
      quiet_thread([state = state_.get(), make = std::move(make)] { state->serve(make); });
  std::unique_lock<std::mutex> lock(state_->guard);
  state_->finished.wait(lock, [&] { return state_->joined; });
  if (!state_->failure) return;
  lock.unlock();
  state_->thread.join();
  std::rethrow_exception(state_->failure);
}

Ranks::Ranks(std::unique_ptr<Transport> transport)
    : Ranks([ready = std::make_shared<std::unique_ptr<Transport>>(std::move(transport))] {
        return std::move(*ready);
      }) {}

Ranks::~Ranks() {
  {
    const std::lock_guard<std::mutex> lock(state_->guard);
    state_->ending = true;
  }
  state_->called.notify_one();
  state_->thread.join();
}

const RankPlace& Ranks::place() const { return state_->place; }

Ranks::Ticket Ranks::gather(void* whole, const Pieces& pieces, size_t element) {
  FALCONER_CHECK(pieces.ranks == size());
  if (size() == 1 || pieces.n == 0) return 0;
  std::vector<size_t> bounds;
  for (int r = 0; r <= pieces.ranks; ++r)
    bounds.push_back(static_cast<size_t>(pieces.begin(r)) * element);
  return gather_parts(whole, std::move(bounds));
}

Ranks::Ticket Ranks::gather_parts(void* whole, std::vector<size_t> bounds) {
  FALCONER_CHECK(std::ssize(bounds) == size() + 1);
  if (size() == 1) return 0;
  return state_->call([state = state_.get(), whole, bounds = std::move(bounds)] {
    state->transport->gather(static_cast<std::byte*>(whole), bounds);
    const auto self = static_cast<size_t>(state->place.rank);
    state->sent += state->bytes_to_others(bounds[self + 1] - bounds[self]);
  });
}

Ranks::Ticket Ranks::reduce(const float* whole, const Pieces& pieces, float* home) {
  FALCONER_CHECK(pieces.ranks == size());
  if (pieces.n == 0) return 0;
  return state_->call(
      [state = state_.get(), whole, pieces, home] { state->reduce(whole, pieces, home); });
}

void Ranks::wait(Ticket ticket) { state_->wait(ticket); }

std::vector<double> Ranks::gather_numbers(std::span<const double> mine) {
  const size_t count = mine.size(), ranks = static_cast<size_t>(size());
  std::vector<double> all(count * ranks);
  std::copy(mine.begin(), mine.end(), all.begin() + static_cast<ptrdiff_t>(count) * rank());
  wait(state_->call([&] {
    std::vector<size_t> bounds;
    for (size_t r = 0; r <= ranks; ++r) bounds.push_back(r * count * sizeof(double));
    state_->transport->gather(reinterpret_cast<std::byte*>(all.data()), bounds);
    state_->sent += state_->bytes_to_others(count * sizeof(double));
  }));
  return all;
}

std::vector<std::string> Ranks::gather_texts(const std::string& mine) {
  const auto length = static_cast<double>(mine.size());
  std::vector<size_t> bounds = {0};
  for (const double bytes : gather_numbers({&length, 1}))
    bounds.push_back(bounds.back() + static_cast<size_t>(bytes));
  std::string all(bounds.back(), '\0');
  mine.copy(all.data() + bounds[static_cast<size_t>(rank())], mine.size());
  wait(state_->call([&] {
    state_->transport->gather(reinterpret_cast<std::byte*>(all.data()), bounds);
    state_->sent += state_->bytes_to_others(mine.size());
  }));
  std::vector<std::string> texts;
  for (size_t r = 0; r + 1 < bounds.size(); ++r)
    texts.push_back(all.substr(bounds[r], bounds[r + 1] - bounds[r]));
  return texts;
}

void Ranks::broadcast(std::span<std::byte> data) {
  wait(state_->call([&] {
    state_->transport->broadcast(data.data(), data.size(), 0);
    if (state_->place.rank == 0) state_->sent += state_->bytes_to_others(data.size());
  }));
}

void Ranks::barrier() {
  wait(state_->call([&] { state_->transport->barrier(); }));
}

size_t Ranks::room_bytes(int ranks) {
  const auto all = static_cast<size_t>(ranks);
  return all * chunk_bytes(all);
}
int64_t Ranks::sent_bytes() const { return state_->sent; }
double Ranks::waited_seconds() const { return state_->waited; }

void Ranks::abort(int code) {
  {
    const std::lock_guard<std::mutex> lock(state_->guard);
    state_->abort_code = code;
  }
  state_->called.notify_one();  // where the thread is in no call, which would see it
  state_->transport->abort(code);
  std::terminate();  // not reached
}

std::vector<double> numbers_of_all(Ranks* ranks, const std::vector<double>& mine) {
  return ranks == nullptr ? mine : ranks->gather_numbers(mine);
}

}  // namespace falconer
