#include "serve/formats.h"

#include <algorithm>

#include "base/error.h"
#include "text/grammar/json_grammar.h"

namespace falconer::serve {
namespace {

class GrammarMask : public TokenMask {
 public:
  GrammarMask(const std::shared_ptr<grammar::TokenGrammar>& grammar, std::vector<int32_t> ends)
      : place_(grammar), ends_(std::move(ends)) {}

  void allowed(std::vector<bool>& allowed) const override {
    place_.allowed(allowed);
    // One that is also a text would end the answer within its JSON.
    const bool may_end = place_.is_complete();
    for (const int32_t id : ends_)
      if (static_cast<size_t>(id) < allowed.size()) allowed[static_cast<size_t>(id)] = may_end;
  }
  void push(int32_t id) override { place_.push(id); }

 private:
  grammar::TokenPlace place_;
  std::vector<int32_t> ends_;
};

/// The entry, which becomes the last; null where there is none.
template <class Entry, class Is>
Entry* used(std::vector<Entry>& entries, Is is) {
  const auto found = std::find_if(entries.begin(), entries.end(), is);
  if (found == entries.end()) return nullptr;
  std::rotate(found, found + 1, entries.end());
  return &entries.back();
}

}  // namespace

std::shared_ptr<const grammar::TokenTrie> AnswerFormats::trie_of(
    const std::shared_ptr<const Tokenizer>& tokenizer) {
  if (const Trie* there = used(tries_, [&](const Trie& one) { return one.tokenizer == tokenizer; }))
    return there->trie;
  if (tries_.size() == kMostTries) {
    std::erase_if(made_,
                  [&](const Made& one) { return one.tokenizer == tries_.front().tokenizer.get(); });
    tries_.erase(tries_.begin());
  }
  tries_.push_back({tokenizer, std::make_shared<const grammar::TokenTrie>(*tokenizer)});
  return tries_.back().trie;
}

std::shared_ptr<grammar::TokenGrammar> AnswerFormats::find(
    const AskedFormat& format, const std::shared_ptr<const Tokenizer>& tokenizer) {
  if (format.kind == AskedFormat::Kind::kText) return nullptr;
  const bool any = format.kind == AskedFormat::Kind::kJsonObject;
  const std::string key = any ? "" : json_text(format.schema);
  const std::scoped_lock lock(mutex_);
  const auto is = [&](const Made& one) {
    return one.tokenizer == tokenizer.get() && one.format == key;
  };
  if (const Made* there = used(made_, is)) return there->grammar;
  auto rules = any ? grammar::any_json_object() : grammar::json_schema_grammar(format.schema);
  auto made = std::make_shared<grammar::TokenGrammar>(std::move(rules), trie_of(tokenizer));
  if (made_.size() == kMostGrammars) made_.erase(made_.begin());
  made_.push_back({tokenizer.get(), key, made});
  return made;
}

std::shared_ptr<TokenMask> mask_of(const std::shared_ptr<grammar::TokenGrammar>& grammar,
                                   std::vector<int32_t> ends) {
  return std::make_shared<GrammarMask>(grammar, std::move(ends));
}

}  // namespace falconer::serve
