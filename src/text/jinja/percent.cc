// format % values, as Python's strings have it.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/format.h"
#include "text/jinja/layout.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace falconer {
namespace {

class PercentFormat {
 public:
  PercentFormat(const JinjaString& format, const JinjaValue& values, JinjaHeap& heap)
      : whole_(jinja_marked(format)), bytes_(whole_.text()), values_(values), heap_(heap) {
    tuple_ = values.is(Kind::kList) && values.list->tuple;
    // What has members need not be used up: dictionaries, and to Python lists too.
    mapping_ = !tuple_ &&
               (values.is(Kind::kDict) || values.is(Kind::kList) || values.is(Kind::kUndefined));
  }

  JinjaValue run() {
    MarkedText made;
    while (at_ < bytes_.size()) {
      heap_.step(1 + static_cast<int64_t>(whole_.parts().size()));
      const size_t sign = std::min(bytes_.find('%', at_), bytes_.size());
      heap_.take(sign - at_);
      made.append(whole_.part(at_, sign));
      at_ = sign + 1;
      if (sign < bytes_.size()) made.append(conversion(sign));
      if (made.size() > heap_.limits().output) fail("a string is too long");
    }
    const bool left = tuple_ ? used_ < values_.list->items.size() : used_ == 0 && !mapping_;
    if (left) fail("%: not all values were used by the string");
    return heap_.string(std::move(made));
  }

 private:
  using Kind = JinjaValue::Kind;

  char peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  JinjaValue next(bool any) {
    if (tuple_) {
      if (used_ >= values_.list->items.size())
        fail("%: there are fewer values than the string takes");
      return values_.list->items[used_++];
    }
    if (used_ > 0 || !any) fail("%: there are fewer values than the string takes");
    ++used_;
    return values_;
  }

  /// %(key): looks the value up.
  void key() {
    if (!values_of_keys().is(Kind::kDict)) fail("%: %(key) takes a dictionary");
    int depth = 1;
    const size_t begin = ++at_;
    for (; at_ < bytes_.size() && depth > 0; ++at_)
      depth += bytes_[at_] == '(' ? 1 : bytes_[at_] == ')' ? -1 : 0;
    if (depth > 0) fail("%: a key has no end, \")\"");
    const std::string name(bytes_.substr(begin, at_ - 1 - begin));
    heap_.step(static_cast<int64_t>(keys_.dict->entries.size() / 8));
    const JinjaValue* found = keys_.dict->find(name);
    if (found == nullptr) fail("%: there is no key \"{}\"", printable(name));
    values_ = *found;
    tuple_ = false;
    used_ = 0;
  }
  const JinjaValue& values_of_keys() {
    if (!keyed_ && mapping_) keys_ = values_;
    keyed_ = true;
    return keys_;
  }

  int64_t number(bool& star) {
    star = peek() == '*';
    if (star) {
      ++at_;
      const JinjaValue value = next(false);
      if (!value.is_integral()) fail("%: * takes an integer, found {}", jinja_kind(value));
      return value.as_integer();
    }
    int64_t made = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      if (__builtin_mul_overflow(made, 10, &made) ||
          __builtin_add_overflow(made, peek() - '0', &made))
        fail("a string is too long");
    return made;
  }

  MarkedText conversion(size_t begin) {
    if (peek() == '%') {
      ++at_;
      return whole_.part(at_ - 1, at_);
    }
    if (peek() == '(') key();
    JinjaSpec spec;
    bool left = false, zero = false, star = false;
    for (; at_ < bytes_.size() && std::string_view("-+ #0").find(peek()) != std::string_view::npos;
         ++at_) {
      left = left || peek() == '-';
      zero = zero || peek() == '0';
      spec.alternate = spec.alternate || peek() == '#';
      if (peek() == '+' || (peek() == ' ' && spec.sign != '+')) spec.sign = peek();
    }
    spec.width = number(star);
    if (spec.width < 0) {
      left = true;
      spec.width = spec.width < -INT64_MAX ? INT64_MAX : -spec.width;
    }
    if (peek() == '.') {
      ++at_;
      spec.precision = std::max<int64_t>(number(star), 0);
    }
    if (peek() == 'h' || peek() == 'l' || peek() == 'L') ++at_;
    if (at_ >= bytes_.size()) fail("%: the string ends within a conversion");
    spec.type = bytes_[at_++];
    spec.align = left ? '<' : '>';
    spec.data = !whole_.is_template(begin, at_);
    return converted(next(true), spec, zero && !left);
  }

  MarkedText converted(const JinjaValue& value, JinjaSpec& spec, bool zero) {
    const auto is_one_of = [&](std::string_view types) {
      return types.find(spec.type) != std::string_view::npos;
    };
    if (is_one_of("sra")) {
      const MarkedText text =
          spec.type == 's' ? jinja_text(value, heap_) : jinja_repr(value, spec.type == 'a', heap_);
      heap_.pass(text.size());
      return jinja_padded({}, first_of(text, spec.precision), spec, heap_);
    }
    if (is_one_of("c")) {
      if (value.is(Kind::kString) && jinja_characters(value.string->bytes) == 1)
        return jinja_padded({}, jinja_marked(*value.string), spec, heap_);
      if (!value.is_integral())
        fail("%c takes an integer or one character, found {}", jinja_kind(value));
      return jinja_padded({}, jinja_character(value.as_integer()), spec, heap_);
    }
    if (!is_one_of("diuoxXeEfFgG"))
      fail("%: there is no conversion \"%{}\"", printable({&spec.type, 1}));
    if (!value.is_number()) fail("%{} takes a number, found {}", spec.type, jinja_kind(value));
    if (zero) {
      spec.fill = "0";
      spec.align = '=';
    }
    if (is_one_of("eEfFgG")) return jinja_laid_out(value.as_real(), spec, heap_);
    if (value.is(Kind::kFloat) && (is_one_of("oxX") || !(std::fabs(value.real) < 9e18)))
      fail("%{} takes an integer, found {}", spec.type, jinja_text(value, heap_).text());
    if (is_one_of("iu")) spec.type = 'd';
    return jinja_laid_out(
        value.is(Kind::kFloat) ? static_cast<int64_t>(value.real) : value.as_integer(), spec,
        heap_);
  }

  MarkedText whole_;
  std::string_view bytes_;
  JinjaValue values_, keys_;
  JinjaHeap& heap_;
  bool tuple_ = false, mapping_ = false, keyed_ = false;
  size_t at_ = 0, used_ = 0;

 public:
  static MarkedText first_of(const MarkedText& text, int64_t characters) {
    if (characters < 0 || static_cast<size_t>(characters) >= text.size()) return text;
    size_t end = 0;
    for (int64_t count = 0; end < text.size(); ++end)
      if ((static_cast<unsigned char>(text.text()[end]) & 0xC0) != 0x80 && ++count > characters)
        break;
    return text.part(0, end);
  }
};

}  // namespace

MarkedText jinja_first_of(const MarkedText& text, int64_t characters) {
  return PercentFormat::first_of(text, characters);
}

JinjaValue jinja_percent(const JinjaString& format, const JinjaValue& values, JinjaHeap& heap) {
  return PercentFormat(format, values, heap).run();
}

}  // namespace falconer
