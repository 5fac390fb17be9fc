// Everything that goes wrong between a hub and a disk: what passes is waited out, and what stays is
// said with a next step.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "base/system.h"
#include "hub/http.h"
#include "hub/retry.h"
#include "support/hub_fixture.h"

namespace falconer::hub {
namespace {

namespace fs = std::filesystem;
using test::FakeHub;
using test::FakeReply;
using test::FakeRequest;
using test::noise;

class HubTroubles : public test::HubFixture {
 protected:
  HubTroubles() : commit_(hub_.add("org/model", test::model_files())) {
    weights_ = test::model_files()["model.safetensors"].hash();
  }
  std::string error_of(const Settings& s, const std::string& id = "org/model") const {
    return test::message_of([&] { download(s, request(id)); });
  }
  std::string error_of(const std::string& id = "org/model") const {
    return error_of(settings(), id);
  }
  /// The first `times` requests for the weights are answered so.
  void trouble(size_t times, std::function<void(FakeReply&)> change) {
    hub_.set_trouble([this, times, change, seen = size_t{0}](const FakeRequest& asked,
                                                             FakeReply& reply) mutable {
      if (asked.to_store && asked.target == "/" + weights_ && seen++ < times) change(reply);
    });
  }
  void expect_right() const {
    const Download got = get("org/model");
    EXPECT_EQ(read_text_file(got.folder / "model.safetensors"), noise(300000, 3));
    EXPECT_FALSE(fs::exists(blob(weights_ + ".incomplete")));
  }
  std::string commit_, weights_;
};

TEST_F(HubTroubles, AConnectionThatBreaksOffIsGoneOnFromThere) {
  trouble(2, [](FakeReply& reply) { reply.cut = 100000; });
  expect_right();
  EXPECT_EQ(hub_.sent(weights_), 300000u);
  EXPECT_EQ(hub_.count(weights_), 3u);
}

TEST_F(HubTroubles, ABodyThatEndsEarlyIsGoneOnFromThere) {
  trouble(2, [](FakeReply& reply) {
    reply.body.resize(100000);
    if (reply.status == 206) reply.headers["Content-Range"] = "bytes 100000-199999/300000";
  });
  expect_right();
  EXPECT_EQ(hub_.sent(weights_), 300000u);
}

TEST_F(HubTroubles, SilenceIsWaitedForOnlySoLong) {
  trouble(1, [](FakeReply& reply) {
    reply.cut = 1000;
    reply.silent = true;
  });
  expect_right();
  EXPECT_EQ(hub_.sent(weights_), 300000u);
}

TEST_F(HubTroubles, ServersThatAreBusyAreAskedAgain) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    fs::remove_all(folder_ / "hub");
    trouble(2, [status](FakeReply& reply) { reply = {.status = status}; });
    expect_right();
  }
}

TEST_F(HubTroubles, TheSecondsThatTheHubAsksForAreWaited) {
  trouble(1, [](FakeReply& reply) { reply = {.status = 429, .headers = {{"Retry-After", "1"}}}; });
  const double begin = now_seconds();
  expect_right();
  EXPECT_GE(now_seconds() - begin, 1.0);
}

TEST_F(HubTroubles, AnAddressThatExpiredIsAskedForAnew) {
  trouble(1, [](FakeReply& reply) { reply = {.status = 403}; });
  expect_right();
}

TEST_F(HubTroubles, AServerWithoutRangesSendsAllAgain) {
  FakeHub plain({.knows_ranges = false});
  plain.add("org/model", test::model_files());
  plain.set_trouble([this, seen = 0](const FakeRequest& asked, FakeReply& reply) mutable {
    if (asked.target == "/" + weights_ && seen++ == 0) reply.cut = 100000;
  });
  const Download got = download(settings_for(plain), request("org/model"));
  EXPECT_EQ(read_text_file(got.folder / "model.safetensors"), noise(300000, 3));
}

// It makes no progress, however many bytes it sends.
TEST_F(HubTroubles, AServerThatAlwaysBreaksOffAtTheSamePlaceIsGivenUp) {
  FakeHub plain({.knows_ranges = false});
  plain.add("org/model", test::model_files());
  plain.set_trouble([this](const FakeRequest& asked, FakeReply& reply) {
    if (asked.target == "/" + weights_) reply.cut = 100000;
  });
  test::expect_mentions(error_of(settings_for(plain)), {"broke off", "same command"});
  EXPECT_EQ(plain.count(weights_), 4u);
}

TEST_F(HubTroubles, WrongBytesAreFetchedOnceMore) {
  trouble(1, [](FakeReply& reply) { reply.body[1234] ^= 1; });
  expect_right();
  EXPECT_EQ(hub_.sent(weights_), 600000u);
}

