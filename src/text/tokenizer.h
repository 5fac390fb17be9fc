// Byte-level BPE from a Hugging Face tokenizer.json, to the last id.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace falconer {

/// Immutable once loaded; safe to use from many threads.
class Tokenizer {
 public:
  /// From a folder with tokenizer.json; tokenizer_config.json and generation_config.json name the
  /// special tokens where they are there. Errors: the file is missing, is not JSON, or uses a part
  /// that is not supported (named).
  static Tokenizer load(const std::filesystem::path& folder);
  /// From these files' contents, by name; `where` names them in messages.
  static Tokenizer parse(const std::map<std::string, std::string>& files, const std::string& where);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// What `tokenizers` gives for encode(text): added tokens are recognised inside the text, and the
  /// post-processor adds what it adds (nothing for Falcon).
  std::vector<int32_t> encode(std::string_view text) const;
  /// As encode, but the text of a special token inside user text is data, not control.
  std::vector<int32_t> encode_as_data(std::string_view text) const;
  /// UTF-8; bytes that are no character become U+FFFD. Special tokens are kept unless told
  /// otherwise. Error: an id that the vocabulary lacks.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  /// The raw bytes of one token (for streaming).
  std::string token_bytes(int32_t id) const;

  /// One past the largest id.
  int32_t vocab_size() const;
  std::optional<int32_t> token_id(std::string_view token) const;
  bool is_special(int32_t id) const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> bos_id() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

/// Decodes token by token and gives out whole UTF-8 characters only.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}
  /// The characters that are complete now; may be empty.
  std::string push(int32_t id);
  /// What is left: incomplete bytes as U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string pending_;
};

}  // namespace falconer
