#include "data/prepare.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace falconer {
namespace {

void write_rows(const std::filesystem::path& path, const std::vector<Row>& rows) {
  AtomicFile file(path);
  std::string text;
  for (const Row& row : rows) {
    text += fmt::format("{{\"input_ids\":[{}],\"labels\":[{}]}}\n", fmt::join(row.ids, ","),
                        fmt::join(row.labels, ","));
    if (text.size() < (1 << 20)) continue;
    file.write(text);
    text.clear();
  }
  file.write(text);
  file.commit();
}

}  // namespace

LoadedData prepare_dataset(const PrepareSettings& settings, const Tokenizer& tokenizer) {
  make_folder(settings.out);
  LoadedData data = load_dataset(settings.input, &tokenizer, settings.load);
  write_rows(settings.out / "train.jsonl", data.rows);
  write_rows(settings.out / "test.jsonl", data.held_out);
  nlohmann::ordered_json record;
  const EncodeOptions& encode = settings.load.encode;
  record["prompt_style"] = data.prompt_style;
  record["mask_prompt"] = encode.mask_prompt;
  record["tokenize"] = encode.joint_tokenization ? "joint" : "separate";
  record["max_seq_length"] = encode.max_seq_length;
  record["seed"] = settings.load.split_seed;
  record["train_rows"] = data.rows.size();
  record["test_rows"] = data.held_out.size();
  write_file(settings.out / "prepare.json", record.dump(2) + "\n");
  return data;
}

}  // namespace falconer
