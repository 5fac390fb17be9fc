// What "Finetuning Falcon LLMs More Efficiently With LoRA and Adapters" (14 June 2023) measured:
// Falcon-7B on Alpaca, 52,000 iterations of one row, bf16, on an A100; full on six of them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace falconer {

struct ArticleRun {
  std::string_view method;
  int64_t trainable = 0;
  double minutes = 0;            // of training
  double rows_per_second = 0;    // all GPUs together
  double memory_gb = 0;          // a GPU
  double tokens_per_second = 0;  // answering; 0: not given
  int gpus = 1;
};

// Full ran 50,000 iterations on each of six GPUs: its time is not for the same rows, its rate is.
inline constexpr std::array<ArticleRun, 4> kArticleRuns = {{
    {"lora", 3506176, 69, 12.6, 16.27, 21.33, 1},
    {"adapter", 1365330, 69, 12.6, 16.20, 26.22, 1},
    {"adapter-v2", 3839186, 86, 10.1, 16.97, 24.73, 1},
    {"full", 7217189760, 532, 9.4, 39.45, 0, 6},
}};
inline constexpr double kArticleAnswerMemoryGb = 14.59;  // of each of the three
inline constexpr double kArticleMergedLora = 28;         // tokens a second, "more than"

/// Null where the article has no such method.
constexpr const ArticleRun* article_run(std::string_view method) {
  for (const ArticleRun& run : kArticleRuns)
    if (run.method == method) return &run;
  return nullptr;
}

}  // namespace falconer
