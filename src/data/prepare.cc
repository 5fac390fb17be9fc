#include "data/prepare.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/output.h"
#include "base/threads.h"
#include "text/tokenizer.h"

namespace falconer {
namespace {

/// Appends "1,2,3". Numbers are most of what is written.
void append_numbers(const std::vector<int32_t>& numbers, std::string& text) {
  constexpr size_t kLongest = 12;  // a sign, ten digits, a comma
  const size_t old = text.size();
  text.resize(old + numbers.size() * kLongest);
  char* at = text.data() + old;
  for (const int32_t number : numbers) {
    at = std::to_chars(at, at + kLongest, number).ptr;
    *at++ = ',';
  }
  if (!numbers.empty()) --at;
  text.resize(static_cast<size_t>(at - text.data()));
}

void append_row(const Row& row, std::string& text) {
  text += "{\"input_ids\":[";
  append_numbers(row.ids, text);
  text += "],\"labels\":[";
  append_numbers(row.labels, text);
  text += "]}\n";
}

/// Rows become text on all cores, a part at a time, and are written in order.
void write_rows(const std::filesystem::path& path, const RowView& rows) {
  constexpr int64_t kParts = 32, kRowsInPart = 128;
  AtomicFile file(path);
  const int64_t n = rows.size();
  std::vector<std::string> parts(kParts);
  for (int64_t first = 0; first < n; first += kParts * kRowsInPart) {
    parallel_for(kParts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        parts[part].clear();
        const int64_t from = first + part * kRowsInPart, to = std::min(n, from + kRowsInPart);
        for (int64_t i = from; i < to; ++i) append_row(rows[i], parts[part]);
      }
    });
    for (const std::string& part : parts) file.write(part);
  }
  file.commit();
  mark_written(path);
}

}  // namespace

LoadedData prepare_dataset(const PrepareSettings& settings, const Tokenizer& tokenizer) {
  constexpr const char* kTrain = "train.jsonl";
  constexpr const char* kTest = "test.jsonl";
  constexpr const char* kRecord = "prepare.json";
  OutputRule rule(settings.overwrite);
  rule.reads(settings.input.string());
  rule.reads(settings.checkpoint_files.string());
  for (const char* name : {kTrain, kTest, kRecord}) rule.check_file(settings.out / name, "--out");
  make_folder(settings.out);
  LoadOptions load = settings.load;
  load.scratch = settings.out;
  LoadedData data = load_dataset(settings.input, &tokenizer, load);
  write_rows(settings.out / kTrain, data.rows());
  write_rows(settings.out / kTest, data.held_out());
  nlohmann::ordered_json record;
  const EncodeOptions& encode = settings.load.encode;
  record["data_format"] = data.rendered.format;
  record["prompt_style"] = data.rendered.prompt_style;
  record["prompt_template"] = data.rendered.prompt_template;
  record["train_on"] = name_of(encode.train_on);
  record["tokenize"] = encode.joint_tokenization ? "joint" : "separate";
  record["max_seq_length"] = encode.max_seq_length;
  record["seed"] = settings.load.split_seed;
  record["checkpoint"] = settings.checkpoint;
  record["tokenizer"] = tokenizer.fingerprint();
  record["train_rows"] = data.rows().size();
  record["test_rows"] = data.held_out().size();
  write_file(settings.out / kRecord, json_text(record, 2) + "\n");
  mark_written(settings.out / kRecord);
  return data;
}

}  // namespace falconer
