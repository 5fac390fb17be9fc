// The "decoder" of a tokenizer.json whose tokens are characters, not bytes: the text that tokens spell
// together. Byte-level tokenizers need none: their tokens' bytes are joined.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Immutable; safe to use from many threads.
class TokenDecoder {
 public:
  /// From the JSON value: null, Replace, ByteFallback, Fuse, Strip, Metaspace, or a Sequence of
  /// them. Error: another type, naming it.
  static TokenDecoder from_json(const nlohmann::json& json);

  /// The bytes of one token amid others, as near as a token has some of its own.
  std::string alone(std::string_view token) const;

 private:
  friend class DecoderStream;
  enum Kind { kSpaces, kReplace, kBytes, kFuse, kStrip, kMetaspace };
  struct Step {
    Kind kind = kSpaces;
    bool fused = false;  // a Fuse came before: all tokens are one
    std::function<std::string(std::string)> replace;
    bool by_character = false;  // what it replaces is one character
    std::string character;      // of Strip and Metaspace
    size_t start = 0, stop = 0;
    bool drops_first = false;
  };
  void add(const nlohmann::json& json, bool& fused);
  std::vector<Step> steps_;
};

/// One text, token by token. What it gives in all is what `tokenizers` gives for all tokens at once.
class DecoderStream {
 public:
  explicit DecoderStream(const TokenDecoder& decoder)
      : steps_(decoder.steps_), states_(decoder.steps_.size()) {}
  /// The text that is certain now; may be empty.
  std::string push(std::string_view token);
  /// What is left.
  std::string finish();

 private:
  struct State {
    std::string held;
    size_t cut = 0;    // characters taken off the start
    bool any = false;  // something came before
  };
  void pass(size_t step, std::string token, std::string& out);
  void pass_bytes(size_t step, std::string token, std::string& out);
  void flush_bytes(size_t step, std::string& out);
  std::string strip_fused(const TokenDecoder::Step& step, State& state, const std::string& token);

  const std::vector<TokenDecoder::Step>& steps_;
  std::vector<State> states_;
};

}  // namespace falconer
