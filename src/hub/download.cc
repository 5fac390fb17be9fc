#include "hub/download.h"

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/system.h"
#include "hub/fetch.h"
#include "hub/file_lock.h"
#include "hub/local_folder.h"

namespace falconer::hub {
namespace fs = std::filesystem;
namespace {

constexpr int kMostJobs = 64;
constexpr int kFirstTries = 3;  // of a hub that was never reached

std::vector<std::string> names_of(const Listing& listing) {
  std::vector<std::string> names;
  for (const RemoteFile& file : listing.files) names.push_back(file.path);
  return names;
}

// The first few, for a message.
std::string some_of(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 12); ++i)
    text += (i > 0 ? ", " : "") + printable(names[i]);
  return names.empty() ? "nothing" : names.size() > 12 ? text + ", ..." : text;
}

std::vector<RemoteFile> wanted_files(const Listing& listing, const DownloadRequest& request) {
  const std::vector<std::string> names = names_of(listing);
  const std::string repo = fmt::format("{} {}", request.repo.kind_name(), request.repo.text());
  for (const std::string& file : request.selection.files)
    if (std::find(names.begin(), names.end(), file) == names.end())
      fail("{}: there is no file {} in it; it has {}", repo, printable(file), some_of(names));
  const std::vector<std::string> chosen = select(names, request.selection);
  if (chosen.empty())
    fail("{}: none of its files is wanted; it has {}. Name what you want with --include", repo,
         some_of(names));
  std::vector<RemoteFile> wanted;
  for (const RemoteFile& file : listing.files)
    if (std::find(chosen.begin(), chosen.end(), file.path) != chosen.end()) wanted.push_back(file);
  return wanted;
}

class Downloader {
 public:
  Downloader(const Settings& settings, const DownloadRequest& request)
      : settings_(settings),
        request_(request),
        cache_(settings.cache, request.repo),
        cancelled_([this] { return stop_ || interrupted(); }) {}

  Download run() {
    HttpClient client(settings_, cancelled_);
    find_files(client);
    for (const RemoteFile& file : wanted_) {
      shown_.emplace_back();
      shown_.back().name = file.path;
      shown_.back().size = *file.size;
      jobs_.push_back(job_of(file));
      there_.push_back(is_there(jobs_.back()));
      if (there_.back()) shown_.back().done = *file.size;
    }
    if (local()) refuse_the_users_own();
    check_room();
    if (local()) LocalFolder(request_.local_dir).prepare();
    const double begin = now_seconds();
    fetch_all();
    record_all();
    report(now_seconds() - begin);
    return result();
  }

 private:
  bool local() const { return !request_.local_dir.empty(); }

  void find_files(HttpClient& client) {
    Retry retry(
        settings_, [](const std::string& text) { log_info("{}", text); }, cancelled_);
    retry.limit(kFirstTries);
    listing_ = list_files(client, retry, settings_, request_.repo);
    retry.limit(settings_.tries);
    wanted_ = wanted_files(listing_, request_);
    for (RemoteFile& file : wanted_) {
      complete(client, retry, settings_, request_.repo, listing_.commit, file);
      retry.progressed();
    }
    // The largest first: then no thread is left alone with it at the end.
    std::stable_sort(wanted_.begin(), wanted_.end(),
                     [](const RemoteFile& a, const RemoteFile& b) { return *a.size > *b.size; });
  }

  FetchJob job_of(const RemoteFile& file) const {
    if (local()) {
      const LocalFolder folder(request_.local_dir);
      return {file, folder.partial(file.path, file.etag), folder.file(file.path)};
    }
    return {file, cache_.blob(file.etag + ".incomplete"), cache_.blob(file.etag)};
  }

  bool is_there(const FetchJob& job) const {
    if (local()) return LocalFolder(request_.local_dir).holds(job.file);
    std::error_code error;
    return fs::is_regular_file(job.target, error) &&
           fs::file_size(job.target, error) == *job.file.size;
  }

