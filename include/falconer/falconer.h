// Falconer as a library: everything that the program can do. Paths and names are as on the command
// line; wrong input throws falconer::Error; progress goes to stderr.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "falconer/error.h"

namespace falconer {

/// "0.1.0"
std::string version();

// ---- settings of the process

/// "quiet", "warning", "info" or "debug"; "info" at the start.
void set_verbosity(const std::string& level);
/// Threads of all computation; 0: the cores of this process.
void set_threads(int threads);
/// SIGINT and SIGTERM let running work save and return.
void handle_interrupts();
/// Whether one of them has come since.
bool interrupted();

// ---- checkpoints
//
// Wherever a checkpoint, an adapter or data is named, "org/name" or "org/name@revision" on the hub
// will do where there is no such path: it is taken from the cache, else fetched.

struct DownloadOptions {
  std::string name;                           // "org/name" or "org/name@revision"
  std::vector<std::string> files;             // empty: what a model is loaded from, or all rows
  std::vector<std::string> include, exclude;  // patterns
  std::string revision;   // branch, tag or commit; empty: as in the name, or main
  std::string local_dir;  // real files here; empty: the cache
  bool dataset = false;
  int jobs = 8;  // files at one time
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

struct TokenizeOptions {
  std::string checkpoint;      // folder with tokenizer.json
  std::string input, output;   // JSONL; "-": standard input or output
  bool decode = false;         // {"ids"} to {"text"} instead of {"text"} to {"ids"}
  bool chat = false;           // rows of messages (any data format) to {"text", "ids"}, as rendered
  std::string prompt_style;    // with chat; empty: the checkpoint's chat template
  bool parse_special = false;  // with chat: special tokens in messages are control tokens
};
void tokenize(const TokenizeOptions& options);

// ---- data

/// "alpaca", "sharegpt", ...: formats that rows may have.
std::vector<std::string> data_formats();

struct PrepareOptions {
  std::string input;  // rows: JSON, JSONL, CSV or plain text
  std::string checkpoint, out;
  std::string data_format;  // empty or "auto": the first row's
  std::string
      prompt_style;  // empty: alpaca for Alpaca's rows; for chats the checkpoint's template,
                     // or falcon where it has none
  std::optional<int64_t> test_size;  // absent: 2000, or a tenth of the rows where that is less
  uint64_t seed = 42;
  bool mask_prompt = true;                // false is train_on = "everything"
  std::string train_on = "all-turns";     // or "last-turn", "everything"
  bool parse_special = false;             // special tokens in rows are control tokens
  std::string prompt_ending = "newline";  // or "colon"
  std::string tokenize = "separate";      // or "joint"
  int64_t max_seq_length = 2048;
  bool keep_eos = true;
  bool skip_bad = false;
};
/// Writes train.jsonl and test.jsonl; returns the report for people.
std::string prepare(const PrepareOptions& options);

struct CheckOptions {
  std::string checkpoint, data;  // as FinetuneOptions: rows are read as finetune() reads them
  std::string data_format, prompt_style;
  std::string train_on = "all-turns";
  bool mask_prompt = true, parse_special = false;
  bool skip_bad = false;  // bad rows will be left out: they are warnings and no errors
  int64_t max_seq_length = 2048;
  int64_t test_size = 0;
  uint64_t seed = 42;                    // of the split; finetune() takes 42
  int64_t batch_size = 128, epochs = 1;  // for the estimate of steps
  /// Rows that one kind of error may concern: a count, or a share ("1%", "0.01").
  std::string max_bad = "0";
  bool strict = false;  // warnings count as errors do
  bool json = false;    // make CheckReport::json, which names every row
};
struct CheckFinding {
  std::string kind;      // "no-targets", ...
  std::string severity;  // "error", "warning", "note"
  int64_t rows = 0;
  // Of the first 1000: "7", or "train.jsonl:7" where there are several files; "row 7" or
  // "train.json:row 7" where a JSON array stands in one line.
  std::vector<std::string> lines;
};
struct CheckReport {
  std::vector<CheckFinding> findings;  // errors first
  std::string text, json;
  std::string failure;  // what exceeds max_bad; empty: the data is fine
};
/// What is wrong with data, before anything is trained on it: rows with nothing to learn, repeats,
/// what is cut, held-out rows that are trained on, and so on. Writes nothing.
CheckReport check(const CheckOptions& options);

// ---- finetuning

struct FinetuneOptions {
  std::string method = "lora";  // "lora", "adapter", "adapter-v2", "full"
  std::string checkpoint, data, out;
  std::string precision = "auto";
  std::string device;  // "cpu", "cuda", "cuda:N" or "auto"; empty: FALCONER_DEVICE, else cpu
  // On a GPU: choose no kernel by measuring it. The CPU gives the same bytes always.
  bool deterministic = false;
  // optimizer; an absent value is the method's default
  std::string optimizer = "adamw";  // "adamw-8bit", "sgd"
  std::optional<double> lr, weight_decay;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  std::string schedule = "constant";
  std::optional<int64_t> warmup_steps;
  double grad_clip = 1;
  std::string loss_average = "token";
  // length
  int64_t max_steps = 0, epochs = 1;
  int64_t batch_size = 128, micro_batch_size = 4;
  // Rows that are computed together are as many as have so many tokens, whatever micro_batch_size
  // is; 0: not so. `packing` is micro_batch_tokens = max_seq_length.
  int64_t micro_batch_tokens = 0;
  bool packing = false;
  // data
  int64_t max_seq_length = 2048;
  int64_t test_size = 0;     // rows of a single file that are held out
  std::string data_format;   // as PrepareOptions
  std::string prompt_style;  // empty: what the data was prepared with, else as PrepareOptions
  bool mask_prompt = true, skip_bad = false, parse_special = false;
  std::string train_on = "all-turns";
  bool shuffle = true;
  uint64_t seed = 1337;
  // methods
  int64_t lora_r = 8;
  double lora_alpha = 16;
  std::optional<double> lora_dropout;
  std::vector<std::string> lora_targets = {"q", "v"};
  bool lora_rs = false, lora_dora = false;
  int64_t adapter_length = 10, adapter_start_layer = 2;
  std::string init_adapter;
  bool from_scratch = false;  // random values for config.json, no weights are read
  // saving and watching
  int64_t save_interval = 0, eval_interval = 0, early_stop = 0;
  int keep = 2;
  bool keep_best = false, skip_nonfinite = false, overwrite = false;
  std::string resume;         // "": no, "auto", or a checkpoint folder
  std::string sample_prompt;  // answered after each evaluation
  bool tensorboard = true;    // event files beside metrics.jsonl
  // Keep a block's input alone for backward and compute the rest again, a quarter more work: "auto"
  // (where the run would not fit otherwise), "on", "off".
  std::string recompute = "auto";
  // On a GPU: keep the optimizer's state in the host's memory: "auto" (full, where the run would not fit
  // otherwise), "on", "off".
  std::string offload_optimizer = "auto";
  // Full finetuning in bf16: what learns is kept in "f32", in "bf16" and rounded stochastically, or as
  // "auto" says: in f32 where that fits.
  std::string master_weights = "auto";
  bool low_memory = false;  // keep about one layer of a mapped model resident, and read it again
  std::string on_spike = "warn";  // "skip", "off": steps far above those before (spike_guard.h)
  bool check_finite = false;      // look at all that is computed, and stop at the first op that
                                  // writes a number that is not finite; slow
  bool any_base = false;  // go on from an adapter or a run that was trained on another checkpoint
};

struct FinetuneReport {
  int64_t steps = 0, tokens = 0, trainable = 0;
  double last_loss = 0, seconds = 0;
  int64_t peak_rss_bytes = 0;
  bool interrupted = false;
  std::string final_folder;  // empty where the run did not come to its end
};
FinetuneReport finetune(const FinetuneOptions& options);

struct FinetunePlan {
  int64_t rows = 0, held_out_rows = 0;
  int64_t steps = 0, steps_per_epoch = 0;
  int64_t rows_seen = 0, tokens_seen = 0;  // over the whole run; tokens are estimated
  int64_t trainable = 0;
  int64_t memory_bytes = 0, memory_available = 0;  // besides the mapped weights
  int64_t disk_bytes = 0, disk_available = 0;
  bool fits = false;  // in memory
  std::string text;   // all of it, for people
};
/// Everything that finetune() checks before its first step: checkpoint, adapter, data, folder, disk.
/// Trains and writes nothing.
FinetunePlan dry_run(const FinetuneOptions& options);

/// Bytes that a run would need, by class, before anything is loaded. Returns text for people.
std::string plan(const FinetuneOptions& options);

// ---- watching

struct RunSummary {
  std::string folder, method;  // folder: as seen from the one that was listed
  /// "running", "finished", "stopped" (saved, to be gone on with), "failed" (with a message) or
  /// "crashed" (ended without a word).
  std::string state;
  std::string message, started;
  int64_t steps = 0, total_steps = 0, tokens = 0;
  std::optional<double> lr, loss, best_loss, eval_loss, best_eval_loss;  // loss: of the last step
  double seconds = 0, tokens_per_second = 0;
  int64_t peak_rss_bytes = 0;
};
struct RunsReport {
  std::vector<RunSummary> runs;
  std::string text, json;
};
/// The runs in `folder` and below it. `sort`: "name", "started", "loss", "eval-loss", "speed",
/// "memory" or "time"; the best first.
RunsReport list_runs(const std::string& folder, const std::string& sort = "name");

struct VerifyOptions {
  std::string folder;            // of a run, or of one adapter or model that a run saved
  std::string checkpoint, data;  // empty: as they were recorded
};
struct VerifyReport {
  bool ok = true;
  std::string text, json;
};
/// Looks again at all that was saved: that files read as they were written, that tensors are finite
/// and were trained, that the base, its tokenizer and the data are still those of the run. Writes
/// nothing.
VerifyReport verify(const VerifyOptions& options);

struct MergeOptions {
  std::string checkpoint, adapter, out;
  int64_t max_shard_bytes = 5'000'000'000;
  bool verify = false;    // compare logits before and after
  bool force = false;     // replace what an export wrote before
  bool any_base = false;  // an adapter that was trained on another checkpoint
};
/// Folds an adapter into a new Hugging Face folder; returns text for people.
std::string merge(const MergeOptions& options);

struct ExportOptions {
  std::string checkpoint;  // a Hugging Face folder, LitGPT's, or a GGUF file
  std::string adapter;     // empty: none
  std::string out;
  /// "hf" and "gguf" write the model, with the adapter folded in; "litgpt" and "lit-parrot" write
  /// the model, or the adapter where one is given; "peft" and "gguf-lora" write the adapter.
  std::string format;
  std::string dtype = "auto";  // as it is stored, "f32", "f16", "bf16", for gguf "q8_0"
  int64_t max_shard_bytes = 5'000'000'000;  // of hf
  bool verify = false, force = false, any_base = false;
};
/// A model or an adapter in another program's files; returns text for people.
std::string export_model(const ExportOptions& options);

// ---- use

struct ScoreOptions {
  std::string checkpoint, adapter, data, output;
  std::string logits;  // safetensors file with logits.<row>; empty: none
  std::string precision = "auto";
  std::string device;  // as in FinetuneOptions
  bool any_base = false;
};
void score(const ScoreOptions& options);

struct ModelOptions {
  std::string checkpoint, adapter;
  std::string precision = "auto";
  std::string device;           // as in FinetuneOptions
  bool random_weights = false;  // for config.json, for measuring: no weights are read
  std::string prompt_style;  // empty: as recorded with the adapter, else the checkpoint's template
  bool parse_special = false;  // special tokens that a prompt spells are control tokens
  bool any_base = false;       // use an adapter with another checkpoint than it was trained on
};

struct SamplingSettings {
  int64_t max_new_tokens = 256;
  double temperature = 0.8;
  int64_t top_k = 50;
  double top_p = 1;
  uint64_t seed = 1;
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

struct Completion {
  std::vector<int32_t> prompt_ids, ids;
  std::string text, finish_reason;
  double prefill_tokens_per_second = 0, decode_tokens_per_second = 0;
};

struct ChatMessage {
  std::string role, content;  // "system", "user", "assistant", "tool"
  std::string input;          // further context of a user's message, as Alpaca has it
  std::string more;           // JSON: what else an OpenAI message has ("tool_calls", ...); or empty
};
struct Chat {
  std::vector<ChatMessage> messages;
  std::string tools;  // JSON: a list of tools that the chat template tells of; or empty
};
/// A JSON object {"messages": [{"role", "content"}], "tools"?} as OpenAI has it. Error: another one.
Chat parse_chat(const std::string& json);

/// A model in memory, ready to answer.
class Model {
 public:
  static Model open(const ModelOptions& options);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// The ids of an instruction in the prompt style recorded with the adapter (or the text as it is,
  /// its special tokens too, where `raw` or where there is no style). Error: the checkpoint has no
  /// tokenizer.
  std::vector<int32_t> encode_prompt(const std::string& instruction, const std::string& input = "",
                                     bool raw = false) const;
  /// The ids of messages that an answer is to follow, in the same style; as they stand where `raw`
  /// or where there is none.
  std::vector<int32_t> encode_chat(const Chat& chat, bool raw = false) const;
  /// Tokens that a prompt and its answer may have together.
  int64_t context() const;
  /// Called with the number of the prompt and new text.
  using OnText = std::function<void(size_t, std::string_view)>;
  std::vector<Completion> generate(const std::vector<std::vector<int32_t>>& prompts,
                                   const SamplingSettings& settings, const OnText& on_text = {});
  /// "alpaca", ... as recorded with the adapter, or "chat"; empty where there is none.
  std::string prompt_style() const;
  /// The text of an answer's ids: a token at their end that ends the answer is no part of it. Error:
  /// the checkpoint has no tokenizer.
  std::string decode(const std::vector<int32_t>& ids) const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct EvaluateOptions {
  ModelOptions model;
  /// Rows with a prompt, an instruction or messages and the expected answer, or of token ids whose
  /// labels begin behind the prompt.
  std::string data;
  std::string output;  // JSONL {"prompt", "expected", "answer", "exact"}; empty: none
  SamplingSettings sampling = {.max_new_tokens = 128, .temperature = 0};
  int64_t limit = 0;        // rows that are asked; 0: all
  int64_t batch_size = 32;  // rows that are answered together
};
struct EvaluatedRow {
  std::string instruction, input, expected, answer;
  bool exact = false;  // the same text, white space at the ends apart
};
struct EvaluateReport {
  std::vector<EvaluatedRow> rows;
  int64_t exact = 0;
};
/// Answers every row and compares with what the file expects.
EvaluateReport evaluate(const EvaluateOptions& options);

// ---- comparing

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
  std::string page;      // path of the HTML page
  bool complete = true;  // false: a method did not fit in memory
};
/// Trains every run in a process of its own, lets each answer the held-out rows, measures speed and
/// memory, and writes compare.html, compare.md, compare.json and charts/ to `out`. What was finished
/// before is not done again.
CompareReport compare(const CompareOptions& options);

// ---- checking the program itself

struct SelfTestOptions {
  std::string only;     // one line, computed in this process; empty: all, each in one of its own
  std::string program;  // the falconer to start; empty: the program that runs now
  int threads = 0;      // of the processes that are started; 0: all cores
};
struct SelfTestLine {
  std::string name;                                // "scalar", "AVX2", "cuda:0", ...
  std::string state;                               // "ok", "failed", "absent"
  std::string detail;                              // what failed, or why it is absent
  double difference_f32 = 0, difference_bf16 = 0;  // the largest, as a share of the largest number
  double seconds = 0;
  int64_t peak_rss_bytes = 0;
};
struct SelfTestReport {
  std::vector<SelfTestLine> lines;
  bool passed = false;  // no line failed
  std::string text, json;
};
/// Computes logits, losses, gradients, training steps with every method and a greedy answer of a
/// small built-in model on every backend and instruction set of this machine, and compares them with
/// built-in numbers. Needs no file.
SelfTestReport selftest(const SelfTestOptions& options);
/// The built-in numbers: a JSON object with lists "f32" and "bf16" of {"name", "values"}.
std::string selftest_numbers();

/// The most memory that this process ever had resident.
int64_t peak_memory_bytes();

}  // namespace falconer
