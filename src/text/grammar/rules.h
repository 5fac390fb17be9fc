// A grammar of bytes, as rules that call each other: each is a graph of states whose edges read a byte, read nothing, or
// read what another rule reads. What may come next is a question of which states are reached (stack_sets.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace falconer::grammar {

using State = uint32_t;
using Rule = uint32_t;

inline constexpr uint32_t kAnyRoom = UINT32_MAX;
// Of one grammar. A schema is somebody's input: what is beyond is refused.
inline constexpr size_t kMostStates = 200'000, kMostEdges = 600'000;

struct Edge {
  enum Kind : uint8_t { kBytes, kNothing, kCall };
  Kind kind = kNothing;
  uint8_t low = 0, high = 0;  // of kBytes, both included
  Rule rule = 0;              // of kCall
  State to = 0;
};

/// Immutable; safe to use from many threads. Every state can reach the end of its rule.
struct Grammar {
  struct StateInfo {
    uint32_t first = 0, count = 0;  // of its edges
    bool is_end = false;            // of its rule
    /// Characters of a text that are free from here on, so that masks can take all such tokens at once; 0: it is no
    /// such place.
    uint32_t room = 0;
  };
  std::vector<StateInfo> states;
  std::vector<Edge> edges;
  std::vector<State> starts;  // by rule
  Rule root = 0;
};

/// Makes one. Errors: more states or edges than a grammar may have.
class RuleWriter {
 public:
  State add_state();
  Rule add_rule();
  State start(Rule rule) const { return rules_[rule].start; }
  State end(Rule rule) const { return rules_[rule].end; }

  void add_bytes(State from, uint8_t low, uint8_t high, State to);
  void add_byte(State from, char byte, State to);
  void add_nothing(State from, State to);
  void add_call(State from, Rule rule, State to);
  /// Reads `text`; gives where that ends.
  State add_text(State from, std::string_view text);
  void add_text(State from, std::string_view text, State to);
  /// Reads any of the texts. Those that begin alike share their states.
  void add_texts(State from, std::vector<std::string> texts, State to);
  void set_room(State state, uint32_t characters) { rooms_[state] = characters; }

  /// What can never come to an end is left out. Error: that is all of `root`, so that no text fits.
  Grammar finish(Rule root) const;

 private:
  struct Ends {
    State start = 0, end = 0;
  };
  std::vector<bool> find_live() const;

  std::vector<Ends> rules_;
  std::vector<std::vector<Edge>> edges_;
  std::vector<uint32_t> rooms_;
  size_t edge_count_ = 0;
};

}  // namespace falconer::grammar