  // Before anything is fetched.
  void refuse_the_users_own() const {
    if (request_.overwrite) return;
    const LocalFolder folder(request_.local_dir);
    for (size_t i = 0; i < jobs_.size(); ++i)
      if (!there_[i] && folder.is_the_users(jobs_[i].file))
        fail(
            "{}: is there already and did not come from the hub, or was changed since; give "
            "--local-dir another folder, or --overwrite to replace it",
            jobs_[i].target.string());
  }

  void check_room() const {
    uint64_t needed = 0;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (there_[i]) continue;
      std::error_code error;
      const uint64_t have = fs::file_size(jobs_[i].partial, error);
      needed += *jobs_[i].file.size - std::min(error ? 0 : have, *jobs_[i].file.size);
    }
    const fs::path place = local() ? request_.local_dir : settings_.cache;
    const int64_t free = free_disk_bytes(place.c_str());
    if (free >= 0 && needed > static_cast<uint64_t>(free))
      fail(
          "{}: {} are still to come and {} are free. Make room, or name a folder on another disk "
          "with HF_HOME or --local-dir",
          place.string(), bytes_text(needed), bytes_text(static_cast<uint64_t>(free)));
    const auto here = std::count(there_.begin(), there_.end(), true);
    log_info("{} {} at {}: {} {}, {}{}", request_.repo.kind_name(), request_.repo.text(),
             listing_.commit.substr(0, 12), jobs_.size(), plural(jobs_.size(), "file"),
             bytes_text(total()),
             here == std::ssize(there_)
                 ? ", all here"
                 : fmt::format(", {} to fetch into {}", bytes_text(needed), place.string()));
  }

  uint64_t total() const {
    uint64_t bytes = 0;
    for (const RemoteFile& file : wanted_) bytes += *file.size;
    return bytes;
  }

  // Threads take the next file until there is none; this one shows how far they are.
  void fetch_all() {
    if (std::find(there_.begin(), there_.end(), false) == there_.end()) return;
    Progress progress(shown_, Progress::style_for_stderr(settings_.progress));
    const auto missing = std::count(there_.begin(), there_.end(), false);
    const int threads =
        static_cast<int>(std::min<int64_t>(std::clamp(request_.jobs, 1, kMostJobs), missing));
    running_ = threads;
    std::vector<std::jthread> pool;  // joined also where one cannot be started
    for (int i = 0; i < threads; ++i) pool.emplace_back([this, &progress] { work(progress); });
    {
      std::unique_lock<std::mutex> lock(guard_);
      while (!finished_.wait_for(lock, std::chrono::milliseconds(200),
                                 [this] { return running_ == 0; }))
        progress.tick(now_seconds());
    }
    pool.clear();
    if (first_error_) std::rethrow_exception(first_error_);
    if (cancelled_()) throw Cancelled();
  }

  void work(Progress& progress) {
    try {
      HttpClient client(settings_, cancelled_);
      const FetchContext context{settings_, request_.repo, listing_.commit, progress, cancelled_};
      Fetcher fetcher(context, client);
      for (size_t i; (i = next_++) < jobs_.size() && !cancelled_();)
        if (!there_[i]) fetch_one(fetcher, progress, i);
    } catch (const Cancelled&) {
    } catch (...) {
      const std::lock_guard<std::mutex> lock(guard_);
      if (!first_error_) first_error_ = std::current_exception();
      stop_ = true;  // the others' files are kept as far as they came
    }
    const std::lock_guard<std::mutex> lock(guard_);
    --running_;
    finished_.notify_all();
  }

  void fetch_one(Fetcher& fetcher, Progress& progress, size_t i) {
    const FetchJob& job = jobs_[i];
    FileProgress& shown = shown_[i];
    const auto on_wait = [&] {
      progress.note(fmt::format("{}: is being fetched already; waiting", printable(job.file.path)));
    };
    const FileLock lock(
        local() ? LocalFolder(request_.local_dir).lock(job.file.path) : cache_.lock(job.file.etag),
        on_wait, cancelled_);
    shown.state = FileProgress::State::kRunning;
    if (!is_there(job)) {
      if (local()) copy_from_cache(job);
      fetcher.fetch(job, shown);
      progress.note(fmt::format(
          "{}: {}, {}", printable(job.file.path), bytes_text(shown.size),
          ContentHash::like(job.file.etag, 0) ? "its hash is the hub's" : "its size is the hub's"));
    }
    if (local()) LocalFolder(request_.local_dir).record(job.file, listing_.commit);
    shown.done = shown.size;
    shown.state = FileProgress::State::kDone;
  }

  // What the cache has need not come again; it is checked like what comes.
  void copy_from_cache(const FetchJob& job) const {
    const fs::path blob = cache_.blob(job.file.etag);
    std::error_code error;
    if (!fs::is_regular_file(blob, error) || fs::file_size(blob, error) != *job.file.size) return;
    make_folder(job.partial.parent_path());
    fs::copy_file(blob, job.partial, fs::copy_options::overwrite_existing, error);
  }

  // The revision is written last: until then it stands for the snapshot before, which is whole.
  void record_all() const {
    if (local()) {
      for (size_t i = 0; i < jobs_.size(); ++i)
        if (there_[i]) LocalFolder(request_.local_dir).record(jobs_[i].file, listing_.commit);
      return;
    }
    for (const RemoteFile& file : wanted_) cache_.link(listing_.commit, file.path, file.etag);
    const auto names = names_of(listing_);
    for (const std::string& name : expected_names(request_.selection.purpose))
      if (std::find(names.begin(), names.end(), name) == names.end())
        cache_.mark_absent(listing_.commit, name);
    cache_.remember_commit(listing_.commit);
  }

  uint64_t received() const {
    uint64_t bytes = 0;
    for (const FileProgress& file : shown_) bytes += file.received;
    return bytes;
  }

  void report(double seconds) const {
    if (received() == 0) return;
    log_info("{} in {}, {}/s", bytes_text(received()), time_text(seconds),
             bytes_text(
                 static_cast<uint64_t>(static_cast<double>(received()) / std::max(seconds, 1e-3))));
  }

  Download result() const {
    Download download{.folder = local() ? request_.local_dir : cache_.snapshot(listing_.commit),
                      .commit = listing_.commit,
                      .files = {},
                      .received = received()};
    for (size_t i = 0; i < wanted_.size(); ++i)
      download.files.push_back({wanted_[i].path, wanted_[i].etag, *wanted_[i].size, !there_[i]});
    std::ranges::sort(download.files, {}, &DownloadedFile::path);
    return download;
  }

  const Settings& settings_;
  const DownloadRequest& request_;
  RepoCache cache_;
  std::function<bool()> cancelled_;
  Listing listing_;
  std::vector<RemoteFile> wanted_;
  // One entry for each of wanted_.
  std::deque<FileProgress> shown_;
  std::vector<FetchJob> jobs_;
  std::vector<bool> there_;
  // What the threads share.
  std::atomic<size_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex guard_;
  std::condition_variable finished_;
  int running_ = 0;
  std::exception_ptr first_error_;
};

}  // namespace

