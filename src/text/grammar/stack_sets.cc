#include "text/grammar/stack_sets.h"

#include <algorithm>
#include <utility>

namespace falconer::grammar {
namespace {

constexpr size_t kMostSeen = StackSets::kMostStacks * 4;  // a power of two

uint64_t pair_key(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }

uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 29;
}

}  // namespace

StackSets::StackSets(std::shared_ptr<const Grammar> grammar)
    : grammar_(std::move(grammar)), returns_(1), seen_(kMostSeen * 2) {
  clear();
  reach(grammar_->starts[grammar_->root], 0);
  spread();
  found();
}

std::optional<StackSets::Return> StackSets::push(State to, Return below) {
  // What only ends, or only goes on elsewhere, is no place to return to.
  for (;;) {
    const Grammar::StateInfo& info = grammar_->states[to];
    if (info.is_end && info.count == 0) return below;
    if (info.is_end || info.count != 1 || info.room != 0) break;
    const Edge& edge = grammar_->edges[info.first];
    if (edge.kind != Edge::kNothing || edge.to == to) break;
    to = edge.to;
  }
  if (returns_[below].depth >= kMostDepth) return std::nullopt;
  const auto [place, is_new] =
      return_of_.try_emplace(pair_key(to, below), static_cast<Return>(returns_.size()));
  if (is_new) returns_.push_back({to, below, returns_[below].depth + 1});
  return place->second;
}

void StackSets::reach(State state, Return below) {
  if (todo_.size() >= kMostSeen) return;
  const uint64_t key = pair_key(state, below);
  size_t slot = mixed(0, key) % seen_.size();
  for (; seen_[slot].round == round_; slot = (slot + 1) % seen_.size())
    if (seen_[slot].key == key) return;
  seen_[slot] = {key, round_};
  todo_.push_back({state, below});
}

// From what was reached over all that reads nothing.
void StackSets::spread() {
  for (size_t at = 0; at < todo_.size(); ++at) {
    const Stack stack = todo_[at];
    const Grammar::StateInfo& info = grammar_->states[stack.top];
    room_ = std::max(room_, info.room);
    bool reads = false;
    for (uint32_t i = info.first; i < info.first + info.count; ++i) {
      const Edge& edge = grammar_->edges[i];
      if (edge.kind == Edge::kBytes)
        reads = true;
      else if (edge.kind == Edge::kNothing)
        reach(edge.to, stack.below);
      else if (const auto below = push(edge.to, stack.below))
        reach(grammar_->starts[edge.rule], *below);
    }
    if (reads && reading_.size() < kMostStacks) reading_.push_back(stack);
    if (!info.is_end) continue;
    if (stack.below == 0)
      complete_ = true;
    else
      reach(returns_[stack.below].to, returns_[stack.below].next);
  }
  std::sort(reading_.begin(), reading_.end());
}

void StackSets::clear() {
  todo_.clear();
  reading_.clear();
  if (++round_ == 0) {
    std::fill(seen_.begin(), seen_.end(), Seen());
    round_ = 1;
  }
  complete_ = false;
  room_ = 0;
}

// The number of what was made.
StackSets::Id StackSets::found() {
  if (reading_.empty() && !complete_) return kNone;
  uint64_t hash = complete_;
  for (const Stack& stack : reading_) hash = mixed(hash, pair_key(stack.top, stack.below));
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Set& set = *sets_[it->second];
    if (set.stacks == reading_ && set.complete == complete_ && set.room == room_) return it->second;
  }
  auto set = std::make_unique<Set>();
  set->stacks = reading_;
  set->complete = complete_;
  set->room = room_;
  set->next.fill(kNone);
  for (const Stack& stack : reading_) {
    const Grammar::StateInfo& info = grammar_->states[stack.top];
    for (uint32_t i = info.first; i < info.first + info.count; ++i) {
      const Edge& edge = grammar_->edges[i];
      if (edge.kind == Edge::kBytes)
        std::fill(set->next.begin() + edge.low, set->next.begin() + edge.high + 1, kUnknown);
    }
  }
  const Id id = static_cast<Id>(sets_.size());
  sets_.push_back(std::move(set));
  full_ = full_ || kept_ >= kMostSets || returns_.size() >= kMostReturns;
  if (!full_) {
    by_hash_.emplace(hash, id);
    kept_ = sets_.size();
    kept_returns_ = returns_.size();
  }
  return id;
}

StackSets::Id StackSets::step(Id from, uint8_t byte) {
  if (const Id known = sets_[from]->next[byte]; known != kUnknown) return known;
  clear();
  for (const Stack& stack : sets_[from]->stacks) {
    const Grammar::StateInfo& info = grammar_->states[stack.top];
    for (uint32_t i = info.first; i < info.first + info.count; ++i) {
      const Edge& edge = grammar_->edges[i];
      if (edge.kind == Edge::kBytes && edge.low <= byte && byte <= edge.high)
        reach(edge.to, stack.below);
    }
  }
  spread();
  const Id to = found();
  if (to < static_cast<Id>(kept_)) sets_[from]->next[byte] = to;
  return to;
}

StackSets::Id StackSets::import(const StackSets& from, Id id) {
  clear();
  const Set& set = *from.sets_[id];
  for (const Stack& stack : set.stacks) {
    std::vector<State> path;
    for (Return at = stack.below; at != 0; at = from.returns_[at].next)
      path.push_back(from.returns_[at].to);
    Return below = 0;
    for (size_t i = path.size(); i > 0; --i) below = push(path[i - 1], below).value();
    reading_.push_back({stack.top, below});
  }
  std::sort(reading_.begin(), reading_.end());
  complete_ = set.complete;
  room_ = set.room;
  const Id here = found();
  return here < static_cast<Id>(kept_) ? here : kNone;
}

void StackSets::forget(const Mark& mark) {
  if (sets_.size() == kept_) return;
  sets_.resize(std::max(mark.sets, kept_));
  while (returns_.size() > std::max(mark.returns, kept_returns_)) {
    return_of_.erase(pair_key(returns_.back().to, returns_.back().next));
    returns_.pop_back();
  }
}

}  // namespace falconer::grammar
