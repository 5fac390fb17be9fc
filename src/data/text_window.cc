#include "data/text_window.h"

#include <algorithm>

#include "base/error.h"

namespace falconer {
namespace {

constexpr size_t kLargestPart = size_t{4}
                                << 20;  // unpacked at a time, but for rows that are longer
constexpr size_t kForgottenAtOnce = size_t{4} << 20;

}  // namespace

TextWindow::TextWindow(const std::filesystem::path& file, Packing packing,
                       const std::string& encoding) {
  if (packing == Packing::kNone && encoding.empty()) {
    mapped_.emplace(file);
    text_ = mapped_->text();
    return;
  }
  file_.emplace(file);
  if (packing != Packing::kNone) unpacker_.emplace(packing, file_->bytes());
  if (!encoding.empty()) decoder_.emplace(encoding);
  ended_ = false;
  more(1);
}

size_t TextWindow::read_packed(std::span<std::byte> out) {
  if (unpacker_) return unpacker_->read(out);
  const std::span<const std::byte> rest = file_->bytes().subspan(read_);
  const size_t count = std::min(rest.size(), out.size());
  std::copy_n(rest.begin(), count, out.begin());
  read_ += count;
  return count;
}

/// Puts `part` bytes of the file behind the buffer, as UTF-8. False where that was the last of it.
bool TextWindow::read_more(size_t part) {
  if (!decoder_) {
    const size_t kept = buffer_.size();
    buffer_.resize(kept + part);
    const size_t made = read_packed(std::as_writable_bytes(std::span(buffer_.data() + kept, part)));
    buffer_.resize(kept + made);
    return made == part;
  }
  const size_t left = raw_.size();
  raw_.resize(left + part);
  const size_t made = read_packed(std::span(raw_).subspan(left));
  raw_.resize(left + made);
  const size_t used = decoder_->decode(raw_, made < part, buffer_);
  raw_.erase(raw_.begin(), raw_.begin() + static_cast<std::ptrdiff_t>(used));
  return made == part;
}

TextWindow TextWindow::of(std::string_view text) { return TextWindow(MappedText::of(text)); }

void TextWindow::pass(const char* at) {
  text_.remove_prefix(static_cast<size_t>(at - text_.data()));
  if (mapped_) mapped_->pass(at);
}

void TextWindow::more(int64_t number, std::string_view counted) {
  if (ended_) return;
  const std::string name = file_->path().string();
  if (text_.size() > kLongestRow)
    fail(
        "{}: {} {}: the row that begins here has more than {} MB; expected rows, one a line or "
        "in an array",
        name, counted, number, kLongestRow >> 20);
  buffer_.erase(0, buffer_.size() - text_.size());
  try {
    ended_ = !read_more(std::max(part_, buffer_.size()));
  } catch (const Error& error) {
    fail("{}: {}", name, error.what());
  }
  part_ = std::min(4 * part_, kLargestPart);
  text_ = buffer_;
  if (!begun_ && text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  begun_ = true;
  const size_t read = unpacker_ ? unpacker_->position() : read_;
  if (read < forgotten_ + kForgottenAtOnce) return;
  forget_pages(file_->bytes().subspan(forgotten_, read - forgotten_));
  forgotten_ = read;
}

}  // namespace falconer
