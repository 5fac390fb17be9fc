#include "data/text_window.h"

#include <algorithm>

#include "base/error.h"

namespace falconer {
namespace {

constexpr size_t kLeastPart = size_t{4} << 20;  // unpacked at a time
constexpr size_t kForgottenAtOnce = size_t{4} << 20;

}  // namespace

TextWindow::TextWindow(const std::filesystem::path& file, Packing packing) {
  if (packing == Packing::kNone) {
    mapped_.emplace(file);
    text_ = mapped_->text();
    return;
  }
  file_.emplace(file);
  unpacker_.emplace(packing, file_->bytes());
  ended_ = false;
  more(1);
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
  const size_t kept = buffer_.size(), part = std::max(kLeastPart, kept);
  buffer_.resize(kept + part);
  size_t made = 0;
  try {
    made = unpacker_->read(std::as_writable_bytes(std::span(buffer_.data() + kept, part)));
  } catch (const Error& error) {
    fail("{}: {}", name, error.what());
  }
  buffer_.resize(kept + made);
  ended_ = made < part;
  text_ = buffer_;
  if (!begun_ && text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  begun_ = true;
  const size_t read = unpacker_->position();
  if (read < forgotten_ + kForgottenAtOnce) return;
  forget_pages(file_->bytes().subspan(forgotten_, read - forgotten_));
  forgotten_ = read;
}

}  // namespace falconer
