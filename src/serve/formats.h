// What "response_format" makes of answers: a mask over the tokens, by a grammar.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "generate/answer.h"
#include "serve/json.h"
#include "text/grammar/token_grammar.h"
#include "text/tokenizer.h"

namespace falconer::serve {

struct AskedFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  Json schema;  // of kJsonSchema
};

/// The grammars of requests; what is found out about one is there for the next request with the same format. Safe to
/// use from many threads.
class AnswerFormats {
 public:
  /// Null for text. Error: the schema has what is not supported.
  std::shared_ptr<grammar::TokenGrammar> find(const AskedFormat& format,
                                              const std::shared_ptr<const Tokenizer>& tokenizer);

 private:
  static constexpr size_t kMostTries = 8, kMostGrammars = 16;
  struct Trie {
    std::shared_ptr<const Tokenizer> tokenizer;
    std::shared_ptr<const grammar::TokenTrie> trie;
  };
  struct Made {
    const Tokenizer* tokenizer = nullptr;  // one of tries_
    std::string format;
    std::shared_ptr<grammar::TokenGrammar> grammar;
  };
  std::shared_ptr<const grammar::TokenTrie> trie_of(
      const std::shared_ptr<const Tokenizer>& tokenizer);

  std::mutex mutex_;
  std::vector<Trie> tries_;  // what was used last comes last, as below
  std::vector<Made> made_;
};

/// Of one answer. `ends`: tokens that may end it where the grammar allows an end.
std::shared_ptr<TokenMask> mask_of(const std::shared_ptr<grammar::TokenGrammar>& grammar,
                                   std::vector<int32_t> ends);

}  // namespace falconer::serve
