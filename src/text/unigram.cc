#include "text/unigram.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"
#include "base/utf8.h"

namespace falconer {
namespace {

// The longest known are below 100 bytes. A text takes time with the longest, memory is 12 bytes for each byte of all.
constexpr size_t kLongestUnigram = 1024, kMostUnigramBytes = size_t{1} << 25;
constexpr double kUnknownPenalty = 10;  // below the lowest score, as in SentencePiece

/// The best way to write a text up to some place.
struct BestWay {
  double score = 0;
  int32_t last = -1;  // its last token
  size_t begin = std::string_view::npos;
};

}  // namespace

TokenTrie::TokenTrie(std::vector<std::pair<std::string_view, int32_t>> tokens) {
  size_t bytes = 0;
  for (const auto& [text, id] : tokens) bytes += text.size();
  if (bytes > kMostUnigramBytes)
    fail("its tokens have {} bytes in all; expected at most {}", bytes, kMostUnigramBytes);
  std::sort(tokens.begin(), tokens.end());
  struct Range {  // of tokens that begin with a node's bytes
    size_t begin, end, length;
  };
  std::vector<Range> ranges = {{0, tokens.size(), 0}};
  nodes_.resize(1);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    auto [begin, end, length] = ranges[i];
    for (; begin < end && tokens[begin].first.size() == length; ++begin)
      nodes_[i].token = tokens[begin].second;
    nodes_[i].first_child = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      const char byte = tokens[begin].first[length];
      size_t other = begin;
      while (other < end && tokens[other].first[length] == byte) ++other;
      nodes_.push_back({.byte = static_cast<uint8_t>(byte)});
      ranges.push_back({begin, other, length + 1});
      ++nodes_[i].children;
      begin = other;
    }
  }
}

const TokenTrie::Node* TokenTrie::next(const Node& node, char byte) const {
  const auto wanted = static_cast<uint8_t>(byte);
  const Node* first = nodes_.data() + node.first_child;
  const Node* last = first + node.children;
  if (node.children > 8)
    first =
        std::lower_bound(first, last, wanted, [](const Node& n, uint8_t b) { return n.byte < b; });
  while (first < last && first->byte < wanted) ++first;
  return first < last && first->byte == wanted ? first : nullptr;
}

int32_t TokenTrie::find(std::string_view text) const {
  const Node* node = &root();
  for (size_t i = 0; i < text.size() && node != nullptr; ++i) node = next(*node, text[i]);
  return node == nullptr ? -1 : node->token;
}

UnigramEncoder::UnigramEncoder(const nlohmann::json& model) {
  const nlohmann::json& vocab = model.at("vocab");
  if (!vocab.is_array())
    fail("its Unigram model has no list of tokens with their scores as \"vocab\"");
  std::vector<std::pair<std::string_view, int32_t>> tokens;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& entry : vocab) {
    const std::string_view text = entry.at(0).get_ref<const std::string&>();
    if (text.size() > kLongestUnigram)
      fail("its token {} has {} bytes; expected at most {}", scores_.size(), text.size(),
           kLongestUnigram);
    if (!text.empty()) tokens.emplace_back(text, static_cast<int32_t>(scores_.size()));
    scores_.push_back(real_number(entry.at(1), text));
    least = std::min(least, scores_.back());
  }
  trie_ = TokenTrie(std::move(tokens));
  unknown_score_ = least - kUnknownPenalty;
  if (const auto id = model.find("unk_id"); id != model.end() && !id->is_null()) {
    if (scores_.empty()) fail("its Unigram model has an \"unk_id\" and no token");
    unknown_ = static_cast<int32_t>(
        whole_number(*id, "unk_id", {0, static_cast<int64_t>(scores_.size()) - 1}));
  }
  byte_fallback_ = JsonFields(model, "its model").boolean("byte_fallback").value_or(false);
  for (int i = 0; i < 256; ++i)
    byte_ids_[static_cast<size_t>(i)] = trie_.find(byte_token(static_cast<unsigned char>(i)));
}

void UnigramEncoder::encode_piece(std::string_view piece, std::vector<int32_t>& ids) const {
  thread_local std::vector<BestWay> ways;
  thread_local std::vector<size_t> ends;
  ways.assign(piece.size() + 1, BestWay());
  const auto consider = [](BestWay& way, double score, int32_t token, size_t begin) {
    if (way.begin != std::string_view::npos && !(score > way.score)) return;
    way = {score, token, begin};
  };
  for (size_t at = 0; at < piece.size();) {
    const size_t behind = at + decode_utf8(piece, at).length;
    const double score = ways[at].score;
    bool known = false;
    const TokenTrie::Node* node = &trie_.root();
    for (size_t end = at; end < piece.size();) {
      node = trie_.next(*node, piece[end++]);
      if (node == nullptr) break;
      if (node->token < 0) continue;
      consider(ways[end], scores_[static_cast<size_t>(node->token)] + score, node->token, at);
      known = known || end == behind;
    }
    if (!known) {
      if (unknown_ < 0)
        fail("the tokenizer has no token for \"{}\", and its Unigram model no \"unk_id\"",
             piece.substr(at, behind - at));
      consider(ways[behind], unknown_score_ + score, unknown_, at);
    }
    at = behind;
  }
  ends.clear();
  for (size_t end = piece.size(); end > 0; end = ways[end].begin) ends.push_back(end);
  size_t unknown_from = std::string_view::npos;
  for (size_t i = ends.size(); i-- > 0;) {
    const BestWay& way = ways[ends[i]];
    const bool unknown = unknown_ >= 0 && way.last == unknown_;
    if (unknown && unknown_from == std::string_view::npos) unknown_from = way.begin;
    if (!unknown) ids.push_back(way.last);
    if (unknown && (i == 0 || ways[ends[i - 1]].last != unknown_)) {
      append_unknown(piece.substr(unknown_from, ends[i] - unknown_from), ids);
      unknown_from = std::string_view::npos;
    }
  }
}

// The whole run is looked for once more: the unknown token may be spelled in a text.
void UnigramEncoder::append_unknown(std::string_view run, std::vector<int32_t>& ids) const {
  const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (const int32_t id = trie_.find(run); id >= 0) return ids.push_back(id);
  if (byte_fallback_ &&
      std::all_of(run.begin(), run.end(), [&](char byte) { return byte_id(byte) >= 0; })) {
    for (const char byte : run) ids.push_back(byte_id(byte));
    return;
  }
  ids.push_back(unknown_);
}

}  // namespace falconer
