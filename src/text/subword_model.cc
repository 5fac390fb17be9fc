#include "text/subword_model.h"

#include <fmt/format.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"
#include "text/bpe.h"
#include "text/piece_cache.h"
#include "text/unigram.h"

namespace falconer {
namespace {

/// Counts models, from 1: an address would name another one once the first is gone.
uint32_t next_model_number() {
  static std::atomic<uint32_t> count = 0;
  return ++count;
}

/// Files of before 2020 do not say it.
std::string model_type(const nlohmann::json& model) {
  return model.value("type", model.at("vocab").is_array() ? "Unigram" : "BPE");
}

}  // namespace

SubwordModel::SubwordModel() : number_(next_model_number()) {}

void SubwordModel::encode(std::span<const std::string_view> pieces,
                          std::vector<int32_t>& ids) const {
  thread_local PieceCache cache;
  PieceCache& known = cache;  // looked up once, not for each piece
  for (const std::string_view piece : pieces) {
    if (piece.size() > PieceCache::kLongest) {
      encode_piece(piece, ids);
    } else if (const auto* entry = known.find(number_, piece)) {
      for (const int32_t id : entry->tokens()) ids.push_back(id);
    } else {
      const size_t before = ids.size();
      encode_piece(piece, ids);
      known.store(number_, piece, std::span(ids).subspan(before));
    }
  }
}

std::unique_ptr<const SubwordModel> read_model(const nlohmann::json& model,
                                               const Vocabulary& vocabulary, bool bytes) {
  const std::string type = model_type(model);
  if (type == "BPE") return std::make_unique<BytePairEncoder>(model, vocabulary, bytes);
  if (type != "Unigram") fail("its model is of type \"{}\"; Falconer reads BPE and Unigram", type);
  if (bytes)
    fail(
        "its model is Unigram, and its pre_tokenizer has a ByteLevel step; Falconer reads Unigram "
        "models of characters");
  return std::make_unique<UnigramEncoder>(model);
}

void for_each_own_token(const nlohmann::json& model,
                        const std::function<void(const std::string& token, int64_t id)>& found) {
  const nlohmann::json& vocab = model.at("vocab");
  if (!vocab.is_object() && (!vocab.is_array() || model_type(model) != "Unigram"))
    fail(
        "its vocabulary is {}, as tokenizers of other kinds have it; expected BPE's, an object of "
        "tokens and ids, or a Unigram's, a list of tokens and scores",
        found_text(vocab));
  if (vocab.is_array()) {
    for (size_t id = 0; id < vocab.size(); ++id)
      found(vocab[id].at(0).get_ref<const std::string&>(), static_cast<int64_t>(id));
    return;
  }
  for (const auto& [token, id] : vocab.items()) found(token, whole_number(id, token));
}

std::string byte_token(unsigned char byte) { return fmt::format("<0x{:02X}>", byte); }

}  // namespace falconer
