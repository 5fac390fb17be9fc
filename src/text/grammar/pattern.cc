#include "text/grammar/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace falconer::grammar {
namespace {

constexpr size_t kMostPlaces = 8192;      // of an expression, its repeats written out
constexpr size_t kMostTexts = 8192;       // states of texts, each a set of places and a length
constexpr size_t kMostSteps = 4'000'000;  // places looked at

/// The places of an expression: what can be read at each, and where that leads.
class PatternPlaces {
 public:
  explicit PatternPlaces(const PatternNode& root) {
    const size_t start = add();
    last_ = add_node(root, start);
  }

  struct Step {
    const std::vector<CodeRange>* characters;  // null: reads nothing
    size_t to;
  };
  const std::vector<Step>& steps(size_t place) const { return places_[place]; }
  size_t size() const { return places_.size(); }
  size_t last() const { return last_; }

 private:
  size_t add() {
    if (places_.size() >= kMostPlaces)
      fail("it is too large: more than {} places where its repeats are written out", kMostPlaces);
    places_.emplace_back();
    return places_.size() - 1;
  }

  size_t add_node(const PatternNode& node, size_t from) {
    switch (node.kind) {
      case PatternNode::kCharacters: {
        const size_t to = add();
        places_[from].push_back({&node.characters, to});
        return to;
      }
      case PatternNode::kSequence:
        for (const PatternNode& part : node.parts) from = add_node(part, from);
        return from;
      case PatternNode::kEither: {
        const size_t to = add();
        for (const PatternNode& part : node.parts) {
          const size_t begun = add();
          places_[from].push_back({nullptr, begun});
          const size_t end = add_node(part, begun);
          places_[end].push_back({nullptr, to});
        }
        return to;
      }
      case PatternNode::kRepeat:
        break;
    }
    for (uint32_t count = 0; count < node.least; ++count) from = add_node(node.parts[0], from);
    const size_t to = add();
    if (node.most == kAnyRoom) {
      const size_t loop = add();
      places_[from].push_back({nullptr, loop});
      const size_t end = add_node(node.parts[0], loop);
      places_[end].push_back({nullptr, loop});
      places_[loop].push_back({nullptr, to});
      return to;
    }
    for (uint32_t count = node.least; count < node.most; ++count) {
      places_[from].push_back({nullptr, to});
      const size_t begun = add();
      places_[from].push_back({nullptr, begun});
      from = add_node(node.parts[0], begun);
    }
    places_[from].push_back({nullptr, to});
    return to;
  }

  std::vector<std::vector<Step>> places_;
  size_t last_ = 0;
};

/// Reads a character of a range, as JSON spells it.
class CodeWriter {
 public:
  CodeWriter(RuleWriter& writer, JsonRules& rules) : writer_(writer), rules_(rules) {}

  void add(State from, CodeRange range, State to) {
    for (char32_t code = range.low; code <= range.high && code < 0x20; ++code)
      add_escape(from, code, to);
    for (const char32_t code : {U'"', U'\\'})
      if (range.low <= code && code <= range.high) add_escape(from, code, to);
    const auto plain = [&](char32_t low, char32_t high) {
      low = std::max(low, range.low);
      high = std::min(high, range.high);
      if (low <= high)
        writer_.add_bytes(from, static_cast<uint8_t>(low), static_cast<uint8_t>(high), to);
    };
    plain(0x20, '"' - 1);
    plain('"' + 1, '\\' - 1);
    plain('\\' + 1, 0x7F);
    if (range.high < 0x80) return;
    if (range.low <= 0x80 && range.high == kLastCode)
      return writer_.add_call(from, rules_.wide_character(), to);
    add_wide(from, {std::max<char32_t>(range.low, 0x80), std::min<char32_t>(range.high, 0x7FF)},
             to);
    add_wide(from, {std::max<char32_t>(range.low, 0x800), std::min<char32_t>(range.high, 0xD7FF)},
             to);
    add_wide(from, {std::max<char32_t>(range.low, 0xE000), std::min<char32_t>(range.high, 0xFFFF)},
             to);
    add_wide(from, {std::max<char32_t>(range.low, 0x10000), range.high}, to);
  }

 private:
  void add_escape(State from, char32_t code, State to) {
    const std::string spelled = json_spelling(std::string(1, static_cast<char>(code)));
    writer_.add_text(from, std::string_view(spelled).substr(1, spelled.size() - 2), to);
  }

  // All of the same length in UTF-8.
  void add_wide(State from, CodeRange range, State to) {
    if (range.low > range.high) return;
    std::string low, high;
    append_utf8(low, range.low);
    append_utf8(high, range.high);
    add_between(from, low, high, to);
  }

