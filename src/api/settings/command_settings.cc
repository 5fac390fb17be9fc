// The settings of the other commands, a line for each. What finetune has too is as it has it.
#include <algorithm>

#include "api/export/export.h"
#include "api/settings/as_finetune.h"
#include "api/settings/ranges.h"
#include "api/settings/settings.h"
#include "base/error.h"
#include "falconer/checkpoint.h"
#include "falconer/compare.h"
#include "falconer/data.h"
#include "falconer/finetune.h"
#include "falconer/use.h"
#include "falconer/watch.h"

namespace falconer {

SettingRow find_in(const std::vector<SettingRow>& rows, const std::string& name) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const SettingRow& row) { return key_of(row) == name; });
  FALCONER_CHECK(found != rows.end());
  return *found;
}

SettingRow as_finetune(const char* name, SettingValue value, const char* help) {
  static FinetuneOptions options;
  static const std::vector<SettingRow> rows = rows_of(options);
  SettingRow row = find_in(rows, name);
  row.value = value;
  row.group = "";
  if (help != nullptr) row.help = help;
  return row;
}

namespace {

using Rows = std::vector<SettingRow>;

SettingRow optional(SettingRow row) {
  row.required = false;
  row.bare = "";
  return row;
}

template <class Adapted>
Rows adapter_rows(Adapted& o, bool required = false) {
  return {
      as_finetune("any-base", &o.any_base),
      {.names = "adapter,lora-path,adapter-path",
       .value = &o.adapter,
       .help = "adapter: its folder or the run's, org/name on the hub, or a .pth file of LitGPT or "
               "Lit-Parrot",
       .kind = ValueKind::kAdapter,
       .required = required},
  };
}

SettingRow overwrite(bool& value, const char* help) {
  return {.names = "overwrite,force", .value = &value, .help = help};
}

SettingRow compute(std::string& value, const char* help) {
  return {.names = "compute",
          .value = &value,
          .help = help,
          .choices = {"auto", "exact", "int8"},
          .shows_default = true};
}

SettingRow shard(std::string& value) {
  SettingRow row = as_finetune(
      "shard", &value,
      "of several ranks: what each has a part of: none, or all (weights, of a model that "
      "one cannot hold)");
  row.choices = {ShardName::kNone, ShardName::kAll};
  return row;
}

SettingRow shard_size(int64_t& value) {
  return {.names = "max-shard-size",
          .value = &value,
          .help = "largest safetensors file, as 5GB or 500MB",
          .range = kShardSizes,
          .kind = ValueKind::kSize};
}

const char* const kOwnStyleHelp =
    "alpaca, alpaca-colon, falcon, falcon-instruct, falcon3, llama2, llama3, mistral, gemma, "
    "phi-3, "
    "vicuna, chatml, raw or chat, the checkpoint's own template (default: alpaca; for turns chat, "
    "or "
    "falcon)";

void append(Rows& rows, Rows more) { rows.insert(rows.end(), more.begin(), more.end()); }

}  // namespace

// A setting is a few lines, not one for each of its traits.
// clang-format off

Rows rows_of(DownloadOptions& o) {
  return {
      {.names = "repo-id", .value = &o.name, .help = "org/name or org/name@revision",
       .required = true, .bare = "name"},
      {.names = "", .value = &o.files, .help = "these files (default: what a model is loaded from)",
       .bare = "files"},
      {.names = "dataset", .value = &o.dataset, .help = "a dataset's rows instead of a model"},
      {.names = "revision", .value = &o.revision, .help = "branch, tag or commit (default: main)"},
      {.names = "include", .value = &o.include, .help = "instead: files that match these patterns"},
      {.names = "exclude", .value = &o.exclude, .help = "but not files that match these"},
      {.names = "local-dir", .value = &o.local_dir,
       .help = "real files in this folder instead of the cache", .kind = ValueKind::kFolder},
      {.names = "jobs,max-workers", .value = &o.jobs, .help = "files at one time", .range = kJobs,
       .shows_default = true},
      overwrite(o.overwrite, "replace files in --local-dir that are your own"),
  };
}

