#include "hub/fetch.h"

#include <algorithm>

#include "hub/address.h"
#include "hub/content_hash.h"

namespace falconer::hub {

// "bytes 100-199/200": that the part that was asked for comes, of the file that was listed.
void check_range(const HttpReply& reply, const FetchJob& job, uint64_t offset) {
  const std::string range = reply.header("content-range");
  const std::string begin = fmt::format("bytes {}-", offset);
  const size_t slash = range.find('/');
  const bool right =
      range.starts_with(begin) && slash != std::string::npos &&
      (range.substr(slash + 1) == "*" || range.substr(slash + 1) == std::to_string(*job.file.size));
  if (!right)
    fail("{}: asked for {} from byte {} of {}, it answers with \"{}\"; check HF_ENDPOINT",
         origin_of(reply.url), printable(job.file.path), offset, *job.file.size, printable(range));
}

// A commit never changes; another hash for one of its files means another file.
void check_identity(const HttpReply& reply, const FetchJob& job, const std::string& commit) {
  const std::string served = reply.hub_header("x-repo-commit");
  if (is_commit(served) && served != commit)
    fail("{}: the hub sent it from commit {} where {} was asked for; run the same command again",
         printable(job.file.path), served, commit);
  const std::string etag = plain_etag(reply.hub_header("x-linked-etag"));
  const bool is_hash = ContentHash::like(etag, 0).has_value();
  if (is_hash && etag.size() == job.file.etag.size() && etag != job.file.etag)
    fail("{}: the hub lists it with the hash {} and sends {}; run the same command again",
         printable(job.file.path), job.file.etag, etag);
}

namespace {

// A host behind the hub whose address was good for a while only; the hub gives a new one.
bool address_expired(const HttpReply& reply) {
  return !reply.from_hub && (reply.status == 401 || reply.status == 403 || reply.status == 404);
}

}  // namespace

HttpReply Fetcher::receive(const FetchJob& job, PartialFile& partial, FileProgress& shown) {
  const uint64_t offset = partial.have();
  bool begun = false;
  const auto on_body = [&](const HttpReply& reply, std::string_view piece) {
    if (!begun) {
      begun = true;
      check_identity(reply, job, context_.commit);
      if (reply.status == 206) {
        check_range(reply, job, offset);
      } else if (offset > 0) {  // a host that knows no ranges sends it all
        partial.restart();
        shown.done = 0;
      }
    }
    shown.received += piece.size();
    partial.append(piece);
    shown.done = partial.have();
  };
  return client_.send(
      {.url = file_url(context_.settings, context_.repo, context_.commit, job.file.path),
       .offset = offset},
      on_body);
}

// One request for what is missing. Returns what went wrong and may pass.
Fetcher::Trouble Fetcher::attempt(const FetchJob& job, PartialFile& partial, FileProgress& shown) {
  try {
    const HttpReply reply = receive(job, partial, shown);
    const std::string host = origin_of(reply.url);
    if (reply.ok() && partial.have() == partial.size()) return {};
    if (reply.ok())
      return {.what = fmt::format("{} ended it {} early", host,
                                  bytes_text(partial.size() - partial.have()))};
    if (reply.status == 416 && partial.have() > 0) {
      partial.restart();
      shown.done = 0;
      return {.what = fmt::format("{} has no such part of it", host)};
    }
    if (is_passing_status(reply.status) || address_expired(reply))
      return {.what = fmt::format("{} answers {}", host, reply.status),
              .asked = asked_delay(reply),
              .give_up = [this, reply, &job] {
                fail_status(reply, context_.repo, job.file.path, context_.settings);
              }};
    fail_status(reply, context_.repo, job.file.path, context_.settings);
  } catch (const NetworkError& error) {
    if (!error.passing()) throw;
    return {.what = error.brief(), .give_up = [error] { throw error; }};
  }
}

void Fetcher::fill(const FetchJob& job, PartialFile& partial, FileProgress& shown) {
  Retry retry(
      context_.settings,
      [&](const std::string& text) {
        context_.progress.note(fmt::format("{}: {}", printable(job.file.path), text));
      },
      context_.cancelled);
  // Only what was never reached before is progress: a host that begins anew each time and breaks off
  // at the same place is not waited for without end.
  uint64_t farthest = partial.have();
  while (partial.have() < partial.size()) {
    const Trouble trouble = attempt(job, partial, shown);
    if (partial.have() == partial.size()) return;
    if (partial.have() > farthest) retry.progressed();
    farthest = std::max(farthest, partial.have());
    if (retry.again(trouble.what, trouble.asked)) continue;
    if (trouble.give_up) trouble.give_up();
    fail("{}: {}, again and again; try later, or set HF_ENDPOINT to a mirror",
         printable(job.file.path), trouble.what);
  }
}

void Fetcher::fetch(const FetchJob& job, FileProgress& shown) {
  for (bool again = false;; again = true) {
    shown.done = 0;
    PartialFile partial(job.partial, job.file.etag, *job.file.size, [&](size_t bytes) {
      if (context_.cancelled()) throw Cancelled();
      shown.done += bytes;
    });
    fill(job, partial, shown);
    if (partial.finish(job.target)) return;
    partial.discard();
    if (again)
      fail(
          "{}: {} is {} where the hub says {}, twice: what comes is not what the hub has. It was "
          "removed; check the proxy or mirror in between (HTTPS_PROXY, HF_ENDPOINT)",
          printable(job.file.path), partial.hash_name(), partial.found(), job.file.etag);
    context_.progress.note(fmt::format("{}: {} is {} where the hub says {}; fetching it once more",
                                       printable(job.file.path), partial.hash_name(),
                                       partial.found(), job.file.etag));
  }
}

}  // namespace falconer::hub
