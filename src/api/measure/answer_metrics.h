// How near an answer comes to the one that is expected, where it is not the same.
#pragma once

#include <string>

namespace falconer {

/// SQuAD's F1 of tokens, as its official script has it: lower case, without ASCII punctuation and the articles a, an
/// and the, split at white space; where one of the two has no tokens, 1 if neither has.
double token_f1(const std::string& answer, const std::string& expected);

/// The F-measure of ROUGE-L as rouge_score 0.1.2 computes it without stemming: lower case, tokens of a to z and 0 to
/// 9, the longest common subsequence of the whole texts. 0 where one has no tokens.
double rouge_l(const std::string& answer, const std::string& expected);

/// Characters of UTF-8, as Python counts a text's.
size_t characters_of(const std::string& text);

}  // namespace falconer