Rows rows_of(TokenizeOptions& o) {
  return {
      as_finetune("checkpoint", &o.checkpoint),
      {.names = "input", .value = &o.input,
       .help = "rows {\"text\"} (with --decode: {\"ids\"}): JSON lines, .csv, .tsv, .parquet; - is "
               "stdin",
       .kind = ValueKind::kFile},
      {.names = "output", .value = &o.output,
       .help = "JSONL rows {\"ids\"} (with --decode: {\"text\"}); - is stdout",
       .kind = ValueKind::kFile},
      {.names = "decode", .value = &o.decode, .help = "ids to text"},
      {.names = "chat", .value = &o.chat,
       .help = "rows of messages, or of any other data format, to {\"text\", \"ids\"}: what a model "
               "is given"},
      as_finetune("prompt-style", &o.prompt_style,
                  "with --chat (default: chat, the checkpoint's own template)"),
      as_finetune("parse-special", &o.parse_special,
                  "special tokens spelled in messages are control tokens (default: plain text)"),
      overwrite(o.overwrite, "replace a file that Falconer did not write"),
  };
}

Rows rows_of(PrepareOptions& o) {
  SettingRow format = as_finetune("data-format", &o.data_format);
  format.bare = "format";
  SettingRow checkpoint = as_finetune("checkpoint", &o.checkpoint, "folder with a tokenizer");
  checkpoint.bare = "";
  return {
      format,
      {.names = "input", .value = &o.input,
       .help = "rows (.json, .jsonl, .csv, .tsv, .parquet, also .gz and .zst) or text (.txt)",
       .kind = ValueKind::kFile, .required = true},
      checkpoint,
      as_finetune("columns", &o.columns),
      as_finetune("strict-columns", &o.strict_columns),
      as_finetune("delimiter", &o.delimiter),
      as_finetune("encoding", &o.encoding),
      {.names = "out", .value = &o.out, .help = "folder for train.jsonl and test.jsonl",
       .kind = ValueKind::kFolder, .required = true},
      as_finetune("test-size", &o.test_size),
      as_finetune("seed", &o.seed, "of the split"),
      as_finetune("prompt-style", &o.prompt_style, kOwnStyleHelp),
      as_finetune("train-on", &o.train_on),
      as_finetune("mask-prompt", &o.mask_prompt),
      as_finetune("parse-special", &o.parse_special),
      {.names = "prompt-ending", .value = &o.prompt_ending,
       .help = "what follows Alpaca's '### Response': colon or newline",
       .choices = {"newline", "colon"}, .shows_default = true},
      {.names = "tokenize", .value = &o.tokenize, .help = "prompt and answer: joint or separate",
       .choices = {"separate", "joint"}, .shows_default = true},
      as_finetune("max-seq-length", &o.max_seq_length),
      {.names = "keep-eos,!no-keep-eos", .value = &o.keep_eos,
       .help = "a row that was cut still ends with end-of-text (default)"},
      as_finetune("skip-bad", &o.skip_bad),
      overwrite(o.overwrite, "replace files in --out that prepare did not write"),
  };
}

Rows rows_of(CheckOptions& o) {
  SettingRow data = as_finetune("data", &o.data);
  data.names = "data,data-dir,input";
  return {
      data,
      as_finetune("checkpoint", &o.checkpoint),
      as_finetune("data-format", &o.data_format),
      as_finetune("columns", &o.columns),
      as_finetune("strict-columns", &o.strict_columns),
      as_finetune("delimiter", &o.delimiter),
      as_finetune("encoding", &o.encoding),
      as_finetune("prompt-style", &o.prompt_style, kOwnStyleHelp),
      as_finetune("train-on", &o.train_on),
      as_finetune("mask-prompt", &o.mask_prompt),
      as_finetune("parse-special", &o.parse_special),
      as_finetune("max-seq-length", &o.max_seq_length),
      as_finetune("test-size", &o.test_size),
      as_finetune("seed", &o.seed, "of the split, as prepare has it; finetune takes 42"),
      as_finetune("skip-bad", &o.skip_bad, "rows that cannot be read will be left out: a warning"),
      as_finetune("epochs", &o.epochs),
      as_finetune("batch-size", &o.batch_size),
      as_finetune("resize-embeddings", &o.resize_embeddings,
                  "rows may have tokens that the model has no row for, as finetune's flag adds them"),
      {.names = "max-bad", .value = &o.max_bad,
       .help = "rows that one kind of error may concern, as 3, 1% or 0.01; with more the exit code "
               "is 1",
       .shows_default = true},
      as_finetune("any-base", &o.any_base),
      {.names = "strict", .value = &o.strict, .help = "warnings count as errors do"},
      {.names = "json", .value = &o.json, .help = "one JSON object with every line instead of text"},
  };
}

