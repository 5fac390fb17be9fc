// A model at work: scores, answers, evaluation.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "falconer/error.h"

namespace falconer {

struct ScoreOptions {
  std::string checkpoint, adapter, data, output;
  std::string logits;  // safetensors file with logits.<row>; empty: none
  std::string
      dump_activations;  // as Model::dump_activations() writes it, of the first row; empty: none
  std::string precision = "auto";
  std::string device;                               // as in FinetuneOptions
  std::string quantize = "none", compute = "auto";  // as in ModelOptions, but auto is exact
  std::string shard = "none";                       // as in ModelOptions
  bool any_base = false;                            // as in ModelOptions
  bool overwrite = false;  // files at these paths that Falconer did not write
};
/// In a job of several ranks (ranks.h) all call it: rows are divided among them, and the first writes the files.
void score(const ScoreOptions& options);

struct ModelOptions {
  std::string checkpoint, adapter;
  std::string precision = "auto";
  std::string device;           // as in FinetuneOptions
  bool random_weights = false;  // for config.json, for measuring: no weights are read
  std::string prompt_style;  // empty: as recorded with the adapter, else the checkpoint's template
  bool parse_special = false;  // special tokens that a prompt spells are control tokens
  // As FinetuneOptions::quantize.
  std::string quantize = "none";
  // Products with quantised matrices: "exact", with their very numbers, "int8", where activations are rounded to 8
  // bits, which is several times as fast, or "auto": int8.
  std::string compute = "auto";
  // In a job of several ranks (ranks.h): what each has a part of; "none": all have the whole model, or "all"
  // weights, which then come from all ranks for every pass.
  std::string shard = "none";
  bool any_base =
      false;  // an adapter that was trained on another checkpoint, rows prepared with one
};

struct SamplingSettings {
  int64_t max_new_tokens = 256;
  double temperature = 0.8;
  int64_t top_k = 50;
  double top_p = 1;
  double min_p =
      0;  // leave out tokens with less than this share of the most likely one's probability
  double typical_p = 1;  // draw from the most typical tokens with this share; 1: from all
  /// Of tokens that prompt and answer have, as transformers' repetition_penalty.
  double repetition_penalty = 1;
  /// Taken off the logit of tokens that the answer has: once, and for each time.
  double presence_penalty = 0, frequency_penalty = 0;
  int64_t no_repeat_ngram_size =
      0;  // so many tokens in a row come once in prompt and answer; 0: no such rule
  std::vector<std::string> logit_bias;  // "ID:VALUE": is added to the token's logit
  int64_t num_return_sequences = 1;     // answers to each prompt, next to each other
  uint64_t seed = 1;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  /// The number of the first prompt of a call. Seed and number name the random numbers that a prompt
  /// draws: the same ones however many prompts are answered together.
  uint32_t first_prompt = 0;
};

/// What the generation_config.json of a checkpoint says; our defaults where it says nothing. As transformers
/// reads it: without "do_sample": true the most likely token is taken. Errors: there is none; a value that
/// cannot be.
SamplingSettings generation_settings(const std::string& checkpoint);

/// Error (usage): a setting that cannot be. Model::generate asks the same; before a model is opened it
/// costs nothing.
void check_sampling(const SamplingSettings& settings);

struct Completion {
  std::vector<int32_t> prompt_ids, ids;
  std::string text;
  std::string finish_reason;  // "stop", "length", "cancelled"
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

/// A model in memory, ready to answer. One thread uses it at a time; several models may be at work at once. In a job
/// that was joined (ranks.h) all ranks make the same calls, and generate() divides its prompts among them.
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
  /// The ids of messages whose last one is an answer, up to the token that ends its turn, and the place where the
  /// answer's own ids begin. Error: the last one is no answer, or the chat template hides where it lies.
  std::vector<int32_t> encode_answered(const Chat& chat, bool raw, size_t& begin) const;
  /// Tokens that a prompt and its answer may have together.
  int64_t context() const;
  /// The tokens that logits are about.
  int64_t vocab() const;
  /// Blocks of the decoder, and the numbers of a hidden state.
  int64_t layers() const;
  int64_t width() const;
  /// ids.size() x vocab() logits, row by row: row i is about the token behind ids[0..i]. Errors: no ids, one
  /// outside of the vocabulary, more than context(), a logit that is not finite.
  std::vector<float> logits(const std::vector<int32_t>& ids);
  /// ln p of each token behind the first one of each row, given those before it: what score() writes as
  /// "logprobs". Rows are divided among the ranks of a job. Errors: as of logits().
  std::vector<std::vector<float>> logprobs(const std::vector<std::vector<int32_t>>& rows);
  /// layers() + 1 states of ids.size() x width() numbers, row by row: entry 0 is the embedding, entry i what
  /// block i - 1 gives, and the last one is behind the last norm, where the head begins. These are
  /// `output_hidden_states` of transformers. Where the model computes in bf16, so are they, in f32. Errors: as
  /// of logits(); but a number that is not finite is handed out as it is.
  std::vector<std::vector<float>> hidden_states(const std::vector<int32_t>& ids);
  /// Writes what every part of the model makes of `ids` to a safetensors file, in f32: embedding, layers.N.*,
  /// final_norm, logits. Numbers that are not finite are written as they are. Errors: as logits(); a file
  /// that Falconer did not write and that is not to be overwritten.
  void dump_activations(const std::vector<int32_t>& ids, const std::string& file,
                        bool overwrite = false);
  /// From here to end_profile(), in one thread, the time of every op is taken. Error: as of dump_activations().
  void begin_profile(const std::string& file, bool overwrite = false);
  /// Logs the times by op and by layer, and writes a trace for Perfetto and chrome://tracing to the file.
  void end_profile();
  /// Called with the number of the prompt and new text; what it throws ends the call.
  using OnText = std::function<void(size_t, std::string_view)>;
  /// `cancel` is looked at before each token: where it is true, answers are what they are by then.
  std::vector<Completion> generate(const std::vector<std::vector<int32_t>>& prompts,
                                   const SamplingSettings& settings, const OnText& on_text = {},
                                   const std::atomic<bool>* cancel = nullptr);
  /// "alpaca", ... as recorded with the adapter, or "chat"; empty where there is none.
  std::string prompt_style() const;

