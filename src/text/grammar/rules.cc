#include "text/grammar/rules.h"

#include <algorithm>

#include "base/error.h"

namespace falconer::grammar {

State RuleWriter::add_state() {
  if (edges_.size() >= kMostStates)
    fail(
        "it is too large: more than {} states of a grammar; make it smaller, lower its counts of "
        "items and characters",
        kMostStates);
  edges_.emplace_back();
  rooms_.push_back(0);
  return static_cast<State>(edges_.size() - 1);
}

Rule RuleWriter::add_rule() {
  const State start = add_state();
  rules_.push_back({start, add_state()});
  return static_cast<Rule>(rules_.size() - 1);
}

void RuleWriter::add_bytes(State from, uint8_t low, uint8_t high, State to) {
  if (++edge_count_ > kMostEdges)
    fail("it is too large: more than {} edges of a grammar; make it smaller", kMostEdges);
  edges_[from].push_back({.kind = Edge::kBytes, .low = low, .high = high, .to = to});
}

void RuleWriter::add_byte(State from, char byte, State to) {
  add_bytes(from, static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), to);
}

void RuleWriter::add_nothing(State from, State to) {
  if (++edge_count_ > kMostEdges)
    fail("it is too large: more than {} edges of a grammar; make it smaller", kMostEdges);
  edges_[from].push_back({.kind = Edge::kNothing, .to = to});
}

void RuleWriter::add_call(State from, Rule rule, State to) {
  if (++edge_count_ > kMostEdges)
    fail("it is too large: more than {} edges of a grammar; make it smaller", kMostEdges);
  edges_[from].push_back({.kind = Edge::kCall, .rule = rule, .to = to});
}

State RuleWriter::add_text(State from, std::string_view text) {
  for (const char byte : text) {
    const State to = add_state();
    add_byte(from, byte, to);
    from = to;
  }
  return from;
}

void RuleWriter::add_text(State from, std::string_view text, State to) {
  add_nothing(add_text(from, text), to);
}

void RuleWriter::add_texts(State from, std::vector<std::string> texts, State to) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  std::vector<State> path{from};  // of the text before
  std::string_view before;
  for (const std::string& text : texts) {
    const auto parted = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    const size_t same = static_cast<size_t>(parted.second - text.begin());
    path.resize(same + 1);
    for (size_t at = same; at < text.size(); ++at) {
      path.push_back(add_state());
      add_byte(path[at], text[at], path.back());
    }
    add_nothing(path.back(), to);
    before = text;
  }
}

// From the ends backwards; a call is passed once the rule that it calls can end.
std::vector<bool> RuleWriter::find_live() const {
  struct Before {
    State from = 0;
    Rule rule = 0;
    bool call = false;
  };
  std::vector<std::vector<Before>> before(edges_.size());
  for (State from = 0; from < edges_.size(); ++from)
    for (const Edge& edge : edges_[from])
      before[edge.to].push_back({from, edge.rule, edge.kind == Edge::kCall});
  std::vector<std::vector<State>> waiting(rules_.size());  // for the rule to be live
  std::vector<std::vector<Rule>> starts(edges_.size());
  std::vector<bool> live(edges_.size());
  std::vector<State> todo;
  const auto mark = [&](State state) {
    if (live[state]) return;
    live[state] = true;
    todo.push_back(state);
  };
  for (Rule rule = 0; rule < rules_.size(); ++rule) {
    starts[rules_[rule].start].push_back(rule);
    mark(rules_[rule].end);
  }
  while (!todo.empty()) {
    const State state = todo.back();
    todo.pop_back();
    for (const Before& edge : before[state]) {
      if (edge.call && !live[rules_[edge.rule].start])
        waiting[edge.rule].push_back(edge.from);
      else
        mark(edge.from);
    }
    for (const Rule rule : starts[state])
      for (const State from : waiting[rule]) mark(from);
  }
  return live;
}

Grammar RuleWriter::finish(Rule root) const {
  const std::vector<bool> live = find_live();
  if (!live[rules_[root].start])
    fail("no finite value fits it: what it requires forbids or contains itself without end");
  Grammar result;
  result.root = root;
  result.states.resize(edges_.size());
  for (State state = 0; state < edges_.size(); ++state) {
    Grammar::StateInfo& info = result.states[state];
    info.first = static_cast<uint32_t>(result.edges.size());
    info.room = rooms_[state];
    for (const Edge& edge : edges_[state])
      if (live[edge.to] && (edge.kind != Edge::kCall || live[rules_[edge.rule].start]))
        result.edges.push_back(edge);
    info.count = static_cast<uint32_t>(result.edges.size()) - info.first;
  }
  for (const Ends& rule : rules_) {
    result.starts.push_back(rule.start);
    result.states[rule.end].is_end = true;
  }
  return result;
}

}  // namespace falconer::grammar
