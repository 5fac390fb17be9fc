// The "pre_tokenizer" of a tokenizer.json: cuts text into the pieces that byte pairs are merged in.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Pieces of a text, in order. They point into the text, or into `added` where a step had to add a
/// character.
struct TextPieces {
  std::vector<std::string_view> pieces;
  std::deque<std::string> added;
  const char* start = nullptr;  // of the whole text, where it is in here
};

/// One step of the sequence.
class PreTokenStep {
 public:
  virtual ~PreTokenStep() = default;
  /// Appends the parts of `piece` to out.pieces.
  virtual void split(std::string_view piece, TextPieces& out) const = 0;
};

/// Immutable; safe to use from many threads.
class PreTokenizer {
 public:
  /// From the JSON value: null, ByteLevel, Digits, Punctuation, Split, CharDelimiterSplit, Whitespace,
  /// WhitespaceSplit, BertPreTokenizer, Metaspace and Sequence, each with any of its settings. Error:
  /// another type, naming it.
  static PreTokenizer from_json(const nlohmann::json& json);

  /// Cuts `text` (valid UTF-8). Empty pieces do not occur.
  void split(std::string_view text, TextPieces& out) const;

  /// Whether it has a ByteLevel step: tokens are then made of bytes, and else of characters.
  bool bytes() const { return bytes_; }
  /// Whether a text may get a character before it, and whether that depends on TextPieces::start.
  bool prepends() const { return prepends_; }
  bool needs_start() const { return needs_start_; }

 private:
  void add_step(const nlohmann::json& json);
  std::vector<std::unique_ptr<const PreTokenStep>> steps_;
  bool bytes_ = false;  // once it came, steps see bytes as that step spells them
  bool prepends_ = false, needs_start_ = false;
};

}  // namespace falconer
