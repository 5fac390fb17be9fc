#include "serve/http/request.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "base/small_letters.h"

namespace falconer::serve {
namespace {

constexpr size_t kLongestChunkLine = 1024;

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return std::isalnum(c) != 0 || kMarks.find(static_cast<char>(c)) != kMarks.npos;
  });
}

// Bytes that a value may have: no control characters but tabs.
bool is_field_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7F); });
}

std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Whether a list such as "keep-alive, TE" has the word.
bool has_word(const std::string* list, std::string_view word) {
  if (list == nullptr) return false;
  const std::string letters = small_letters(*list);
  std::string_view rest = letters;
  while (true) {
    const size_t comma = rest.find(',');
    if (without_blanks(rest.substr(0, comma)) == word) return true;
    if (comma == rest.npos) return false;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace

const std::string* HttpRequest::field(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const auto& field) { return field.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

size_t HttpParser::push(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size() && !done() && !failed()) {
    const std::string_view rest = bytes.substr(taken);
    if (step_ == Step::kHead)
      taken += push_head(rest);
    else if (step_ == Step::kBody || step_ == Step::kChunk)
      taken += push_bytes(rest);
    else
      taken += push_line(rest);
  }
  return taken;
}

HttpRequest HttpParser::take() {
  FALCONER_CHECK(done());
  HttpRequest taken = std::move(request_);
  *this = HttpParser(limits_);
  return taken;
}

size_t HttpParser::push_head(std::string_view bytes) {
  size_t skipped = 0;
  if (line_.empty())  // an empty line before a request is nothing (RFC 9112, 2.2)
    while (skipped < bytes.size() && (bytes[skipped] == '\r' || bytes[skipped] == '\n')) ++skipped;
  bytes.remove_prefix(skipped);
  const size_t looked_at = line_.size() - std::min<size_t>(line_.size(), 3);
  const size_t before = line_.size();
  line_.append(bytes.substr(0, limits_.head + 1 - std::min(limits_.head + 1, line_.size())));
  size_t end = line_.find("\r\n\r\n", looked_at), length = 4;
  const size_t bare = line_.find("\n\n", looked_at);
  if (bare < end) end = bare, length = 2;
  if (end == line_.npos) {
    if (line_.size() > limits_.head)
      fail(431, fmt::format("the request's head has more than {} bytes", limits_.head));
    return skipped + line_.size() - before;
  }
  const std::string head = line_.substr(0, end);
  const size_t taken = end + length - before;
  line_.clear();
  parse_head(head);
  return skipped + taken;
}

void HttpParser::parse_head(std::string_view head) {
  bool first = true;
  while (!failed()) {
    const size_t end = head.find('\n');
    std::string_view line = head.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (first)
      parse_request_line(line);
    else
      parse_field(line);
    first = false;
    if (end == head.npos) break;
    head.remove_prefix(end + 1);
  }
  if (!failed()) choose_body();
}

void HttpParser::parse_request_line(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == line.npos || last == first) return fail(400, "the request line is no HTTP");
  const std::string_view version = line.substr(last + 1);
  std::string_view target = line.substr(first + 1, last - first - 1);
  request_.method = line.substr(0, first);
  if (!is_token(request_.method)) return fail(400, "the request's method is no word");
  if (!version.starts_with("HTTP/")) return fail(400, "the request line is no HTTP");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return fail(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  request_.minor = version.back() - '0';
  if (const size_t scheme = target.find("://"); !target.starts_with('/') && scheme != target.npos) {
    const size_t path = target.find('/', scheme + 3);  // as it is sent to a proxy
    target = path == target.npos ? "/" : target.substr(path);
  }
  const bool printable = std::all_of(target.begin(), target.end(),
                                     [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  if (!printable || !(target.starts_with('/') || target == "*"))
    return fail(400, "the request's target is no path");
  const size_t question = target.find('?');
  request_.path = target.substr(0, question);
  if (question != target.npos) request_.query = target.substr(question + 1);
}

void HttpParser::parse_field(std::string_view line) {
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == line.npos || !is_token(name) || !is_field_text(line))
    return fail(400, "a field of the request's head is no \"name: value\"");
  if (request_.fields.size() == limits_.fields)
    return fail(431, fmt::format("the request's head has more than {} fields", limits_.fields));
  request_.fields.emplace_back(small_letters(std::string(name)),
                               without_blanks(line.substr(colon + 1)));
}

void HttpParser::choose_body() {
  const auto count = [&](std::string_view name) {
    return std::count_if(request_.fields.begin(), request_.fields.end(),
                         [&](const auto& field) { return field.first == name; });
  };
  const std::string* connection = request_.field("connection");
  request_.keep_alive =
      request_.minor == 1 ? !has_word(connection, "close") : has_word(connection, "keep-alive");
  if (request_.minor == 1 && count("host") != 1)
    return fail(400, "a request of HTTP/1.1 has one field \"Host\"");
  const std::string* coding = request_.field("transfer-encoding");
  const std::string* length = request_.field("content-length");
  if (coding != nullptr && length != nullptr)
    return fail(400, "the request has both Content-Length and Transfer-Encoding");
  if (count("content-length") > 1 || count("transfer-encoding") > 1)
    return fail(400, "the request says twice how long its body is");
  if (coding != nullptr && small_letters(*coding) != "chunked")
    return fail(501, "the only Transfer-Encoding that is understood is \"chunked\"");
  const std::string* expect = request_.field("expect");
  if (expect != nullptr && small_letters(*expect) != "100-continue")
    return fail(417, "the only expectation that is understood is \"100-continue\"");
  expects_ = expect != nullptr && request_.minor == 1;
  if (coding != nullptr)
    step_ = Step::kChunkSize;
  else if (length != nullptr)
    take_length(*length);
  else
    step_ = Step::kDone;
}

void HttpParser::take_length(const std::string& text) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), missing_);
  if (text.empty() || end != text.data() + text.size() || error == std::errc::invalid_argument)
    return fail(400, "the request's Content-Length is no number");
  if (error != std::errc() || missing_ > limits_.body)
    return fail(413, fmt::format("the request's body has more than {} bytes", limits_.body));
  step_ = missing_ == 0 ? Step::kDone : Step::kBody;
}

