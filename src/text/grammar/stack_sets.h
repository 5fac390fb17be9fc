// Where a text stands in a grammar: at a set of stacks, each of them a state and what to return to behind its rule. Sets
// are kept under numbers, with where each byte leads from them, so that a text that was read before is read again by
// looking up.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "text/grammar/rules.h"

namespace falconer::grammar {

/// Of one thread at a time.
class StackSets {
 public:
  using Id = int32_t;
  static constexpr Id kNone = -1;
  /// Stacks of a set beyond so many are dropped: what is left can still come to an end, of fewer texts.
  static constexpr size_t kMostStacks = 1024;
  /// Nor is a stack made that is deeper: lists and objects nest some hundreds deep, and then no more are begun.
  static constexpr uint32_t kMostDepth = 1024;
  /// Beyond so many sets, or returns in their stacks, new ones last until forget().
  static constexpr size_t kMostSets = 4096, kMostReturns = size_t{1} << 17;

  explicit StackSets(std::shared_ptr<const Grammar> grammar);

  Id start() const { return 0; }
  /// kNone where no text goes on so.
  Id step(Id set, uint8_t byte);
  /// Whether the text may end here.
  bool is_complete(Id set) const { return sets_[set]->complete; }
  /// Free characters that may follow, as of Grammar::StateInfo.
  uint32_t room(Id set) const { return sets_[set]->room; }
  /// The same stacks as those of another one for the same grammar; kNone where there is no room for it.
  Id import(const StackSets& from, Id set);

  bool full() const { return full_; }
  /// About what all of it takes in memory.
  size_t bytes() const { return kept_ * (sizeof(Set) + 64) + returns_.size() * 64; }
  /// The sets that do not last are gone, with what came from them since `mark`.
  struct Mark {
    size_t sets = 0, returns = 0;
  };
  Mark mark() const { return {sets_.size(), returns_.size()}; }
  void forget(const Mark& mark);

 private:
  using Return = uint32_t;  // 0: nothing is below
  struct Below {
    State to = 0;
    Return next = 0;
    uint32_t depth = 0;
  };
  struct Stack {
    State top = 0;
    Return below = 0;
    bool operator==(const Stack&) const = default;
    bool operator<(const Stack& other) const {
      return top != other.top ? top < other.top : below < other.below;
    }
  };
  struct Set {
    std::vector<Stack> stacks;  // sorted; each has a byte to read
    std::array<Id, 256> next;   // kUnknown where nobody asked
    bool complete = false;
    uint32_t room = 0;
  };
  static constexpr Id kUnknown = -2;

  /// Nothing where it is too deep.
  std::optional<Return> push(State to, Return below);
  void reach(State state, Return below);
  void spread();
  Id found();
  void clear();

  std::shared_ptr<const Grammar> grammar_;
  std::vector<std::unique_ptr<Set>> sets_;
  std::unordered_multimap<uint64_t, Id> by_hash_;  // those that last
  size_t kept_ = 0, kept_returns_ = 1;
  bool full_ = false;
  std::vector<Below> returns_;
  std::unordered_map<uint64_t, Return> return_of_;
  // Of the set that is being made.
  std::vector<Stack> todo_, reading_;
  struct Seen {
    uint64_t key = 0;
    uint32_t round = 0;  // 0: none is here
  };
  std::vector<Seen> seen_;  // open addressing
  uint32_t round_ = 0;
  bool complete_ = false;
  uint32_t room_ = 0;
};

}  // namespace falconer::grammar