TEST_F(HubTroubles, WrongBytesTwiceAreAnErrorWithBothHashes) {
  trouble(9, [](FakeReply& reply) { reply.body[1234] ^= 1; });
  std::string wrong = noise(300000, 3);
  wrong[1234] ^= 1;
  test::expect_mentions(error_of(), {"model.safetensors", "SHA-256", weights_.c_str(),
                                     test::sha256_of(wrong).c_str(), "HTTPS_PROXY"});
  EXPECT_EQ(hub_.count(weights_), 2u);
  EXPECT_FALSE(fs::exists(blob(weights_)));
  EXPECT_FALSE(fs::exists(blob(weights_ + ".incomplete")));
  EXPECT_EQ(find_cached(settings(), request("org/model")).completeness, Completeness::kMissing);
}

TEST_F(HubTroubles, SmallFilesAreCheckedToo) {
  hub_.set_trouble([](const FakeRequest& asked, FakeReply& reply) {
    if (asked.target.ends_with("config.json") && reply.status == 200) reply.body[0] = '[';
  });
  test::expect_mentions(error_of(), {"config.json", "SHA-1"});
}

TEST_F(HubTroubles, WhatIsLeftOfAnotherFileIsNotTrusted) {
  make_folder(repo_folder() / "blobs");
  write_file(blob(weights_ + ".incomplete"), noise(5000, 99));
  expect_right();
  fs::remove_all(folder_ / "hub");
  make_folder(repo_folder() / "blobs");
  write_file(blob(weights_ + ".incomplete"), noise(400000, 99));  // longer than all of it
  expect_right();
  fs::remove_all(folder_ / "hub");
  make_folder(repo_folder() / "blobs");
  write_file(blob(weights_ + ".incomplete"), noise(300000, 3));  // whole, only not moved yet
  const uint64_t before = hub_.sent(weights_);
  expect_right();
  EXPECT_EQ(hub_.sent(weights_), before);
}

TEST_F(HubTroubles, MoreBytesThanAnnouncedAreRefused) {
  hub_.set_trouble([this](const FakeRequest& asked, FakeReply& reply) {
    if (asked.to_store && asked.target == "/" + weights_) reply.body += "more";
  });
  test::expect_mentions(error_of(), {"more bytes", "300000"});
}

TEST_F(HubTroubles, APartThatWasNotAskedForIsRefused) {
  make_folder(repo_folder() / "blobs");
  write_file(blob(weights_ + ".incomplete"), noise(300000, 3).substr(0, 1000));
  trouble(1, [](FakeReply& reply) { reply.headers["Content-Range"] = "bytes 5-299999/300000"; });
  test::expect_mentions(error_of(), {"from byte 1000", "bytes 5-299999/300000"});
}

TEST_F(HubTroubles, AnotherFileThanTheListedOneIsRefused) {
  hub_.set_trouble([](const FakeRequest& asked, FakeReply& reply) {
    if (asked.target.ends_with("model.safetensors"))
      reply.headers["X-Linked-Etag"] = "\"" + std::string(64, 'a') + "\"";
  });
  test::expect_mentions(error_of(), {"model.safetensors", "hash", weights_.c_str()});
}

TEST_F(HubTroubles, WhatStaysIsSaidWithANextStep) {
  const struct {
    int status;
    const char* header;
    std::vector<const char*> said;
  } cases[] = {{429, "60000", {"429", "60000 s", "HF_TOKEN"}},
               {503, "", {"503", "its side", "HF_ENDPOINT"}},
               {500, "", {"500", "its side"}},
               {418, "", {"418", "HF_ENDPOINT"}}};
  for (const auto& one : cases) {
    hub_.set_trouble([&](const FakeRequest& asked, FakeReply& reply) {
      if (!asked.target.starts_with("/api/")) return;
      reply = {.status = one.status};
      if (*one.header != '\0') reply.headers["Retry-After"] = one.header;
    });
    const std::string message = error_of();
    for (const char* part : one.said) test::expect_mentions(message, {part});
  }
}

TEST_F(HubTroubles, WhoMayNotReadIsToldWhatToDo) {
  FakeHub guarded({.token = "hf_right"});
  guarded.add("org/gated", test::model_files());
  guarded.repo("org/gated").gated = true;
  guarded.add("org/private", test::model_files());
  guarded.repo("org/private").is_private = true;
  Settings s = settings_for(guarded);
  test::expect_mentions(error_of(s, "org/gated"),
                        {"gated", "accept its licence", "/org/gated", "HF_TOKEN"});
  test::expect_mentions(error_of(s, "org/private"),
                        {"401", "private", "HF_TOKEN", "hf auth login"});
  s.token = "hf_wrong";
  test::expect_mentions(error_of(s, "org/gated"), {"gated", "accept", "HF_TOKEN"});
  test::expect_mentions(error_of(s, "org/private"), {"401", "token that was sent"});
  for (const char* id : {"org/gated", "org/private"})
    EXPECT_EQ(error_of(s, id).find("hf_wrong"), std::string::npos);
  s.token = "hf_right";
  EXPECT_EQ(download(s, request("org/gated")).files.size(), 4u);
  EXPECT_EQ(download(s, request("org/private")).files.size(), 4u);
}

