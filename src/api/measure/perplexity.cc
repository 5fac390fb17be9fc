#include "api/measure/perplexity.h"

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace falconer {
namespace {

constexpr int64_t kMostWindow = 4096;    // memory grows with it
constexpr size_t kWindowsTogether = 16;  // in a call, which ranks divide

struct Window {
  int64_t begin = 0, end = 0;
  int64_t targets = 0;  // at its end: those that no window before it has
};

// As https://huggingface.co/docs/transformers/perplexity has them: the first predicts all but its first
// token, each later one what is new in it.
std::vector<Window> windows_of(int64_t tokens, int64_t window, int64_t stride) {
  std::vector<Window> made;
  for (int64_t begin = 0, seen = 0; seen < tokens; begin += stride) {
    const int64_t end = std::min(begin + window, tokens);
    made.push_back({begin, end, std::min(end - seen, end - begin - 1)});
    seen = end;
  }
  return made;
}

}  // namespace

TextPerplexity perplexity_of(Model& model, const std::string& path, int64_t window,
                             int64_t stride) {
  if (window > model.context())
    fail_usage("--window is {}, and the model's context is {}", window, model.context());
  TextPerplexity made;
  made.window = window > 0 ? window : std::min(model.context(), kMostWindow);
  made.stride = stride > 0 ? stride : std::max<int64_t>(1, made.window / 2);
  if (made.window < 2) fail_usage("--window is {}; expected 2 tokens or more", made.window);
  if (made.stride > made.window)
    fail_usage("--stride is {}, and a window has {} tokens: expected no more than that",
               made.stride, made.window);
  const std::string text = read_text_file(path);
  if (const size_t valid = valid_utf8_prefix(text); valid < text.size())
    fail("{}: byte {} begins no character of UTF-8; convert it, as with iconv -t utf-8", path,
         valid + 1);
  const std::vector<int32_t> ids = model.encode_prompt(text, "", true);
  if (ids.size() < 2)
    fail("{}: has {} tokens; expected a text of two or more, as the first one is not predicted",
         path, ids.size());
  made.bytes = std::ssize(text);
  made.tokens = std::ssize(ids);
  const std::vector<Window> windows = windows_of(made.tokens, made.window, made.stride);
  double sum = 0;
  for (size_t first = 0; first < windows.size(); first += kWindowsTogether) {
    const size_t last = std::min(windows.size(), first + kWindowsTogether);
    std::vector<std::vector<int32_t>> rows;
    for (size_t i = first; i < last; ++i)
      rows.emplace_back(ids.begin() + windows[i].begin, ids.begin() + windows[i].end);
    const auto logprobs = model.logprobs(rows);
    for (size_t i = first; i < last; ++i) {
      const std::vector<float>& row = logprobs[i - first];
      for (auto at = row.end() - windows[i].targets; at != row.end(); ++at) sum -= *at;
      made.predicted += windows[i].targets;
    }
  }
  made.loss = sum / static_cast<double>(made.predicted);
  made.perplexity = std::exp(made.loss);
  made.bits_per_byte = made.loss * static_cast<double>(made.tokens) /
                       (static_cast<double>(made.bytes) * std::log(2.0));
  return made;
}

}  // namespace falconer
