// A request of HTTP/1.1, out of bytes that anybody may have sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace falconer::serve {

struct HttpRequest {
  std::string method;  // "POST"
  std::string path;    // "/v1/models": what stands before '?', as it was sent
  std::string query;   // what stands behind it
  std::vector<std::pair<std::string, std::string>> fields;  // names in small letters
  std::string body;
  int minor = 1;           // of HTTP/1.x
  bool keep_alive = true;  // the connection may serve another one

  /// The first field of that name (in small letters); null where there is none.
  const std::string* field(std::string_view name) const;
};

struct HttpLimits {
  size_t head = size_t{16} << 10;  // bytes of request line and fields
  size_t fields = 100;
  size_t body = size_t{8} << 20;  // bytes
};

/// What is wrong with a request that cannot be parsed, and with what status that is said.
struct HttpProblem {
  int status = 0;  // 0: nothing
  std::string what;
};

/// One request after another. RFC 9112 with nothing that two readers may take in two ways: a field is one line, a
/// length is digits, "chunked" is the only coding, and never beside a length.
class HttpParser {
 public:
  explicit HttpParser(const HttpLimits& limits) : limits_(limits) {}

  /// Takes bytes in, as far as the request goes; returns how many those are. Takes none where it is done() or has
  /// failed().
  size_t push(std::string_view bytes);
  bool done() const { return step_ == Step::kDone; }
  bool failed() const { return problem_.status != 0; }
  /// Whether a first byte has come.
  bool begun() const { return step_ != Step::kHead || !line_.empty(); }
  const HttpProblem& problem() const { return problem_; }
  /// Once behind each head: whether the client waits to be told that it may send the body.
  bool take_expectation() { return std::exchange(expects_, false) && !failed(); }
  /// The request that is done; the parser is as new.
  HttpRequest take();

 private:
  enum class Step { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailer, kDone };
  void fail(int status, std::string what) { problem_ = {status, std::move(what)}; }
  size_t push_head(std::string_view bytes);
  size_t push_bytes(std::string_view bytes);
  size_t push_line(std::string_view bytes);
  void parse_head(std::string_view head);
  void parse_request_line(std::string_view line);
  void parse_field(std::string_view line);
  void choose_body();
  void take_length(const std::string& text);
  void end_line();
  void begin_chunk(std::string_view line);

  HttpLimits limits_;
  Step step_ = Step::kHead;
  HttpRequest request_;
  HttpProblem problem_;
  std::string line_;      // of the head, or of a chunk, as far as it has come
  uint64_t missing_ = 0;  // bytes of the body, or of a chunk
  size_t trailers_ = 0;   // bytes of fields behind the chunks
  bool expects_ = false;
};

}  // namespace falconer::serve