  void add_between(State from, std::string_view low, std::string_view high, State to) {
    const auto byte = [](char value) { return static_cast<uint8_t>(value); };
    if (low.size() == 1) return writer_.add_bytes(from, byte(low[0]), byte(high[0]), to);
    const std::string least(low.size() - 1, '\x80'), most(low.size() - 1, '\xBF');
    if (low[0] == high[0])
      return add_between(writer_.add_text(from, low.substr(0, 1)), low.substr(1), high.substr(1),
                         to);
    int first = byte(low[0]), last = byte(high[0]);
    if (low.substr(1) != least)
      add_between(writer_.add_text(from, low.substr(0, 1)), low.substr(1), most, to), ++first;
    if (high.substr(1) != most)
      add_between(writer_.add_text(from, high.substr(0, 1)), least, high.substr(1), to), --last;
    if (first > last) return;
    const State led = writer_.add_state();
    writer_.add_bytes(from, static_cast<uint8_t>(first), static_cast<uint8_t>(last), led);
    add_between(led, least, most, to);
  }

  RuleWriter& writer_;
  JsonRules& rules_;
};

/// The sets of places that a text can be at, each with how many characters it has.
class PatternWriter {
 public:
  PatternWriter(RuleWriter& writer, JsonRules& rules, const PatternNode& pattern, uint32_t least,
                uint32_t most)
      : writer_(writer), codes_(writer, rules), places_(pattern), least_(least), most_(most) {}

  void add(State from, State to) {
    const State close = writer_.add_state();
    writer_.add_byte(close, '"', to);
    std::vector<size_t> first{0};
    spread(first);
    const State start = writer_.add_text(from, "\"");
    writer_.add_nothing(start, state_of({std::move(first), 0}));
    while (!todo_.empty()) {
      const auto [text, state] = todo_.back();
      todo_.pop_back();
      const auto& [places, count] = *text;
      if (count >= least_ && std::binary_search(places.begin(), places.end(), places_.last()))
        writer_.add_nothing(state, close);
      if (count < most_) add_next(places, next_count(count), state);
    }
  }

 private:
  using Places = std::vector<size_t>;
  using Text = std::pair<Places, uint32_t>;

  // A length that no bound looks at any more is not told from others.
  uint32_t next_count(uint32_t count) const {
    return most_ == kAnyRoom ? std::min(count + 1, least_) : count + 1;
  }

  State state_of(Text text) {
    const auto [place, is_new] = states_.try_emplace(std::move(text), 0);
    if (is_new) {
      if (states_.size() > kMostTexts)
        fail("it is too large: more than {} states; anchor it with ^ and $, and lower its counts",
             kMostTexts);
      place->second = writer_.add_state();
      todo_.push_back({&place->first, place->second});
    }
    return place->second;
  }

  void add_next(const Places& places, uint32_t count, State state) {
    std::vector<char32_t> cuts;  // where what can be read changes
    for (const size_t place : places)
      for (const PatternPlaces::Step& step : places_.steps(place))
        if (step.characters != nullptr)
          for (const CodeRange& range : *step.characters)
            cuts.insert(cuts.end(), {range.low, range.high + 1});
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::vector<Places> reached(cuts.size());
    for (const size_t place : places)
      for (const PatternPlaces::Step& step : places_.steps(place)) {
        if (step.characters == nullptr) continue;
        for (const CodeRange& range : *step.characters)
          for (size_t i = index_of(cuts, range.low); i < index_of(cuts, range.high + 1); ++i) {
            count_step();
            reached[i].push_back(step.to);
          }
      }
    for (Places& next : reached) spread(next);
    for (size_t first = 0; first < cuts.size();) {
      size_t last = first + 1;
      while (last < cuts.size() && reached[last] == reached[first]) ++last;
      if (!reached[first].empty())
        codes_.add(state, {cuts[first], cuts[last] - 1}, state_of({reached[first], count}));
      first = last;
    }
  }

  static size_t index_of(const std::vector<char32_t>& cuts, char32_t code) {
    return static_cast<size_t>(std::lower_bound(cuts.begin(), cuts.end(), code) - cuts.begin());
  }

  void count_step() {
    if (++steps_ > kMostSteps) fail("it takes too long to write out; make it smaller");
  }

  // With all that is reached by reading nothing; sorted.
  void spread(Places& places) {
    if (places.empty()) return;
    ++round_;
    marks_.resize(places_.size());
    Places result;
    const auto reach = [&](size_t place) {
      if (std::exchange(marks_[place], round_) != round_) result.push_back(place);
    };
    for (const size_t place : places) reach(place);
    for (size_t i = 0; i < result.size(); ++i)
      for (const PatternPlaces::Step& step : places_.steps(result[i])) {
        count_step();
        if (step.characters == nullptr) reach(step.to);
      }
    std::sort(result.begin(), result.end());
    places = std::move(result);
  }

  RuleWriter& writer_;
  CodeWriter codes_;
  PatternPlaces places_;
  uint32_t least_, most_;
  std::map<Text, State> states_;
  std::vector<std::pair<const Text*, State>> todo_;
  std::vector<uint64_t> marks_;
  uint64_t round_ = 0;
  size_t steps_ = 0;
};

}  // namespace

void add_pattern(RuleWriter& writer, JsonRules& rules, const PatternNode& pattern, State from,
                 uint32_t least, uint32_t most, State to) {
  PatternWriter(writer, rules, pattern, least, most).add(from, to);
}

}  // namespace falconer::grammar
