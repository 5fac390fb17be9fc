// Checkpoints and adapters as files: downloaded, looked at, merged, written for other programs.
//
// Wherever a checkpoint, an adapter or data is named, "org/name" or "org/name@revision" on the hub
// will do where there is no such path: it is taken from the cache, else fetched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "falconer/error.h"

namespace falconer {

struct DownloadOptions {
  std::string name;                           // "org/name" or "org/name@revision"
  std::vector<std::string> files;             // empty: what a model is loaded from, or all rows
  std::vector<std::string> include, exclude;  // patterns
  std::string revision;   // branch, tag or commit; empty: as in the name, or main
  std::string local_dir;  // real files here; empty: the cache
  bool dataset = false;
  bool overwrite = false;  // files in local_dir that are the user's own
  int jobs = 8;            // files at one time
};
struct DownloadedFile {
  std::string path, hash;
  int64_t bytes = 0;
  bool fetched = false;  // false: it was there
};
struct DownloadReport {
  std::string folder, repository, revision, commit;
  std::vector<DownloadedFile> files;
  int64_t received_bytes = 0;
};
/// Fetches a repository's files from the hub that HF_ENDPOINT names, goes on from what is there, and
/// checks each by its hash. Variables and layout of the cache are huggingface_hub's.
DownloadReport download(const DownloadOptions& options);

struct InspectReport {
  std::string text;  // for people
  std::string json;  // one object
};
/// What a model's folder or GGUF file holds and what each method would train; config.json alone
/// suffices.
InspectReport inspect(const std::string& checkpoint);

struct ExportReport {
  std::string text;  // for people
  std::string json;  // one object
};

struct MergeOptions {
  std::string checkpoint, adapter, out;
  int64_t max_shard_bytes = 5'000'000'000;
  bool verify = false;    // compare logits before and after
  bool force = false;     // replace what an export wrote before
  bool any_base = false;  // an adapter that was trained on another checkpoint
};
/// Folds an adapter into a new Hugging Face folder.
ExportReport merge(const MergeOptions& options);

struct ExportOptions {
  std::string checkpoint;  // a Hugging Face folder, LitGPT's, or a GGUF file
  std::string adapter;     // empty: none
  std::string out;
  /// "hf" and "gguf" write the model, with the adapter folded in; "litgpt" and "lit-parrot" write
  /// the model, or the adapter where one is given; "peft" and "gguf-lora" write the adapter.
  std::string format;
  std::string dtype = "auto";  // as it is stored, "f32", "f16", "bf16", for gguf "q8_0", "q4_k" ...
  int64_t max_shard_bytes = 5'000'000'000;  // of hf
  bool verify = false, force = false, any_base = false;
};
/// A model or an adapter in another program's files.
ExportReport export_model(const ExportOptions& options);

struct QuantizeOptions {
  std::string checkpoint;  // as ExportOptions has it
  std::string adapter;     // folded in first; empty: none
  std::string out;
  /// A GGUF as llama.cpp's names mean it, "q4_k_m", "q8_0" and so on, or a folder as transformers
  /// saves it with bitsandbytes, "nf4", "fp4", "int8". In capitals too.
  std::string format;
  /// Rows, as finetuning has them: errors count as what goes through the model makes them count.
  /// Empty: all the same. Of q2_k to q6_k, q4_0 to q5_1 and iq4_nl.
  std::string calibrate;
  bool double_quant = false;                // of nf4 and fp4: scales in 8 bits
  int64_t max_shard_bytes = 5'000'000'000;  // of a folder
  bool verify = false, force = false, any_base = false;
};
/// A model with its matrices in blocks of few bits.
ExportReport quantize(const QuantizeOptions& options);

}  // namespace falconer
