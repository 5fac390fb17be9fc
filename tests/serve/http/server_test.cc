#include "serve/http/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <future>
#include <thread>

#include "base/quiet_thread.h"
#include "base/system.h"
#include "support/errors.h"
#include "support/http_client.h"

namespace falconer::serve {
namespace {

using test::ask;
using test::ClientAnswer;
using test::HttpConnection;

HttpResponse problem_text(const HttpProblem& problem) {
  return {.status = problem.status, .type = "text/plain", .body = problem.what};
}

/// A server on a thread of its own. "/echo" answers with the body, "/stream" is handed to the test.
class HttpServing : public ::testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    server_ = std::make_unique<HttpServer>(
        options, [this](const auto& exchange) { handle(exchange); }, problem_text);
    thread_ = quiet_thread([this] { server_->run(); });
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    server_->stop();
    thread_.join();
  }
  int port() const { return server_->port(); }
  /// What `work` returns on the loop's thread.
  template <class Work>
  auto on_loop(Work work) {
    std::promise<decltype(work())> result;
    server_->post([&] { result.set_value(work()); });
    return result.get_future().get();
  }
  HttpCounts counts() {
    return on_loop([this] { return server_->counts(); });
  }
  /// The exchange that a client has begun at "/stream".
  std::shared_ptr<Exchange> stream() {
    for (int i = 0; i < 5000; ++i) {
      auto there = on_loop([this] { return std::exchange(stream_, nullptr); });
      if (there != nullptr) return there;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "no stream was asked for";
    return nullptr;
  }
  template <class Condition>
  bool soon(Condition condition) {
    for (int i = 0; i < 10000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  }

  std::unique_ptr<HttpServer> server_;
  std::atomic<int> gone_ = 0;

 private:
  void handle(const std::shared_ptr<Exchange>& exchange) {
    if (exchange->request.path == "/stream") {
      exchange->on_gone([this] { ++gone_; });
      exchange->begin(200, "text/event-stream");
      stream_ = exchange;
    } else {
      exchange->answer({.type = "text/plain", .body = exchange->request.body});
    }
  }

  std::thread thread_;
  std::shared_ptr<Exchange> stream_;
};

TEST_F(HttpServing, AConnectionServesManyRequests) {
  start();
  HttpConnection client(port());
  for (int i = 0; i < 20; ++i) {
    const std::string body(static_cast<size_t>(i) * 5000, 'x');
    client.request("POST", "/echo", body);
    const ClientAnswer answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, body);
    EXPECT_FALSE(answer.fields.contains("connection"));
  }
  EXPECT_EQ(counts().accepted, 1);
}

TEST_F(HttpServing, RequestsThatComeTogetherAreAnsweredInOrder) {
  start();
  HttpConnection client(port());
  std::string all;
  for (int i = 0; i < 2000; ++i)
    all += fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n{:04}", i);
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(client.answer().body, fmt::format("{:04}", i));
  sender.join();
}

TEST_F(HttpServing, WhoSendsTooMuchReadsWhyAllTheSame) {
  start({.limits = {.body = 1000}});
  HttpConnection client(port());
  client.request("POST", "/echo", std::string(3 << 20, 'x'));
  const ClientAnswer answer = client.answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "the request's body has more than 1000 bytes");
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServing, TheBodyIsAskedForWhereTheClientWaitsForThat) {
  start({.limits = {.body = 10}});
  HttpConnection client(port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.head().status, 100);
  client.send("ab");
  EXPECT_EQ(client.answer().body, "ab");
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n");
  EXPECT_EQ(client.answer().status, 413);
}

TEST_F(HttpServing, AStreamArrivesPartByPart) {
  start();
  HttpConnection client(port());
  client.request("GET", "/stream");
  EXPECT_EQ(client.head().fields.at("transfer-encoding"), "chunked");
  const auto exchange = stream();
  for (const char* part : {"one", "two"}) {
    server_->post([=] { exchange->send(part); });
    EXPECT_EQ(client.chunk(), part);
  }
  server_->post([=] { exchange->end(); });
  EXPECT_EQ(client.chunk(), "");
  client.request("POST", "/echo", "and on");
  EXPECT_EQ(client.answer().body, "and on");
  EXPECT_EQ(gone_, 0);
}

TEST_F(HttpServing, AClientOfTheOldProtocolReadsToTheEnd) {
  start();
  HttpConnection client(port());
  client.send("GET /stream HTTP/1.0\r\n\r\n");
  const auto exchange = stream();
  server_->post([=] {
    exchange->send("all of it");
    exchange->end();
  });
  const ClientAnswer answer = client.answer();
  EXPECT_FALSE(answer.fields.contains("transfer-encoding"));
  EXPECT_EQ(answer.body, "all of it");
}

TEST_F(HttpServing, AClientThatLeavesIsNoticedWhileNothingIsWritten) {
  start();
  HttpConnection client(port());
  client.request("GET", "/stream");
  const auto exchange = stream();
  client.close();
  EXPECT_TRUE(soon([&] { return gone_ == 1; }));
  EXPECT_TRUE(on_loop([&] {
    exchange->send("nobody reads this");
    exchange->end();
    return exchange->gone();
  }));
  EXPECT_EQ(gone_, 1);
}

