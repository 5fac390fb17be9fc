#include "text/token_decoder.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/json_number.h"
#include "base/utf8.h"
#include "text/normalizer.h"
#include "text/space_steps.h"

namespace falconer {
namespace {

constexpr size_t kMostDecoderSteps = 64;

bool is_one_character(std::string_view text) {
  return !text.empty() && decode_utf8(text, 0).length == text.size();
}

/// The byte that "<0x0A>" stands for.
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return {};
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  const int high = token[3] == '+' ? 0 : digit(token[3]);  // as Rust reads numbers
  const int low = digit(token[4]);
  if (high < 0 || low < 0) return {};
  return static_cast<char>(high * 16 + low);
}

/// How many `character`s `text` begins with, at most `most`.
size_t count_at_start(std::string_view text, std::string_view character, size_t most) {
  size_t count = 0;
  for (; count < most && text.starts_with(character); ++count) text.remove_prefix(character.size());
  return count;
}
size_t count_at_end(std::string_view text, std::string_view character, size_t most) {
  size_t count = 0;
  for (; count < most && text.ends_with(character); ++count) text.remove_suffix(character.size());
  return count;
}

std::string spaces_for(const std::string& text, const std::string& character, bool drop) {
  std::string result;
  for (size_t at = 0; at < text.size();)
    if (std::string_view(text).substr(at).starts_with(character)) {
      if (!drop) result.push_back(' ');
      at += character.size();
    } else {
      result.push_back(text[at++]);
    }
  return result;
}

}  // namespace

TokenDecoder TokenDecoder::from_json(const nlohmann::json& json) {
  TokenDecoder result;
  bool fused = false;
  if (json.is_null())
    result.steps_.emplace_back();
  else
    result.add(json, fused);
  return result;
}

void TokenDecoder::add(const nlohmann::json& json, bool& fused) {
  const auto type = json.at("type").get<std::string>();
  if (steps_.size() >= kMostDecoderSteps)
    fail("its decoder has more than {} steps", kMostDecoderSteps);
  if (type == "Sequence") {
    for (const auto& step : json.at("decoders")) add(step, fused);
    return;
  }
  Step step{.fused = fused};
  if (type == "Replace") {
    step.kind = kReplace;
    step.replace = make_replacement(json);
    const auto& pattern = json.at("pattern");
    step.by_character =
        pattern.contains("String") && is_one_character(pattern["String"].get<std::string>());
  } else if (type == "ByteFallback") {
    step.kind = kBytes;
  } else if (type == "Fuse") {
    step.kind = kFuse;
    fused = true;
  } else if (type == "Strip") {
    const JsonFields fields(json, "its decoder's Strip");
    step.kind = kStrip;
    step.character = fields.required_text("content");
    if (!is_one_character(step.character))
      fail("its decoder strips \"{}\"; expected one character", step.character);
    step.start = static_cast<size_t>(fields.required_whole("start", {0, INT32_MAX}));
    step.stop = static_cast<size_t>(fields.required_whole("stop", {0, INT32_MAX}));
  } else if (type == "Metaspace") {
    const Metaspace settings = Metaspace::from_json(json);
    step.kind = kMetaspace;
    step.character = settings.replacement;
    step.drops_first = settings.scheme != Metaspace::kNever;
  } else {
    fail(
        "its decoder is of type \"{}\"; supported are Replace, ByteFallback, Fuse, Strip, "
        "Metaspace "
        "and Sequence, and ByteLevel where its pre_tokenizer is",
        type);
  }
  steps_.push_back(std::move(step));
}

std::string TokenDecoder::alone(std::string_view token) const {
  std::string text(token);
  for (const Step& step : steps_) {
    if (step.fused) break;
    if (step.kind == kReplace) text = step.replace(text);
    if (step.kind == kMetaspace) text = spaces_for(text, step.character, false);
    if (step.kind != kBytes) continue;
    if (const auto byte = byte_of(text)) return {*byte};
  }
  return text;
}

std::string DecoderStream::push(std::string_view token) {
  std::string out;
  pass(0, std::string(token), out);
  return out;
}

std::string DecoderStream::finish() {
  std::string out;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const TokenDecoder::Step& step = steps_[i];
    State& state = states_[i];
    if (step.kind == TokenDecoder::kBytes && !step.fused) flush_bytes(i, out);
    // All of a text that only counts as a whole.
    if (step.kind == TokenDecoder::kReplace && !state.held.empty())
      pass(i + 1, step.replace(state.held), out);
    if (step.kind == TokenDecoder::kBytes && step.fused && !state.held.empty()) {
      const auto byte = byte_of(state.held);
      if (byte) state.held = to_valid_utf8({&*byte, 1});
      pass(i + 1, state.held, out);
    }
    state = {};
  }
  return out;
}

void DecoderStream::pass(size_t i, std::string token, std::string& out) {
  if (i == steps_.size()) {
    out += token;
    return;
  }
  const TokenDecoder::Step& step = steps_[i];
  State& state = states_[i];
  const bool first = step.fused || !state.any;
  state.any = true;
  switch (step.kind) {
    case TokenDecoder::kSpaces:
      return pass(i + 1, first ? token : " " + token, out);
    case TokenDecoder::kReplace:
      if (!step.fused || step.by_character) return pass(i + 1, step.replace(std::move(token)), out);
      state.held += token;
      return;
    case TokenDecoder::kBytes:
      return pass_bytes(i, std::move(token), out);
    case TokenDecoder::kFuse:
      return pass(i + 1, std::move(token), out);
    case TokenDecoder::kStrip: {
      if (step.fused) return pass(i + 1, strip_fused(step, state, token), out);
      const size_t size = step.character.size();
      const size_t end = token.size() - size * count_at_end(token, step.character, step.stop);
      const size_t begin = std::min(end, size * count_at_start(token, step.character, step.start));
      return pass(i + 1, token.substr(begin, end - begin), out);
    }
    case TokenDecoder::kMetaspace:
      return pass(i + 1, spaces_for(token, step.character, first && step.drops_first), out);
  }
}

// Bytes that follow one another are characters together, or not one of them is: what they make is
// known where they end.
void DecoderStream::pass_bytes(size_t i, std::string token, std::string& out) {
  State& state = states_[i];
  if (steps_[i].fused) {
    state.held += token;
    return;
  }
  if (const auto byte = byte_of(token)) {
    state.held.push_back(*byte);
    return;
  }
  flush_bytes(i, out);
  pass(i + 1, std::move(token), out);
}

void DecoderStream::flush_bytes(size_t i, std::string& out) {
  std::string bytes;
  bytes.swap(states_[i].held);
  if (bytes.empty()) return;
  if (valid_utf8_prefix(bytes) == bytes.size()) return pass(i + 1, std::move(bytes), out);
  for (size_t n = bytes.size(); n > 0; --n) pass(i + 1, "\uFFFD", out);
}

std::string DecoderStream::strip_fused(const TokenDecoder::Step& step, State& state,
                                       const std::string& token) {
  const size_t size = step.character.size();
  std::string text = state.held + token;
  state.held.clear();
  if (state.cut < step.start) {
    const size_t count = count_at_start(text, step.character, step.start - state.cut);
    text.erase(0, count * size);
    state.cut = text.empty() ? state.cut + count : step.start;  // another character ends it
  }
  const size_t end = text.size() - size * count_at_end(text, step.character, step.stop);
  state.held = text.substr(end);
  text.resize(end);
  return text;
}

}  // namespace falconer