Rows rows_of(ModelOptions& o) {
  Rows rows = {as_finetune("checkpoint", &o.checkpoint)};
  append(rows, adapter_rows(o));
  append(rows, {
      as_finetune("precision", &o.precision),
      as_finetune("quantize", &o.quantize, "matrices of layers in 4 to 8 bits, nf4, q8_0 and so on, made as they are read"),
      compute(o.compute, "products with quantised matrices: exact, or int8 (activations in 8 bits: fast); auto: int8"),
      as_finetune("device", &o.device),
      shard(o.shard),
      {.names = "random-weights", .value = &o.random_weights,
       .help = "random weights for config.json, to measure"},
      as_finetune("prompt-style", &o.prompt_style,
                  "alpaca, alpaca-colon, falcon, falcon-instruct, falcon3, llama2, llama3, mistral, "
                  "gemma, phi-3, vicuna, chatml, raw or chat, the checkpoint's own template (default: "
                  "as recorded with the adapter, else chat where there is one)"),
      as_finetune("parse-special", &o.parse_special,
                  "special tokens spelled in prompts are control tokens (default: plain text)"),
  });
  return rows;
}

Rows rows_of(SamplingSettings& s) {
  return {
      {.names = "max-new-tokens", .value = &s.max_new_tokens, .help = "longest answer",
       .range = kNewTokens, .shows_default = true},
      {.names = "temperature", .value = &s.temperature, .help = "0: always the most likely token",
       .range = kTemperatures, .shows_default = true},
      {.names = "top-k", .value = &s.top_k,
       .help = "draw from the k most likely tokens; 0: from all", .range = kTopK,
       .shows_default = true},
      {.names = "top-p", .value = &s.top_p,
       .help = "draw from the most likely tokens with this share", .range = kShares,
       .shows_default = true},
      {.names = "min-p", .value = &s.min_p,
       .help = "leave out tokens less likely than this share of the most likely one",
       .range = kShares, .shows_default = true},
      {.names = "typical-p", .value = &s.typical_p,
       .help = "draw from the most typical tokens with this share; 1: from all",
       .range = kTypicalShares, .shows_default = true},
      {.names = "repetition-penalty", .value = &s.repetition_penalty,
       .help = "of tokens that prompt and answer have; above 1: less of them",
       .range = kPenaltyFactors, .shows_default = true},
      {.names = "presence-penalty", .value = &s.presence_penalty,
       .help = "taken off the logits of tokens that the answer has", .range = kPenalties,
       .shows_default = true},
      {.names = "frequency-penalty", .value = &s.frequency_penalty,
       .help = "the same, for each time that it has them", .range = kPenalties,
       .shows_default = true},
      {.names = "no-repeat-ngram-size", .value = &s.no_repeat_ngram_size,
       .help = "so many tokens in a row come only once; 0: as often as they like",
       .range = kNgrams, .shows_default = true},
      {.names = "logit-bias", .value = &s.logit_bias,
       .help = "ID:VALUE, added to the logit of a token (may be given again)", .commas = true},
      {.names = "num-return-sequences", .value = &s.num_return_sequences,
       .help = "answers to each prompt", .range = kRepeats, .shows_default = true},
      {.names = "seed", .value = &s.seed, .help = "of the draws", .shows_default = true},
      {.names = "stop", .value = &s.stop, .help = "text that ends an answer (may be given again)"},
      {.names = "ignore-eos", .value = &s.ignore_eos,
       .help = "go on behind the end-of-text token"},
  };
}

Rows rows_of(ScoreOptions& o) {
  Rows rows = {as_finetune("checkpoint", &o.checkpoint)};
  append(rows, adapter_rows(o));
  append(rows, {
      {.names = "data", .value = &o.data,
       .help = "rows {\"input_ids\", \"labels\"?} or {\"text\"}: JSON lines, .csv, .tsv, .parquet; - is "
               "stdin",
       .kind = ValueKind::kFile, .required = true},
      {.names = "output", .value = &o.output,
       .help = "JSONL rows {\"loss\", \"tokens\", \"logprobs\"}; - is stdout",
       .kind = ValueKind::kFile, .shows_default = true},
      {.names = "logits", .value = &o.logits, .help = "safetensors file for logits.<row>",
       .kind = ValueKind::kFile},
      {.names = "dump-activations", .value = &o.dump_activations,
       .help = "safetensors file for what every part of the model makes of the first row",
       .kind = ValueKind::kFile},
      as_finetune("precision", &o.precision),
      as_finetune("quantize", &o.quantize, "matrices of layers in 4 to 8 bits, nf4, q8_0 and so on, made as they are read"),
      compute(o.compute, "products with quantised matrices: exact, or int8 (activations in 8 bits: fast); auto: exact"),
      as_finetune("device", &o.device),
      shard(o.shard),
      overwrite(o.overwrite, "replace files that Falconer did not write"),
  });
  return rows;
}

