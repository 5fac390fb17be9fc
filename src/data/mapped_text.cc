#include "data/mapped_text.h"

namespace falconer {
namespace {

constexpr size_t kStep = size_t{4} << 20;  // forgetting is a call of the system: not too often

}  // namespace

MappedText::MappedText(const std::filesystem::path& file)
    : file_(file), text_(reinterpret_cast<const char*>(file_->data()), file_->size()) {
  skip_byte_order_mark();
}

MappedText MappedText::of(std::string_view text) {
  MappedText made;
  made.text_ = text;
  made.skip_byte_order_mark();
  return made;
}

void MappedText::skip_byte_order_mark() {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
}

void MappedText::pass(const char* at) {
  if (!file_ || file_->size() == 0) return;
  const size_t now = static_cast<size_t>(at - reinterpret_cast<const char*>(file_->data()));
  if (now < passed_ + kStep) return;
  forget_pages(file_->bytes().subspan(passed_, now - passed_));
  passed_ = now;
}

}  // namespace falconer
