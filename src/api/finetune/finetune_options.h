// What the options of a finetuning run mean: defaults, contradictions, and how a run is told from
// another.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "data/load.h"
#include "falconer/finetune.h"
#include "method/session.h"
#include "train/optimizer.h"

namespace falconer {

struct FinetuneDefaults {
  double lr, weight_decay;
};
FinetuneDefaults defaults_of(const std::string& method);

/// How long a run is. What was not given suits the number of rows: a model that sees few of them only
/// once has learned nothing.
struct RunLength {
  int64_t batch_size, epochs;
};
RunLength run_length(std::optional<int64_t> batch_size, std::optional<int64_t> epochs,
                     int64_t rows);

/// A LoRA's dropout, where no adapter brings its own.
double lora_dropout_of(const FinetuneOptions& options);
MethodOptions method_options(const FinetuneOptions& options);

/// To train by `options`, whose names are paths, or to plan that: from `checkpoint`, of a run that goes on, or from
/// the beginning where that is empty. `vocab`: rows that the embedding gets where it has fewer.
SessionOptions session_options(const FinetuneOptions& options,
                               const std::filesystem::path& checkpoint, int64_t vocab,
                               bool planning);

/// What rows in memory are called where a path would stand.
inline constexpr const char* kRowsInMemory = "rows in memory";

inline constexpr const char* kSaveEvery = "10m";  // where nothing was asked for

/// Seconds of "500ms", "90s", "10m" or "1.5h"; 0 of "0" and "off". Error (usage): anything else.
double parse_period(const char* flag, const std::string& text);

/// What can be told before anything is read. Errors (usage): values that cannot be, flags that
/// contradict each other or that would do nothing.
void check_options(const FinetuneOptions& options);

/// What a run's result hangs on, for its record and for telling whether it is the same run.
std::map<std::string, std::string> recorded_settings(const FinetuneOptions& options,
                                                     const OptimizerOptions& optimizer,
                                                     int64_t warmup);

/// Takes from settings of a record what a method is: how an adapter is trained on that brings its own.
void take_method_settings(const std::map<std::string, std::string>& settings,
                          FinetuneOptions& options);
/// Error (usage): rows that are token ids were rendered and labelled before, and a flag asks for something else,
/// which would do nothing and be recorded. A run that goes on keeps what it was begun with.
void refuse_other_rendering(const FinetuneOptions& options, const RenderedAs& made);

/// Error (usage): a setting of a method was given and differs from the adapter's that is trained on.
void refuse_other_than_adapter(const FinetuneOptions& options,
                               const std::map<std::string, std::string>& settings);

}  // namespace falconer
