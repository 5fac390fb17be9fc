// Which tokens of a vocabulary a grammar allows next. Answers that share a grammar share what was found out about it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "text/grammar/rules.h"
#include "text/grammar/stack_sets.h"
#include "text/grammar/token_trie.h"

namespace falconer::grammar {

/// Safe to use from many threads.
class TokenGrammar {
 public:
  TokenGrammar(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie);
  ~TokenGrammar();
  /// About what it takes in memory, with what was found out.
  size_t bytes();

 private:
  class Memory;
  friend class TokenPlace;
  std::shared_ptr<Memory> fresh(const std::shared_ptr<Memory>& instead_of);

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  std::mutex mutex_;
  std::shared_ptr<Memory> memory_;
};

/// Where one answer stands. Of one thread at a time.
class TokenPlace {
 public:
  explicit TokenPlace(std::shared_ptr<TokenGrammar> grammar);
  /// Sets the entries of the tokens that may come next; all others are false. It is as long as there are logits.
  void allowed(std::vector<bool>& allowed) const;
  /// Behind a token that is not allowed nothing is.
  void push(int32_t id);
  /// Whether the text may end here.
  bool is_complete() const;

 private:
  std::shared_ptr<TokenGrammar> grammar_;
  std::shared_ptr<TokenGrammar::Memory> memory_;
  StackSets::Id set_ = StackSets::kNone;
};

}  // namespace falconer::grammar