TEST_F(HubTroubles, RepositoryRevisionAndFileAreToldApart) {
  test::expect_mentions(error_of("org/none"), {"org/none", "no such repository", "HF_TOKEN"});
  DownloadRequest revision = request("org/model");
  revision.repo.revision = "v9";
  test::expect_mentions(test::message_of([&] { download(settings(), revision); }),
                        {"no revision \"v9\"", "--revision"});
  hub_.set_trouble([](const FakeRequest& asked, FakeReply& reply) {
    if (asked.target.ends_with("/config.json"))
      reply = {.status = 404, .headers = {{"X-Error-Code", "EntryNotFound"}}};
  });
  test::expect_mentions(error_of(), {"config.json", "no such file", "/tree/main"});
  hub_.set_trouble([](const FakeRequest&, FakeReply& reply) {
    reply = {.status = 404, .headers = {{"X-Error-Code", "RepoNotFound"}}};
  });
  test::expect_mentions(error_of(), {"no such repository"});
}

TEST_F(HubTroubles, AServerThatIsNoHubIsNamed) {
  hub_.set_trouble(
      [](const FakeRequest&, FakeReply& reply) { reply = {.body = "<html>Log in</html>"}; });
  test::expect_mentions(error_of(), {hub_.endpoint().c_str(), "HF_ENDPOINT", "login"});
}

TEST_F(HubTroubles, NamesOutsideOfTheFolderAreRefused) {
  auto files = test::model_files();
  files["../../../../escaped"] = {"x"};
  hub_.add("org/evil", files);
  test::expect_mentions(error_of("org/evil"), {"../../../../escaped", "refused"});
  EXPECT_FALSE(fs::exists(folder_ / "hub" / "models--org--evil"));
}

TEST_F(HubTroubles, RedirectsGoNowhereForEverAndNotOutOfTls) {
  hub_.set_trouble([this](const FakeRequest& asked, FakeReply& reply) {
    if (!asked.to_store) reply = {.status = 302, .headers = {{"Location", hub_.endpoint() + "/x"}}};
  });
  test::expect_mentions(error_of(), {"more than 10 times"});
  hub_.set_trouble([](const FakeRequest&, FakeReply& reply) {
    reply = {.status = 302, .headers = {{"Location", "file:///etc/passwd"}}};
  });
  test::expect_mentions(error_of(), {"file:///etc/passwd", "http"});
}

TEST_F(HubTroubles, ARenamedRepositoryIsFollowed) {
  hub_.set_trouble([this, seen = 0](const FakeRequest& asked, FakeReply& reply) mutable {
    if (asked.target.starts_with("/api/models/org/old") && seen++ == 0)
      reply = {.status = 307,
               .headers = {{"Location", "/api/models/org/model/revision/main?blobs=true"}}};
    else if (asked.target.starts_with("/org/old/"))
      reply = {.status = 307, .headers = {{"Location", "/org/model" + asked.target.substr(8)}}};
  });
  Settings s = settings();
  s.token = "hf_t";
  const Download got = download(s, request("org/old"));
  EXPECT_EQ(read_text_file(got.folder / "model.safetensors"), noise(300000, 3));
}

TEST_F(HubTroubles, NoNetworkIsSaidSoon) {
  // A port that nobody listens at.
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&name), size), 0);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
  Settings s = settings();
  s.endpoint = fmt::format("http://127.0.0.1:{}", ntohs(name.sin_port));
  try {
    download(s, request("org/model"));
    ADD_FAILURE() << "no error";
  } catch (const NetworkError& error) {
    EXPECT_EQ(error.problem(), NetworkProblem::kUnreachable);
    test::expect_mentions(
        error.what(), {s.endpoint.c_str(), "cannot be reached", "HTTPS_PROXY", "HF_HUB_OFFLINE=1"});
  }
  ::close(socket);
  s.endpoint = "http://no-such-host.invalid";
  test::expect_mentions(error_of(s), {"no-such-host.invalid", "cannot be reached"});
}

TEST_F(HubTroubles, AProxyThatIsNotThereIsNamed) {
  ::setenv("http_proxy", "http://no-such-proxy.invalid:3128", 1);
  const std::string message = error_of();
  ::unsetenv("http_proxy");
  test::expect_mentions(message, {"no-such-proxy.invalid", "HTTPS_PROXY", "NO_PROXY"});
}

