// The "model" of a tokenizer.json: which tokens a piece of text becomes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace falconer {

/// Immutable from outside; safe to use from many threads.
class SubwordModel {
 public:
  SubwordModel();
  virtual ~SubwordModel() = default;
  SubwordModel(const SubwordModel&) = delete;
  SubwordModel& operator=(const SubwordModel&) = delete;

  /// Appends the tokens of each of `pieces`, none of them empty and all of them valid UTF-8, or bytes where its
  /// tokens are bytes. Error: the model has no token for a character, nor one for what is unknown.
  void encode(std::span<const std::string_view> pieces, std::vector<int32_t>& ids) const;

 protected:
  /// The same for one piece, without the cache.
  virtual void encode_piece(std::string_view piece, std::vector<int32_t>& ids) const = 0;

 private:
  uint32_t number_;  // of this model, in this process: whose pieces those in a cache are
};

/// `vocabulary` has its tokens and must live as long. With `bytes` they are spelled in the byte-level alphabet. Errors:
/// another kind of model than BPE and Unigram, or what the kind refuses.
std::unique_ptr<const SubwordModel> read_model(const nlohmann::json& model,
                                               const Vocabulary& vocabulary, bool bytes);

/// Calls found(token, id) for each token of the model's own: "vocab" is an object of ids by token, or in a Unigram a
/// list of tokens with their scores, whose places are the ids.
void for_each_own_token(const nlohmann::json& model,
                        const std::function<void(const std::string& token, int64_t id)>& found);

/// "<0x0A>": how the token of a byte is spelled in a vocabulary of characters.
std::string byte_token(unsigned char byte);

}  // namespace falconer
