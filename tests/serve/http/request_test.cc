#include "serve/http/request.h"

#include <gtest/gtest.h>

namespace falconer::serve {
namespace {

/// What comes of bytes that arrive `step` at a time.
HttpParser parsed(const std::string& bytes, size_t step, HttpLimits limits = {}) {
  HttpParser parser(limits);
  for (size_t at = 0; at < bytes.size() && !parser.done() && !parser.failed();) {
    const size_t taken = parser.push(std::string_view(bytes).substr(at, step));
    EXPECT_GT(taken, 0u);
    at += taken;
  }
  return parser;
}

int status_of(const std::string& bytes, HttpLimits limits = {}) {
  const int whole = parsed(bytes, bytes.size(), limits).problem().status;
  EXPECT_EQ(parsed(bytes, 1, limits).problem().status, whole) << bytes;
  return whole;
}

TEST(HttpParser, ARequestIsTheSameHoweverItsBytesCome) {
  const std::string text =
      "\r\nPOST /v1/x?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nX-Key:  two words "
      "\t\r\n\r\nhello";
  for (size_t step = 1; step <= text.size(); ++step) {
    HttpParser parser = parsed(text, step);
    ASSERT_TRUE(parser.done()) << step;
    const HttpRequest request = parser.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/x");
    EXPECT_EQ(request.query, "a=b");
    EXPECT_EQ(*request.field("x-key"), "two words");
    EXPECT_EQ(request.body, "hello");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_FALSE(parser.begun());
  }
}

TEST(HttpParser, ChunksArePutTogether) {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET";
  for (size_t step = 1; step <= text.size(); ++step) {
    HttpParser parser = parsed(text, step);
    ASSERT_TRUE(parser.done()) << step;
    EXPECT_EQ(parser.take().body, "abc0123456789");
  }
  HttpParser parser({});
  EXPECT_EQ(parser.push(text), text.size() - 3);  // the next request is left
}

TEST(HttpParser, WhatTwoReadersMayTakeInTwoWaysIsRefused) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of(head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Content-Length: +3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Content-Length: 0x3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Content-Length: 3, 3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Content-Length:\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Content-Length : 3\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of(head + "X: a\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + "Host: other\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);  // no host
  EXPECT_EQ(status_of(head + "X: a\rb\r\n\r\n"), 400);
  EXPECT_EQ(status_of(head + std::string("X: a\0b\r\n\r\n", 10)), 400);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), 400);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n"), 400);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n"), 400);
  EXPECT_EQ(status_of(head + "Expect: much\r\n\r\n"), 417);
}

TEST(HttpParser, WhatIsNoHttpIsRefused) {
  EXPECT_EQ(status_of("hello\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET  HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / a HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("G@T / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET path HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(status_of("\x16\x03\x01\x02" + std::string("\r\n\r\n")), 400);  // TLS
}

TEST(HttpParser, LimitsHold) {
  const HttpLimits limits{.head = 200, .fields = 4, .body = 10};
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of(head + "Content-Length: 10\r\n\r\n0123456789", limits), 0);
  EXPECT_EQ(status_of(head + "Content-Length: 11\r\n\r\n", limits), 413);
  EXPECT_EQ(status_of(head + "Content-Length: 99999999999999999999999\r\n\r\n", limits), 413);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n", limits),
            413);
  EXPECT_EQ(status_of(head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n", limits),
            413);
  EXPECT_EQ(status_of(head + "A:\r\nB:\r\nC:\r\nD:\r\n\r\n", limits), 431);
  EXPECT_EQ(status_of(head + "A: " + std::string(300, 'a') + "\r\n\r\n", limits), 431);
  EXPECT_EQ(status_of(std::string(300, 'G'), limits), 431);
  std::string trailers = head + "Transfer-Encoding: chunked\r\n\r\n0\r\n";
  for (int i = 0; i < 50; ++i) trailers += "Trailer: x\r\n";
  EXPECT_EQ(status_of(trailers, limits), 431);
}

TEST(HttpParser, AConnectionIsKeptAsTheClientSays) {
  const auto kept = [](const std::string& text) { return parsed(text, 7).take().keep_alive; };
  EXPECT_TRUE(kept("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(kept("GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, Close\r\n\r\n"));
  EXPECT_FALSE(kept("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(kept("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_TRUE(kept("GET / HTTP/1.1\nHost: h\n\n"));
  EXPECT_EQ(parsed("GET http://h/p?q HTTP/1.1\r\nHost: h\r\n\r\n", 9).take().path, "/p");
}

TEST(HttpParser, AnExpectationIsTakenOnce) {
  HttpParser parser = parsed(
      "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", 1000);
  EXPECT_TRUE(parser.take_expectation());
  EXPECT_FALSE(parser.take_expectation());
}

}  // namespace
}  // namespace falconer::serve
