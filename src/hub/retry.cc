#include "hub/retry.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "base/system.h"
#include "hub/address.h"

namespace falconer::hub {
namespace {

std::optional<double> number(const std::string& text, char end_allowed) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || (*end != '\0' && *end != end_allowed) || !(value >= 0)) return {};
  return value;
}

// "the model org/name at revision"
std::string named(const Repo& repo, const std::string& file) {
  const std::string where = fmt::format("{} {}", repo.kind_name(), repo.text());
  return file.empty() ? where : fmt::format("{} of {}", printable(file), where);
}

std::string reason(const HttpReply& reply) {
  const std::string said = reply.header("x-error-message");
  return said.empty() ? "" : fmt::format(" (\"{}\")", printable(said));
}

std::string get_token(const Settings& settings) {
  return fmt::format(
      "make a token at {}/settings/tokens and set HF_TOKEN to it, or log in with \"hf auth login\"",
      settings.endpoint);
}

std::string page_of(const Repo& repo, const Settings& settings) {
  return fmt::format("{}/{}{}", settings.endpoint,
                     repo.kind == RepoKind::kDataset ? "datasets/" : "", repo.id);
}

[[noreturn]] void fail_refused(const HttpReply& reply, const std::string& thing, const Repo& repo,
                               const Settings& settings) {
  const std::string page = page_of(repo, settings);
  if (reply.hub_header("x-error-code") == "GatedRepo")
    fail("{}: is gated{}: accept its licence at {}, then {}", thing, reason(reply), page,
         settings.token.empty() ? get_token(settings)
                                : "see that HF_TOKEN is a token of the account that accepted it");
  if (settings.token.empty())
    fail(
        "{}: the hub answers {}{}: there is no such repository, or it is private. Check the name; "
        "for a private one {}",
        thing, reply.status, reason(reply), get_token(settings));
  fail(
      "{}: the hub answers {}{} to the token that was sent: check the name, and that the token in "
      "HF_TOKEN, or of \"hf auth login\", is valid and may read {}",
      thing, reply.status, reason(reply), page);
}

[[noreturn]] void fail_not_found(const HttpReply& reply, const Repo& repo, const std::string& file,
                                 const Settings& settings) {
  const std::string code = reply.hub_header("x-error-code");
  if (code == "RevisionNotFound")
    fail("{} {}: has no revision \"{}\"; give --revision a branch, a tag or a commit that is on {}",
         repo.kind_name(), repo.id, printable(repo.revision), settings.endpoint);
  if (code == "EntryNotFound" || !file.empty())
    fail("{}: there is no such file; the files are listed at {}/tree/{}", named(repo, file),
         page_of(repo, settings), repo.revision);
  fail("{}: there is no such repository on {}; check the name{}", named(repo, file),
       settings.endpoint, settings.token.empty() ? ", or set HF_TOKEN where it is private" : "");
}

}  // namespace

bool is_passing_status(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

std::optional<double> asked_delay(const HttpReply& reply) {
  if (const std::string after = reply.header("retry-after"); !after.empty()) {
    if (const auto seconds = number(after, '\0')) return seconds;
    std::tm date{};  // "Wed, 21 Oct 2026 07:28:00 GMT"
    if (::strptime(after.c_str(), "%a, %d %b %Y %H:%M:%S", &date) != nullptr)
      return std::max(0.0, std::difftime(::timegm(&date), std::time(nullptr)));
  }
  const std::string limit = reply.header("ratelimit");
  if (limit.find("r=0") == std::string::npos) return {};
  const size_t at = limit.find("t=");
  return at == std::string::npos ? std::nullopt : number(limit.substr(at + 2), ';');
}

void fail_status(const HttpReply& reply, const Repo& repo, const std::string& file,
                 const Settings& settings) {
  const std::string thing = named(repo, file);
  const std::string host = origin_of(reply.url);
  switch (reply.status) {
    case 401:
    case 403:
      fail_refused(reply, thing, repo, settings);
    case 404:
      fail_not_found(reply, repo, file, settings);
    case 429: {
      const auto delay = asked_delay(reply);
      fail("{}: {} answers 429: too many requests{}. Try again {}{}; what has come is kept", thing,
           host, reason(reply),
           delay ? fmt::format("in {:.0f} s", std::ceil(*delay)) : "in some minutes",
           settings.token.empty() ? "; with HF_TOKEN set the hub allows more" : "");
    }
    default:
      if (reply.status >= 500)
        fail(
            "{}: {} answers {}{}: the trouble is on its side. Try again later, or set HF_ENDPOINT "
            "to a mirror; what has come is kept",
            thing, host, reply.status, reason(reply));
      fail("{}: {} answers {}{}, where a file or a list of files was expected; check HF_ENDPOINT",
           thing, host, reply.status, reason(reply));
  }
}

bool Retry::again(const std::string& what, std::optional<double> asked) {
  if (++tries_ >= most_.value_or(settings_.tries)) return false;
  const double doubled = settings_.first_delay * std::pow(2.0, tries_ - 1);
  const double delay = asked.value_or(std::min(doubled, 30.0));
  if (delay > settings_.longest_delay) return false;
  if (note_) note_(fmt::format("{}; trying again in {:.0f} s", what, std::ceil(delay)));
  for (const double end = now_seconds() + delay; now_seconds() < end;) {
    if (cancelled_ && cancelled_()) throw Cancelled();
    std::this_thread::sleep_for(
        std::chrono::duration<double>(std::clamp(end - now_seconds(), 0.0, 0.1)));
  }
  return true;
}

HttpReply send_until_answered(HttpClient& client, Retry& retry,
                              const HttpClient::Request& request) {
  for (;;) {
    try {
      HttpReply reply = client.send(request);
      if (!is_passing_status(reply.status)) return reply;
      if (!retry.again(fmt::format("{} answers {}", origin_of(reply.url), reply.status),
                       asked_delay(reply)))
        return reply;
    } catch (const NetworkError& error) {
      if (!error.passing() || !retry.again(error.brief())) throw;
    }
  }
}

}  // namespace falconer::hub
