// A checkpoint with random weights and rows of token ids, made on the spot: for tests of whole
// commands that need no data from elsewhere.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "falconer/falconer.h"
#include "support/temp_folder.h"

namespace falconer::test {

struct TinyShape {
  int64_t layers = 4, width = 32, heads = 4, vocab = 61;
  bool grouped = false;  // Falcon-40B's kind of block
  double init_std = 0.02;
};

inline std::string tiny_config(const TinyShape& shape) {
  nlohmann::json config = {{"model_type", "falcon"},
                           {"architectures", {"FalconForCausalLM"}},
                           {"vocab_size", shape.vocab},
                           {"hidden_size", shape.width},
                           {"num_hidden_layers", shape.layers},
                           {"num_attention_heads", shape.heads},
                           {"multi_query", true},
                           {"parallel_attn", true},
                           {"new_decoder_architecture", shape.grouped},
                           {"alibi", false},
                           {"bias", false},
                           {"layer_norm_epsilon", 1e-5},
                           {"max_position_embeddings", 64},
                           {"initializer_range", shape.init_std},
                           {"eos_token_id", 0},
                           {"torch_dtype", "float32"}};
  if (shape.grouped) config["num_kv_heads"] = 2;
  return config.dump();
}

/// Rows of different lengths, all of them to be learned.
inline void write_rows(const std::filesystem::path& path, int64_t count, uint32_t seed = 1,
                       int64_t vocab = 61) {
  const RandomStream random(seed, RandomPurpose::kTest);
  std::ofstream file(path);
  uint64_t next = 0;
  for (int64_t i = 0; i < count; ++i) {
    nlohmann::json ids = nlohmann::json::array();
    const int64_t length = 5 + static_cast<int64_t>(random.below(next++, 12));
    for (int64_t k = 0; k < length; ++k)
      ids.push_back(1 + random.below(next++, static_cast<uint64_t>(vocab - 1)));
    file << nlohmann::json({{"input_ids", ids}, {"labels", ids}}).dump() << "\n";
  }
}

/// A few steps on the rows of `folder`.
inline FinetuneOptions short_run(const std::string& method, const std::string& checkpoint,
                                 const TempFolder& folder, const std::string& out) {
  FinetuneOptions o;
  o.method = method;
  o.checkpoint = checkpoint;
  o.data = (folder / "rows.jsonl").string();
  o.out = (folder / out).string();
  o.precision = "f32";
  o.lr = 1e-2;
  o.warmup_steps = 0;
  o.batch_size = 8;
  o.micro_batch_size = 4;
  o.max_steps = 4;
  return o;
}

/// What `o` gives in two runs: one to half of its steps, and one that goes on.
inline std::string resumed_half_way(FinetuneOptions o) {
  const int64_t steps = o.max_steps;
  o.max_steps = steps / 2;
  finetune(o);
  o.max_steps = steps;
  o.resume = "auto";
  return finetune(o).final_folder;
}

/// A folder with a checkpoint and data; `options` name them, with settings that train quickly.
class TinyRun {
 public:
  explicit TinyRun(const TinyShape& shape = {}) {
    set_verbosity("quiet");
    make_folder(folder / "config");
    write_file(folder / "config" / "config.json", tiny_config(shape));
    write_rows(folder / "rows.jsonl", 24, 1, shape.vocab);
    FinetuneOptions start = options("full", "start");
    start.checkpoint = (folder / "config").string();
    start.from_scratch = true;
    start.max_steps = 1;
    start.lr = 1e-3;
    checkpoint = finetune(start).final_folder;
  }

  FinetuneOptions options(const std::string& method, const std::string& out) const {
    return short_run(method, checkpoint, folder, out);
  }

  std::filesystem::path path(const std::string& name) const { return folder / name; }

  TempFolder folder;
  std::string checkpoint;
};

/// Every "loss" of a run's metrics, in order.
inline std::vector<double> losses(const std::filesystem::path& run) {
  std::vector<double> all;
  std::ifstream file(run / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto row = nlohmann::json::parse(line);
    if (row.contains("loss")) all.push_back(row["loss"]);
  }
  return all;
}

}  // namespace falconer::test