Download download(const Settings& settings, const DownloadRequest& request) {
  if (request.jobs < 1) fail_usage("--jobs is {}, expected 1 or more", request.jobs);
  check_revision(request.repo.revision);
  return Downloader(settings, request).run();
}

CachedDownload find_cached(const Settings& settings, const DownloadRequest& request) {
  const RepoCache cache(settings.cache, request.repo);
  CachedDownload found;
  found.download.commit = cache.known_commit();
  if (found.download.commit.empty()) return found;
  found.download.folder = cache.snapshot(found.download.commit);
  const std::vector<std::string> names = cache.files(found.download.commit);
  const std::vector<std::string> chosen = select(names, request.selection);
  for (const std::string& name : chosen)
    found.download.files.push_back({name, "", fs::file_size(found.download.folder / name), false});
  if (chosen.empty()) return found;
  if (!request.selection.files.empty())
    found.completeness = chosen.size() == request.selection.files.size() ? Completeness::kWhole
                                                                         : Completeness::kMissing;
  else if (!request.selection.include.empty() ||
           request.selection.purpose == Selection::Purpose::kData)
    found.completeness = Completeness::kUsable;
  else
    found.completeness = completeness(cache, found.download.commit, request.selection.purpose);
  return found;
}

}  // namespace falconer::hub