size_t HttpParser::push_bytes(std::string_view bytes) {
  const auto taken = static_cast<size_t>(std::min<uint64_t>(missing_, bytes.size()));
  request_.body.append(bytes.substr(0, taken));
  missing_ -= taken;
  if (missing_ == 0) step_ = step_ == Step::kBody ? Step::kDone : Step::kChunkEnd;
  return taken;
}

size_t HttpParser::push_line(std::string_view bytes) {
  const size_t end = bytes.find('\n');
  const size_t taken = end == bytes.npos ? bytes.size() : end + 1;
  line_.append(bytes.substr(0, taken));
  if (line_.size() > kLongestChunkLine)
    fail(400, "a line between the chunks of the request's body is too long");
  else if (end != bytes.npos)
    end_line();
  return taken;
}

void HttpParser::end_line() {
  std::string_view line = line_;
  line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (step_ == Step::kChunkSize) {
    begin_chunk(line);
  } else if (step_ == Step::kChunkEnd) {
    if (!line.empty()) fail(400, "a chunk of the request's body is longer than it says");
    step_ = Step::kChunkSize;
  } else {
    trailers_ += line_.size();
    if (trailers_ > limits_.head) fail(431, "the request has too many fields behind its body");
    if (line.empty()) step_ = Step::kDone;
  }
  line_.clear();
}

void HttpParser::begin_chunk(std::string_view line) {
  const std::string_view digits = without_blanks(line.substr(0, line.find(';')));
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), size, 16);
  if (digits.empty() || end != digits.data() + digits.size() ||
      error == std::errc::invalid_argument)
    return fail(400, "a chunk of the request's body does not say how long it is");
  if (error != std::errc() || size > limits_.body - request_.body.size())
    return fail(413, fmt::format("the request's body has more than {} bytes", limits_.body));
  missing_ = size;
  step_ = size == 0 ? Step::kTrailer : Step::kChunk;
}

}  // namespace falconer::serve
