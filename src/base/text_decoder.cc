#include "base/text_decoder.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/small_letters.h"

namespace falconer {
namespace {

const iconv_t kNone = reinterpret_cast<iconv_t>(-1);

// Names of Python's that iconv does not have.
constexpr const char*
    kAliases[][2] = {{"utf8", "utf-8"},
                     {"utf_8", "utf-8"},
                     {"utf-8-sig", "utf-8"},
                     {"utf8-sig", "utf-8"},
                     {"latin-1", "latin1"},
                     {"latin_1", "latin1"},
                     {"utf16", "utf-16"},
                     {"utf_16", "utf-16"},
                     {"utf-16-le", "utf-16le"},
                     {"utf-16-be", "utf-16be"},
                     {"windows1252", "cp1252"},
                     {"ansi", "cp1252"},
                     {"utf-32-le", "utf-32le"},
                     {"utf-32-be", "utf-32be"},  // As Windows and Python take it: iconv reads the backslash of the others as a yen sign.
                     {"shift_jis", "cp932"},
                     {"shift-jis", "cp932"},
                     {"sjis", "cp932"},
                     {"s_jis", "cp932"},
                     {"ms_kanji", "cp932"},
                     {"csshiftjis", "cp932"},
                     {"euc_kr", "euc-kr"},
                     {"euc_jp", "euc-jp"}};

/// Nothing that iconv takes for an order beside the name ("//IGNORE" would drop bytes).
bool is_plain(const std::string& name) {
  constexpr size_t kLongest = 40;
  return name.size() <= kLongest && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.' || c == ':';
         });
}

/// Whether letters are ASCII's and the backslash or the tilde are not, without which JSON says something else.
bool changes_ascii(iconv_t known) {
  const auto is_itself = [&](char byte) {
    std::array<char, 8> made{};
    char *in = &byte, *out = made.data();
    size_t left = 1, room = made.size();
    iconv(known, nullptr, nullptr, nullptr, nullptr);
    return iconv(known, &in, &left, &out, &room) != static_cast<size_t>(-1) &&
           room == made.size() - 1 && made[0] == byte;
  };
  return is_itself('A') && (!is_itself('\\') || !is_itself('~') || !is_itself('"'));
}

}  // namespace

struct TextDecoder::Stream {
  explicit Stream(const std::string& encoding) : iconv(iconv_open("UTF-8", encoding.c_str())) {}
  Stream(const Stream&) = delete;
  ~Stream() {
    if (iconv != kNone) iconv_close(iconv);
  }
  iconv_t iconv;
  std::string encoding;
  size_t passed = 0;  // bytes before those that are given
};

std::string find_encoding(const std::string& name) {
  std::string found = small_letters(name);
  for (const auto& [python, system] : kAliases)
    if (found == python) found = system;
  if (found.empty() || found == "utf-8") return "";
  if (is_plain(found)) {
    const iconv_t known = iconv_open("UTF-8", found.c_str());
    if (known != kNone) {
      const bool changed = changes_ascii(known);
      iconv_close(known);
      if (changed)
        fail_usage(
            "--encoding {}: it has another character in the place of the backslash or the tilde, "
            "so "
            "that rows would say something else; convert the file to UTF-8",
            printable(name));
      return found;
    }
  }
  fail_usage(
      "--encoding {}: this system knows no encoding of that name; expected one of those that "
      "iconv -l lists, as utf-8, latin1, cp1252, utf-16, gbk or shift_jis",
      printable(name));
}

TextDecoder::TextDecoder(const std::string& encoding)
    : stream_(std::make_unique<Stream>(encoding)) {
  if (stream_->iconv == kNone) fail("the encoding {} cannot be read here", encoding);
  stream_->encoding = encoding;
}
TextDecoder::TextDecoder(TextDecoder&&) noexcept = default;
TextDecoder::~TextDecoder() = default;

size_t TextDecoder::decode(std::span<const std::byte> bytes, bool last, std::string& out) {
  // iconv takes what it reads as not const, and does not write it.
  char* in = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  size_t left = bytes.size();
  std::array<char, 65536> made{};
  while (left > 0) {
    char* to = made.data();
    size_t room = made.size();
    const size_t status = iconv(stream_->iconv, &in, &left, &to, &room);
    const int reason = errno;
    out.append(made.data(), made.size() - room);
    if (status != static_cast<size_t>(-1) || reason == E2BIG) continue;
    if (reason == EINVAL && !last) break;  // a part of a character
    fail(
        "byte {} is {:#04x}, which {} in the encoding {}; another one was meant, or the file is "
        "damaged",
        stream_->passed + bytes.size() - left + 1, static_cast<unsigned char>(*in),
        reason == EINVAL ? "begins a character that is cut off" : "begins no character",
        stream_->encoding);
  }
  const size_t used = bytes.size() - left;
  stream_->passed += used;
  return used;
}

}  // namespace falconer
