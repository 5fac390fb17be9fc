#include "data/finding_kinds.h"

namespace falconer {
namespace {

constexpr std::array<FindingText, kKinds> kTexts = {{
    {"bad-row", Severity::kError, "cannot be read",
     "mend these rows: a run stops at the first of them, or leaves them out with --skip-bad"},
    {"no-targets", Severity::kError, "nothing to learn",
     "every label is ignored or was cut: leave these rows out, or give a larger --max-seq-length"},
    {"no-end", Severity::kError, "an answer does not end",
     "a model learns to stop from the token behind an answer: end answers with end-of-text, or "
     "take "
     "a template that ends turns"},
    {"double-begin", Severity::kError, "begins twice",
     "the row begins with two begin-of-text tokens, which no prompt does: take one out of the rows "
     "or of the template"},
    {"held-out-row", Severity::kError, "held out, and trained on",
     "the loss of these held-out rows says nothing: remove rows that repeat before they are split"},
    {"lost-answer", Severity::kWarning, "an answer was cut off whole",
     "give a larger --max-seq-length, or shorten what comes before these answers"},
    {"truncated", Severity::kWarning, "cut at --max-seq-length",
     "give a larger --max-seq-length where the model's context allows it"},
    {"held-out-prompt", Severity::kWarning, "held-out prompt is trained on",
     "the training rows answer these prompts another way: keep all rows of a prompt on one side of "
     "the split"},
    {"duplicate", Severity::kWarning, "repeats an earlier row",
     "remove repeats, or leave them where they are meant as weights"},
    {"other-answer", Severity::kWarning, "same prompt, other answer",
     "settle on one answer where only one can be right"},
    {"empty-answer", Severity::kWarning, "an answer is empty",
     "a model learns to say nothing from these: fill the answers in, or leave the rows out"},
    {"repeated-role", Severity::kWarning, "two messages of one role in a row",
     "join them, or look whether a message between them was lost"},
    {"rows-in-field", Severity::kWarning, "rows seem to stand in a quoted field",
     "look whether a quote in the first of these lines is closed where it should be"},
    {"characters", Severity::kWarning, "unusual characters",
     "write the file again as UTF-8 from its source"},
    {"control-token", Severity::kWarning, "special tokens in rows",
     "--parse-special makes control tokens of them: leave it out unless a template wrote these "
     "rows"},
    {"outlier", Severity::kWarning, "far longer than the rest",
     "the longest row decides how much memory a run needs: shorten these, or give a smaller "
     "--max-seq-length"},
    {"left-out", Severity::kWarning, "cannot be read, left out",
     "mend these rows to train on them"},
    {"special-text", Severity::kNote, "special tokens spelled in rows",
     "they are plain text here; --parse-special would make control tokens of them"},
    {"short-answer", Severity::kNote, "an answer of one token",
     "as it should be where answers are labels or yes and no"},
    {"open-text", Severity::kNote, "ids that are all learned, without an end",
     "as it should be where a text goes on in the next row"},
}};

}  // namespace

const FindingText& text_of(FindingKind kind) { return kTexts[kind]; }

const char* name_of(Severity severity) {
  return severity == Severity::kError     ? "error"
         : severity == Severity::kWarning ? "warning"
                                          : "note";
}

}  // namespace falconer
