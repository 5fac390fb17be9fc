// A tokenizer from Hugging Face's tokenizer.json, BPE of bytes or of characters or a Unigram model, to the last id.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/marked_text.h"

namespace falconer {

class DecoderStream;

/// Immutable once loaded; safe to use from many threads.
class Tokenizer {
 public:
  /// From a folder with tokenizer.json, or with GPT-2's vocab.json and merges.txt, or with SentencePiece's
  /// tokenizer.model;
  /// tokenizer_config.json and generation_config.json name the special tokens where they are there.
  /// Errors: the files are missing, are not JSON, or use a part that is not supported (named).
  static Tokenizer load(const std::filesystem::path& folder);
  /// Whether the folder has files to load one from.
  static bool is_in(const std::filesystem::path& folder);
  /// From these files' contents, by name; `where` names them in messages.
  static Tokenizer parse(const std::map<std::string, std::string>& files, const std::string& where);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// What `tokenizers` gives for encode(text): added tokens are recognised inside the text, and the
  /// post-processor adds what it adds (nothing for Falcon).
  std::vector<int32_t> encode(std::string_view text) const;
  /// As encode, but the text of a special token inside user text is data, not control. The
  /// post-processor adds nothing.
  std::vector<int32_t> encode_as_data(std::string_view text) const;
  /// Appends the ids of a text of which only what a template wrote can be control (all of it where
  /// `parse_special`): a special token counts where no byte of it is data. Other ids are those of
  /// the text as a whole. The post-processor adds nothing.
  void append_marked(const MarkedText& text, bool parse_special, std::vector<int32_t>& ids) const;
  /// Behind the last special token that `text` spells, with the white space that it takes along; 0
  /// where it spells none.
  size_t end_of_last_special(std::string_view text) const;
  /// The special tokens that `text` spells, in order.
  std::vector<int32_t> specials_in(std::string_view text) const;
  /// What the post-processor puts before a text.
  const std::vector<int32_t>& ids_before() const;
  /// UTF-8; bytes that are no character become U+FFFD. Special tokens are kept unless told
  /// otherwise. Error: an id that the vocabulary lacks.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  /// The bytes of one token amid others, as near as it has some of its own: in a tokenizer of
  /// characters what the others are decides as well.
  std::string token_bytes(int32_t id) const;
  /// Whether a text that is encoded by itself may get a character before it that it would not have
  /// within another.
  bool prepends() const;

  /// A hash over every token and over the ids of a text in many scripts: tokenizers with the same one
  /// give the same ids, whatever files they were read from.
  std::string fingerprint() const;

  /// One past the largest id.
  int32_t vocab_size() const;
  /// Ids may leave holes.
  bool has(int32_t id) const;
  std::optional<int32_t> token_id(std::string_view token) const;
  bool is_special(int32_t id) const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> bos_id() const;
  /// "bos_token", "eos_token", ... as the tokenizer's configuration names them.
  const std::map<std::string, std::string>& special_names() const;

 private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  /// `found` is given where the text goes on.
  void for_each_special(std::string_view text,
                        const std::function<void(int32_t id, size_t end)>& found) const;
  std::unique_ptr<const Impl> impl_;
};

/// Decodes token by token and gives out whole UTF-8 characters only. What it gives in all is what
/// decode() gives.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  /// The characters that are certain now; may be empty.
  std::string push(int32_t id);
  /// What is left: incomplete bytes as U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string pending_;
  std::shared_ptr<DecoderStream> characters_;  // null where tokens are bytes
};

}  // namespace falconer
