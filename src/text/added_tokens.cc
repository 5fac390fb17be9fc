#include "text/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"
#include "text/unicode.h"

namespace falconer {
namespace {

constexpr size_t kLongestToken = 1024;

size_t previous_char(std::string_view text, size_t at) {
  do --at;
  while (at > 0 && (text[at] & 0xC0) == 0x80);
  return at;
}

bool word_before(std::string_view text, size_t at) {
  return at > 0 && is_word(decode_utf8(text, previous_char(text, at)).code);
}
bool word_behind(std::string_view text, size_t at) {
  return at < text.size() && is_word(decode_utf8(text, at).code);
}

size_t skip_spaces_back(std::string_view text, size_t at, size_t least) {
  while (at > least && is_space(decode_utf8(text, previous_char(text, at)).code))
    at = previous_char(text, at);
  return at;
}
size_t skip_spaces(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    if (!is_space(c.code)) break;
    at += c.length;
  }
  return at;
}

}  // namespace

AddedToken read_added_token(const nlohmann::json& json, const char* where) {
  const JsonFields fields(json, where);
  AddedToken token;
  token.id = static_cast<int32_t>(fields.required_whole("id", {0, INT32_MAX}));
  token.content = fields.required_text("content");
  if (token.content.size() > kLongestToken)
    fail("its added token {} has {} bytes; expected at most {}", token.id, token.content.size(),
         kLongestToken);
  token.special = fields.boolean("special").value_or(false);
  token.normalized = fields.boolean("normalized").value_or(!token.special);
  token.single_word = fields.boolean("single_word").value_or(false);
  token.lstrip = fields.boolean("lstrip").value_or(false);
  token.rstrip = fields.boolean("rstrip").value_or(false);
  return token;
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_)
    begins_[static_cast<unsigned char>(token.content[0])] = true;
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text, size_t at,
                                               const SpecialCounts& special) const {
  // Byte by byte, the tokens that begin as the text does: a range of them, since they are sorted. How
  // many tokens there are hardly counts, and their length is bounded.
  const AddedToken* longest = nullptr;
  auto begin = tokens_.begin(), end = tokens_.end();
  for (size_t length = 0; at + length < text.size() && begin != end; ++length) {
    const auto byte = static_cast<unsigned char>(text[at + length]);
    const auto byte_of = [&](const AddedToken& token) {  // those that end here come first
      return length < token.content.size() ? static_cast<unsigned char>(token.content[length]) : -1;
    };
    begin = std::partition_point(begin, end, [&](const auto& t) { return byte_of(t) < byte; });
    end = std::partition_point(begin, end, [&](const auto& t) { return byte_of(t) == byte; });
    for (auto whole = begin; whole != end && whole->content.size() == length + 1; ++whole)
      if (!whole->special || special(at, at + length + 1)) {
        longest = &*whole;
        break;
      }
  }
  return longest;
}

void AddedTokenFinder::cut(std::string_view text, const SpecialCounts& special,
                           const std::function<void(std::string_view)>& on_text,
                           const std::function<void(int32_t, size_t)>& on_token) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    if (!begins_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const AddedToken* token = longest_at(text, at, special);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;  // as `tokenizers` goes on, within the white space too that this one takes along
    if (token->single_word && (word_before(text, begin) || word_behind(text, end))) continue;
    if (token->lstrip) begin = skip_spaces_back(text, begin, done);
    if (token->rstrip) end = skip_spaces(text, end);
    if (begin > done) on_text(text.substr(done, begin - done));
    on_token(token->id, end);
    done = end;
  }
  if (done < text.size()) on_text(text.substr(done));
}

}  // namespace falconer
