// Methods side by side.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "falconer/finetune.h"

namespace falconer {

struct CompareRun {
  std::string name;  // of its folder in `out`, and in the report
  FinetuneOptions options;
};
struct CompareOptions {
  std::vector<CompareRun> runs;  // on the same checkpoint and data
  std::string out;
  int64_t ask = 200;         // held-out rows that are answered; 0: none
  int64_t new_tokens = 128;  // of the answers whose speed is measured; 0: none are
  int64_t repeats = 5;       // of each measurement of speed
  bool merge = true;         // measure merged models as well
  bool overwrite = false;
  int threads = 0;      // of the processes that are started; 0: all cores
  std::string program;  // the falconer to start; empty: the program that runs now
};
struct CompareReport {
  std::string text;      // Markdown
  std::string json;      // one object, as compare.json has it
  std::string page;      // path of the HTML page
  bool complete = true;  // false: a method did not fit in memory
};
/// Trains every run in a process of its own, lets each answer the held-out rows, measures speed and
/// memory, and writes compare.html, compare.md, compare.json and charts/ to `out`. What was finished
/// before is not done again.
CompareReport compare(const CompareOptions& options);

}  // namespace falconer
