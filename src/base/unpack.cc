#include "base/unpack.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"

namespace falconer {
namespace {

constexpr size_t kOneCall = size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kGzipOrZlib = 15 + 32;          // of inflateInit2: the largest window, either header

[[noreturn]] void fail_cut(const char* format) {
  fail("the {} data breaks off before its end; fetch or write it again", format);
}

}  // namespace

struct Unpacker::Stream {
  explicit Stream(std::span<const std::byte> packed) : packed_(packed) {}
  virtual ~Stream() = default;
  /// Some bytes, at least one; 0 at the end.
  virtual size_t some(std::span<std::byte> out) = 0;
  std::span<const std::byte> rest() const { return packed_.subspan(at_); }

  std::span<const std::byte> packed_;
  size_t at_ = 0;
};

namespace {

template <class Base>
struct PlainStream : Base {
  using Base::Base;
  size_t some(std::span<std::byte> out) override {
    const size_t n = std::min(out.size(), this->rest().size());
    std::memcpy(out.data(), this->rest().data(), n);
    this->at_ += n;
    return n;
  }
};

template <class Base>
struct GzipStream : Base {
  explicit GzipStream(std::span<const std::byte> packed) : Base(packed) {
    if (::inflateInit2(&state_, kGzipOrZlib) != Z_OK) fail("zlib cannot begin: no memory");
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() override { ::inflateEnd(&state_); }

  size_t some(std::span<std::byte> out) override {
    for (;;) {
      if (between_) {
        if (this->rest().empty()) return 0;
        // What a tape or a download padded with zeros has come to its end.
        if (this->at_ > 0 && this->rest().front() == std::byte{0}) return 0;
        ::inflateReset(&state_);
        between_ = false;
      }
      const size_t given = std::min(this->rest().size(), kOneCall);
      const size_t wanted = std::min(out.size(), kOneCall);
      state_.next_in =
          reinterpret_cast<Bytef*>(const_cast<std::byte*>(this->rest().data()));  // it only reads
      state_.avail_in = static_cast<uInt>(given);
      state_.next_out = reinterpret_cast<Bytef*>(out.data());
      state_.avail_out = static_cast<uInt>(wanted);
      const int said = ::inflate(&state_, Z_NO_FLUSH);
      this->at_ += given - state_.avail_in;
      const size_t made = wanted - state_.avail_out;
      if (said == Z_STREAM_END)
        between_ = true;
      else if (said != Z_OK && said != Z_BUF_ERROR)
        fail("the gzip data is damaged ({}); fetch or write it again",
             state_.msg != nullptr ? state_.msg : "zlib says no more");
      if (made > 0) return made;
      if (!between_ && this->rest().empty()) fail_cut("gzip");
    }
  }

  z_stream state_{};
  bool between_ = true;  // streams
};

template <class Base>
struct ZstdStream : Base {
  explicit ZstdStream(std::span<const std::byte> packed)
      : Base(packed), state_(::ZSTD_createDCtx()) {
    if (state_ == nullptr) fail("zstd cannot begin: no memory");
  }
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;
  ~ZstdStream() override { ::ZSTD_freeDCtx(state_); }

  size_t some(std::span<std::byte> out) override {
    for (;;) {
      if (whole_ && this->rest().empty()) return 0;
      ZSTD_inBuffer given{this->rest().data(), this->rest().size(), 0};
      ZSTD_outBuffer made{out.data(), out.size(), 0};
      const size_t said = ::ZSTD_decompressStream(state_, &made, &given);
      this->at_ += given.pos;
      if (::ZSTD_isError(said))
        fail("the zstd data cannot be read ({}); fetch or write it again",
             ::ZSTD_getErrorName(said));
      whole_ = said == 0;
      if (made.pos > 0) return made.pos;
      if (!whole_ && this->rest().empty() && given.pos == 0) fail_cut("zstd");
    }
  }

  ZSTD_DCtx* state_;
  bool whole_ = true;  // at the end of a frame
};

}  // namespace

Unpacker::Unpacker(Packing packing, std::span<const std::byte> packed) {
  if (packing == Packing::kGzip)
    stream_ = std::make_unique<GzipStream<Stream>>(packed);
  else if (packing == Packing::kZstd)
    stream_ = std::make_unique<ZstdStream<Stream>>(packed);
  else
    stream_ = std::make_unique<PlainStream<Stream>>(packed);
}
Unpacker::Unpacker(Unpacker&&) noexcept = default;
Unpacker::~Unpacker() = default;

size_t Unpacker::read(std::span<std::byte> out) {
  size_t made = 0;
  while (made < out.size()) {
    const size_t now = stream_->some(out.subspan(made));
    if (now == 0) break;
    made += now;
  }
  return made;
}

size_t Unpacker::position() const { return stream_->at_; }

}  // namespace falconer