Rows rows_of(MergeOptions& o) {
  Rows rows = {as_finetune("checkpoint", &o.checkpoint)};
  append(rows, adapter_rows(o, true));
  append(rows, {
      {.names = "out", .value = &o.out, .help = "new model folder", .kind = ValueKind::kFolder,
       .required = true},
      shard_size(o.max_shard_bytes),
      {.names = "verify", .value = &o.verify, .help = "compare logits before and after"},
      overwrite(o.force, "replace a model that is there"),
  });
  return rows;
}

Rows rows_of(ExportOptions& o) {
  Rows rows = {as_finetune("checkpoint", &o.checkpoint)};
  append(rows, adapter_rows(o));
  append(rows, {
      {.names = "format", .value = &o.format,
       .help = "hf, gguf: a model (an adapter is folded in); litgpt, lit-parrot: a model, or the "
               "adapter that is given; peft, gguf-lora: an adapter",
       .choices = {"hf", "gguf", "litgpt", "lit-parrot", "peft", "gguf-lora"}, .required = true},
      {.names = "out", .value = &o.out,
       .help = "new folder; a file for gguf and gguf-lora, or ending in .pth",
       .kind = ValueKind::kPath, .required = true},
      {.names = "dtype", .value = &o.dtype,
       .help = "f32, f16, bf16, for gguf also q8_0, q4_k and so on (auto: as stored; adapters f32)",
       .choices = export_dtype_names(), .shows_default = true, .open = true},
      shard_size(o.max_shard_bytes),
      {.names = "verify", .value = &o.verify, .help = "open what was written and compare logits"},
      overwrite(o.force, "replace a model, an adapter or a file that is there"),
  });
  return rows;
}

Rows rows_of(QuantizeOptions& o) {
  Rows rows = {as_finetune("checkpoint", &o.checkpoint)};
  append(rows, adapter_rows(o));
  append(rows, {
      {.names = "format", .value = &o.format,
       .help = "q8_0, q4_k_m and so on: a GGUF as llama.cpp's names mean it; nf4, fp4, int8: a folder "
               "as transformers saves it with bitsandbytes",
       .choices = quantize_formats(), .required = true, .open = true},
      {.names = "out", .value = &o.out, .help = "new file, or new folder", .kind = ValueKind::kPath,
       .required = true},
      {.names = "calibrate", .value = &o.calibrate,
       .help = "rows that go through the model once: errors count as they make them count",
       .kind = ValueKind::kData},
      {.names = "double-quant", .value = &o.double_quant,
       .help = "of nf4 and fp4: scales in 8 bits, too"},
      shard_size(o.max_shard_bytes),
      {.names = "verify", .value = &o.verify, .help = "open what was written and compare logits"},
      overwrite(o.force, "replace a model that is there"),
  });
  return rows;
}

Rows rows_of(CompareOptions& o) {
  return {
      {.names = "out,out-dir", .value = &o.out, .help = "folder of the comparison",
       .kind = ValueKind::kFolder, .required = true},
      {.names = "ask", .value = &o.ask, .help = "held-out rows that are answered; 0: none",
       .range = kRowCounts, .shows_default = true},
      {.names = "new-tokens", .value = &o.new_tokens,
       .help = "tokens of the answers whose speed is measured; 0: none is",
       .range = WholeRange{0, kNewTokens.most}, .shows_default = true},
      {.names = "repeats", .value = &o.repeats,
       .help = "measurements of each speed; their median counts", .range = kRepeats,
       .shows_default = true},
      {.names = "merge,!no-merge", .value = &o.merge,
       .help = "measure merged models as well (default)"},
      {.names = "overwrite", .value = &o.overwrite, .help = "start anew instead of going on"},
  };
}

Rows rows_of(VerifyOptions& o) {
  return {
      {.names = "", .value = &o.folder, .help = "a run, or an adapter or model that it saved",
       .kind = ValueKind::kFolder, .required = true, .bare = "folder"},
      optional(as_finetune("checkpoint", &o.checkpoint,
                           "the base that it was trained on (default: as recorded)")),
      {.names = "data", .value = &o.data,
       .help = "the rows that it was trained on (default: as recorded)", .kind = ValueKind::kData},
  };
}

// clang-format on

}  // namespace falconer
