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
struct Pieces {
  std::vector<std::string_view> pieces;
  std::deque<std::string> added;
};

/// One step of the sequence.
class PreTokenStep {
 public:
  virtual ~PreTokenStep() = default;
  /// Appends the parts of `piece` to out.pieces.
  virtual void split(std::string_view piece, Pieces& out) const = 0;
};

/// Immutable; safe to use from many threads.
class PreTokenizer {
 public:
  /// From the JSON value: ByteLevel, Digits, Punctuation, Split and Sequence, each with any of its
  /// settings. Error: another type, naming it, or no ByteLevel at all (our BPE is byte-level).
  static PreTokenizer from_json(const nlohmann::json& json);

  /// Cuts `text` (valid UTF-8). Empty pieces do not occur.
  void split(std::string_view text, Pieces& out) const;

 private:
  void add_step(const nlohmann::json& json);
  std::vector<std::unique_ptr<const PreTokenStep>> steps_;
  bool bytes_ =
      false;  // a ByteLevel step came: steps from here on see bytes as that step spells them
};

}  // namespace falconer
