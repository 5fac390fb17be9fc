#include "text/grammar/token_grammar.h"

#include <unordered_map>

namespace falconer::grammar {
namespace {

constexpr size_t kMostMaskBytes = size_t{8} << 20;  // that a memory keeps

/// Tokens, as the plain ones of a text with so much room, and more.
struct Mask {
  uint32_t room = 0;
  std::vector<int32_t> ids;  // where they are few
  std::vector<bool> all;     // where they are many; empty: `ids`

  size_t bytes() const { return sizeof(Mask) + ids.size() * sizeof(int32_t) + all.size() / 8; }
};

}  // namespace

/// What was found out, until it is too much: then another one takes its place.
class TokenGrammar::Memory {
 public:
  Memory(const std::shared_ptr<const Grammar>& grammar, std::shared_ptr<const TokenTrie> trie)
      : trie_(std::move(trie)), sets(grammar) {}

  void allowed(StackSets::Id set, std::vector<bool>& allowed) {
    const size_t logits = allowed.size();
    const std::lock_guard lock(mutex);
    const auto [place, is_new] = masks_.try_emplace(set);
    Mask& mask = place->second;
    if (is_new) {
      find(set, mask);
      mask_bytes_ += mask.bytes();
    }
    if (!mask.all.empty())
      allowed = mask.all;
    else if (mask.room > 0)
      allowed = trie_->plain(mask.room);
    allowed.resize(logits);
    for (const int32_t id : mask.ids)
      if (static_cast<size_t>(id) < logits) allowed[static_cast<size_t>(id)] = true;
  }

  size_t bytes() {
    const std::lock_guard lock(mutex);
    return mask_bytes_ + sets.bytes();
  }

  bool full() {
    const std::lock_guard lock(mutex);
    return sets.full() || mask_bytes_ > kMostMaskBytes;
  }

 private:
  void find(StackSets::Id set, Mask& mask) {
    const std::vector<TokenTrie::Node>& nodes = trie_->nodes();
    mask.room = sets.room(set);
    path_.assign(1, {set, sets.mark()});
    for (uint32_t i = 0; i < nodes.size();) {
      const TokenTrie::Node& node = nodes[i];
      if (node.characters <= mask.room && node.characters != TokenTrie::kNotPlain) {
        i = node.next;
        continue;
      }
      path_.resize(node.depth + size_t{1});
      sets.forget(path_.back().mark);
      const StackSets::Id to = sets.step(path_.back().set, node.byte);
      if (to == StackSets::kNone) {
        i = node.next;
        continue;
      }
      for (const int32_t id : trie_->ids(node)) mask.ids.push_back(id);
      path_.push_back({to, sets.mark()});
      ++i;
    }
    sets.forget(path_.front().mark);
    const auto size = static_cast<size_t>(trie_->vocab_size());
    if (mask.ids.size() * 32 < size) {
      mask.ids.shrink_to_fit();
      return;
    }
    mask.all = mask.room > 0 ? trie_->plain(mask.room) : std::vector<bool>(size);
    for (const int32_t id : mask.ids) mask.all[static_cast<size_t>(id)] = true;
    mask.ids = {};
  }

  struct Step {
    StackSets::Id set;
    StackSets::Mark mark;
  };
  std::shared_ptr<const TokenTrie> trie_;
  std::unordered_map<StackSets::Id, Mask> masks_;
  size_t mask_bytes_ = 0;
  std::vector<Step> path_;

 public:
  std::mutex mutex;
  StackSets sets;
};

TokenGrammar::TokenGrammar(std::shared_ptr<const Grammar> grammar,
                           std::shared_ptr<const TokenTrie> trie)
    : grammar_(std::move(grammar)), trie_(std::move(trie)) {
  memory_ = std::make_shared<Memory>(grammar_, trie_);
}

TokenGrammar::~TokenGrammar() = default;

size_t TokenGrammar::bytes() {
  const auto memory = fresh(nullptr);
  return memory->bytes() + grammar_->states.size() * sizeof(Grammar::StateInfo) +
         grammar_->edges.size() * sizeof(Edge);
}

std::shared_ptr<TokenGrammar::Memory> TokenGrammar::fresh(
    const std::shared_ptr<Memory>& instead_of) {
  const std::lock_guard lock(mutex_);
  if (memory_ == instead_of) memory_ = std::make_shared<Memory>(grammar_, trie_);
  return memory_;
}

TokenPlace::TokenPlace(std::shared_ptr<TokenGrammar> grammar)
    : grammar_(std::move(grammar)), memory_(grammar_->fresh(nullptr)) {
  set_ = memory_->sets.start();
}

void TokenPlace::allowed(std::vector<bool>& allowed) const {
  if (set_ == StackSets::kNone)
    std::fill(allowed.begin(), allowed.end(), false);
  else
    memory_->allowed(set_, allowed);
}

bool TokenPlace::is_complete() const {
  if (set_ == StackSets::kNone) return false;
  const std::lock_guard lock(memory_->mutex);
  return memory_->sets.is_complete(set_);
}

void TokenPlace::push(int32_t id) {
  if (set_ == StackSets::kNone) return;
  if (!grammar_->trie_->is_text(id)) {
    set_ = StackSets::kNone;
    return;
  }
  if (memory_->full()) {
    auto next = grammar_->fresh(memory_);
    while (next->full()) next = grammar_->fresh(next);
    {
      const std::scoped_lock both(memory_->mutex, next->mutex);
      set_ = next->sets.import(memory_->sets, set_);
    }
    memory_ = std::move(next);
    if (set_ == StackSets::kNone) return;
  }
  const std::lock_guard lock(memory_->mutex);
  for (const char byte : grammar_->trie_->bytes(id)) {
    set_ = memory_->sets.step(set_, static_cast<uint8_t>(byte));
    if (set_ == StackSets::kNone) return;
  }
}

}  // namespace falconer::grammar