  // Adapters on one base. The base is read once and its memory is shared: each costs its own tensors, and
  // each gives the answers, to the bit, of a model that is opened with it alone. That of ModelOptions::adapter
  // is named "default".

  /// Reads another adapter (a path or a name on the hub), under a name of yours; it is used after
  /// set_adapter(). Errors, and nothing changes: the name is taken or empty; what Model::open says of an
  /// adapter; the model is at work, as of the next two.
  void load_adapter(const std::string& name, const std::string& adapter);
  /// Answers, logits and the prompt style are those of this adapter from now on; of the base alone where
  /// `name` is empty. Error: none of that name is loaded; the message lists those that are.
  void set_adapter(const std::string& name);
  /// Gives its memory back (that of "default" when the model is closed). Where it was in use, the base alone
  /// is. Error: as set_adapter().
  void unload_adapter(const std::string& name);
  /// The names of those that are loaded, sorted; of the one in use, empty where it is the base alone.
  std::vector<std::string> adapters() const;
  std::string adapter() const;

  /// The text of an answer's ids: a token at their end that ends the answer is no part of it. Error:
  /// the checkpoint has no tokenizer.
  std::string decode(const std::vector<int32_t>& ids) const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The prompts of a file of rows {"prompt"}, {"instruction", "input"?}, {"messages"} or {"prompt_ids"}, in any
/// kind of file that rows are read from ("-": JSON lines of standard input), as token ids. `raw`: a prompt is
/// used as it is. Errors: no rows, or one that is none of these, with its line.
std::vector<std::vector<int32_t>> read_prompts(const std::string& path, const Model& model,
                                               bool raw = false);

struct EvaluateOptions {
  ModelOptions model;
  /// Adapters that are asked beside each other, PATH or NAME=PATH, after that of `model`; the base is read once.
  std::vector<std::string> adapters;
  bool base = false;  // the model without an adapter is asked too, first
  /// Other checkpoints, such as merged ones, that are asked too: PATH or NAME=PATH.
  std::vector<std::string> also;
  /// Rows with a prompt, an instruction or messages and the expected answer, or of token ids whose
  /// labels begin behind the prompt. Of rows with "options", "choices" or "endings", a list of texts, the most
  /// likely option is the answer. Empty: no rows are asked.
  std::string data;
  std::string data_format, columns;  // as PrepareOptions
  bool strict_columns = false;
  std::string delimiter, encoding;
  std::string output;  // JSONL {"instruction", "input", "expected", "answer", "exact"}; empty: none
  SamplingSettings sampling = {.max_new_tokens = 128, .temperature = 0};
  /// "on": prompts are rendered by the checkpoint's chat template, as with prompt_style "chat"; "off": they stand as
  /// they are, as with "raw". Empty: prompt_style says how.
  std::string chat_template;
  int64_t limit = 0;        // rows that are asked; 0: all
  int64_t batch_size = 32;  // rows that are answered together
  bool overwrite = false;   // a file at `output` that Falconer did not write
  std::string perplexity;   // a file of text in UTF-8 whose perplexity is measured; empty: none
  /// Tokens of a window of that text, and how many the next one begins behind it. 0: the context, and
  /// 4096 at most; half of the window.
  int64_t window = 0, stride = 0;
};
struct EvaluatedRow {
  std::string instruction, input, expected, answer;
  bool exact = false;          // the same text, white space at the ends apart
  std::vector<double> scores;  // by EvaluateReport::metrics, from 0 to 1
  /// Of a row with options: these, and ln p of each behind the prompt.
  std::vector<std::string> options;
  std::vector<double> logprobs;
};
/// A mean over rows, and what 95 % of the means of 1,000 resamples with replacement lie between.
struct Estimate {
  double mean = 0, low = 0, high = 0;
};
/// Of a text whose tokens are read in windows, each token predicted once, as transformers' guide has it:
/// perplexity is exp(loss), and bits per byte are loss * tokens / (bytes * ln 2).
struct TextPerplexity {
  int64_t bytes = 0, tokens = 0, window = 0, stride = 0;
  int64_t predicted = 0;  // tokens with a loss: all but the first, or the first ones of windows
  double loss = 0;        // the mean, in nats
  double perplexity = 0, bits_per_byte = 0;
};
struct EvaluatedModel {
  std::string name;
  std::vector<EvaluatedRow> rows;
  int64_t exact = 0;
  /// By EvaluateReport::metrics; differences to the first model are of the same rows, and it has none.
  std::vector<Estimate> estimates, differences;
  std::optional<TextPerplexity> perplexity;
};
struct EvaluateReport {
  /// "exact", "f1" (SQuAD's, of tokens) and "rouge_l" (of rouge_score, without stemming); of rows with
  /// options "acc" and "acc_norm" (ln p by the option's characters), as in lm-evaluation-harness.
  std::vector<std::string> metrics;
  std::vector<EvaluatedModel> models;  // at least one
  std::string text;                    // tables of all this, for people
};
/// Answers every row and compares with what the file expects; measures the perplexity of a text. Error (usage):
/// there is neither; two models of one name.
EvaluateReport evaluate(const EvaluateOptions& options);

}  // namespace falconer