TEST_F(HubTroubles, ACertificateThatNobodyVouchesForIsRefused) {
  FakeHub secure({.tls = true});
  secure.add("org/model", {{"config.json", {"{}"}}, {"tokenizer.json", {"{}"}}});
  Settings s = settings_for(secure);
  try {
    download(s, request("org/model"));
    ADD_FAILURE() << "no error";
  } catch (const NetworkError& error) {
    EXPECT_EQ(error.problem(), NetworkProblem::kTls);
    EXPECT_FALSE(error.passing());
    test::expect_mentions(error.what(), {"SSL_CERT_FILE", "ca-certificates", "certificate"});
  }
  s.ca_file = folder_ / "ca.pem";
  write_file(s.ca_file, secure.certificate());
  EXPECT_EQ(download(s, request("org/model")).files.size(), 2u);
  s.ca_file = folder_ / "none.pem";
  test::expect_mentions(error_of(s), {"SSL_CERT_FILE"});
}

TEST_F(HubTroubles, FromHttpsToHttpIsNotFollowed) {
  FakeHub secure({.tls = true});
  secure.set_trouble([this](const FakeRequest&, FakeReply& reply) {
    reply = {.status = 302, .headers = {{"Location", hub_.endpoint() + "/x"}}};
  });
  Settings s = settings_for(secure);
  s.ca_file = folder_ / "ca.pem";
  write_file(s.ca_file, secure.certificate());
  test::expect_mentions(error_of(s), {"from https to http"});
}

TEST_F(HubTroubles, ADiskWithoutRoomIsSaidBeforeAnythingComes) {
  auto files = test::model_files();
  hub_.add("org/huge", files);
  hub_.set_trouble([](const FakeRequest& asked, FakeReply& reply) {
    if (!asked.target.starts_with("/api/")) return;
    const std::string size = "300000";
    for (size_t at; (at = reply.body.find(size)) != std::string::npos;)
      reply.body.replace(at, size.size(), "900000000000000");
  });
  test::expect_mentions(error_of("org/huge"), {"900 TB", "free", "HF_HOME", "--local-dir"});
  EXPECT_EQ(hub_.count("/resolve/"), 0u);
}

// A disk that fills up meanwhile, played by a limit on the size of files in a process of its own.
TEST_F(HubTroubles, AFullDiskKeepsWhatCameAndIsGoneOnFrom) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{100000, 100000};
    ::setrlimit(RLIMIT_FSIZE, &small);
    std::string message;
    try {
      download(settings(), request("org/model"));
    } catch (const Error& error) {
      message = error.what();
    }
    std::ofstream(folder_ / "message") << message;
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  test::expect_mentions(read_text_file(folder_ / "message"),
                        {"no room is left", "200000 bytes", "HF_HOME", "goes on"});
  EXPECT_EQ(fs::file_size(blob(weights_ + ".incomplete")), 100000u);
  const uint64_t before = hub_.sent(weights_);
  expect_right();
  EXPECT_EQ(hub_.sent(weights_), before + 200000);
}

TEST_F(HubTroubles, AFolderThatMayNotBeWrittenIsNamed) {
  Settings s = settings();
  write_file(folder_ / "file", "");
  s.cache = folder_ / "file" / "hub";
  test::expect_mentions(error_of(s), {"file"});
}

TEST(HubRetry, UnderstandsWhatTheHubAsksFor) {
  HttpReply reply;
  EXPECT_FALSE(asked_delay(reply));
  reply.headers["ratelimit"] = "\"api\";r=0;t=55";
  EXPECT_EQ(asked_delay(reply), 55);
  reply.headers["ratelimit"] = "\"api\";r=10;t=55";
  EXPECT_FALSE(asked_delay(reply));
  reply.headers["retry-after"] = "7";
  EXPECT_EQ(asked_delay(reply), 7);
  reply.headers["retry-after"] = "Wed, 21 Oct 2015 07:28:00 GMT";
  EXPECT_EQ(asked_delay(reply), 0);
  reply.headers["retry-after"] = "soon";
  EXPECT_FALSE(asked_delay(reply));
}

TEST(HubRetry, GivesUpAndBeginsAnewAfterProgress) {
  Settings s;
  s.tries = 3;
  s.first_delay = 0;
  std::vector<std::string> notes;
  Retry retry(s, [&](const std::string& text) { notes.push_back(text); }, {});
  EXPECT_TRUE(retry.again("x"));
  EXPECT_TRUE(retry.again("x"));
  EXPECT_FALSE(retry.again("x"));
  retry.progressed();
  EXPECT_TRUE(retry.again("the hub answers 503", 0.0));
  EXPECT_FALSE(retry.again("x", 1e6));
  EXPECT_EQ(notes.back(), "the hub answers 503; trying again in 0 s");
}

}  // namespace
}  // namespace falconer::hub