TEST_F(HttpServing, AClientThatDoesNotReadIsCut) {
  start({.unread = 100000});
  HttpConnection client(port(), 4096);
  client.request("GET", "/stream");
  const auto exchange = stream();
  int sent = 0;
  while (sent < 100000 && !on_loop([&] { return exchange->gone(); })) {
    server_->post([=] {
      if (!exchange->gone()) exchange->send(std::string(1000, 'x'));
    });
    ++sent;
  }
  EXPECT_LT(sent, 20000);  // what the system's own buffers take is within
  EXPECT_EQ(gone_, 1);
  EXPECT_EQ(counts().cut, 1);
}

TEST_F(HttpServing, AWholeAnswerWaitsForASlowClientButNotForOneThatSleeps) {
  start({.limits = {.body = 50 << 20}, .write_seconds = 4, .unread = 1000});
  const std::string body(30 << 20, 'x');
  EXPECT_EQ(ask(port(), "POST", "/echo", body).body.size(), body.size());
  HttpConnection client(port(), 4096);
  client.request("POST", "/echo", body);
  EXPECT_TRUE(soon([&] { return counts().open == 0; }));
  EXPECT_EQ(counts().cut, 1);
}

TEST_F(HttpServing, ARequestThatDripsInIsEnded) {
  start({.request_seconds = 0.4});
  HttpConnection client(port());
  const double begin = now_seconds();
  std::thread dripping([&] {
    for (int i = 0; i < 100 && client.send("G"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_LT(now_seconds() - begin, 5);
  dripping.join();
}

TEST_F(HttpServing, AConnectionThatIdlesIsClosed) {
  start({.idle_seconds = 0.2});
  HttpConnection client(port());
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(counts().cut, 0);
}

TEST_F(HttpServing, WhatIdlesMakesRoomAndWhatIsAtWorkDoesNot) {
  start({.connections = 3});
  HttpConnection idle(port());
  HttpConnection first(port()), second(port()), third(port());
  std::vector<std::shared_ptr<Exchange>> streams;
  for (HttpConnection* client : {&first, &second, &third}) {
    client->request("GET", "/stream");
    streams.push_back(stream());
  }
  EXPECT_TRUE(idle.ended());
  HttpConnection fourth(port());
  const ClientAnswer refused = fourth.answer();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.body, "all 3 connections are in use");
  EXPECT_EQ(counts().refused, 1);
}

TEST_F(HttpServing, ManyIdleConnectionsKeepNobodyWaiting) {
  rlimit limit = {};
  raise_open_files();
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto count = std::min<size_t>(4000, (limit.rlim_cur - 200) / 2);
  start({.connections = 100000});
  std::vector<std::unique_ptr<HttpConnection>> idle;
  for (size_t i = 0; i < count; ++i) idle.push_back(std::make_unique<HttpConnection>(port()));
  const double begin = now_seconds();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(ask(port(), "POST", "/echo", "hello").body, "hello");
  EXPECT_LT(now_seconds() - begin, 5);
  EXPECT_GE(counts().accepted, static_cast<int64_t>(count));
}

TEST_F(HttpServing, AHalfClosedClientStillGetsItsAnswer) {
  start({.limits = {.body = 50 << 20}});
  HttpConnection client(port());
  const std::string body(10 << 20, 'x');
  client.request("POST", "/echo", body);
  client.half_close();
  EXPECT_EQ(client.answer().body.size(), body.size());
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpServing, HeadHasNoBody) {
  start();
  HttpConnection client(port());
  client.request("HEAD", "/echo", "four");
  EXPECT_EQ(client.head().fields.at("content-length"), "4");
  client.request("POST", "/echo", "next");
  EXPECT_EQ(client.answer().body, "next");
}

TEST_F(HttpServing, NoFurtherConnectionsAreTakenBehindStopListening) {
  start();
  HttpConnection idle(port()), busy(port());
  busy.request("GET", "/stream");
  const auto exchange = stream();
  EXPECT_TRUE(on_loop([&] {
    server_->stop_listening();
    return true;
  }));
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(HttpConnection(port()).connected());
  server_->post([=] {
    exchange->send("the rest");
    exchange->end();
  });
  EXPECT_EQ(busy.answer().body, "the rest");
  EXPECT_TRUE(busy.ended());
}

TEST(HttpServer, WhatAHandlerThrowsComesOutOfRun) {
  HttpServer server(
      {}, [](const auto&) -> void { throw InternalError("a mistake"); }, problem_text);
  HttpConnection client(server.port());
  client.request("GET", "/");
  EXPECT_THROW(server.run(), InternalError);
}

TEST(HttpServer, APortThatIsTakenIsSaid) {
  const auto nothing = [](const auto&) {};
  HttpServer first({}, nothing, problem_text);
  test::expect_mentions(
      test::message_of([&] { HttpServer({.port = first.port()}, nothing, problem_text); }),
      {"cannot listen on 127.0.0.1 port", "in use", "--port"});
  test::expect_mentions(
      test::message_of([&] { HttpServer({.host = "no.such.host.test"}, nothing, problem_text); }),
      {"--host no.such.host.test"});
}

}  // namespace
}  // namespace falconer::serve
