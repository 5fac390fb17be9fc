// falconer::Model: a checkpoint with an adapter, ready to answer.
#include <algorithm>
#include <cmath>
#include <map>

#include "api/common.h"
#include "api/finetune/rank_run.h"
#include "api/measure/profiling.h"
#include "api/measure/token_losses.h"
#include "api/model/activations.h"
#include "api/model/base_check.h"
#include "api/model/chat.h"
#include "api/model/logits.h"
#include "api/model/open_texts.h"
#include "api/model/ranks_at_use.h"
#include "api/model/resolve.h"
#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/number.h"
#include "base/output.h"
#include "falconer/use.h"
#include "generate/ends.h"
#include "generate/generator.h"
#include "ranks/job.h"

namespace falconer {

struct Model::Impl {
  ModelOptions options;    // its paths are local ones
  Ranks* ranks = nullptr;  // of the job; null: this process is alone
  std::unique_ptr<Session> session;
  std::shared_ptr<const Tokenizer> base_tokenizer;  // null: there is none
  std::map<std::string, std::shared_ptr<const ModelTexts>>
      texts_of;  // by adapter; of "" once it is in use
  int answering = 0;
  std::unique_ptr<Profiling> profiling;  // before the session is let go

  // Hooks of an answer must stay as long as it goes on.
  void check_idle() const {
    if (answering > 0)
      fail_usage("the model is answering, and its adapter cannot be another one before it has");
  }

  /// Of the adapter that is used.
  const ModelTexts& texts() const { return *texts_of.at(session->adapter()); }
  void open_texts_of(const std::string& name, const std::string& adapter) {
    texts_of.emplace(name, open_texts(options, adapter, base_tokenizer));
  }
  const Tokenizer& needed_tokenizer() const {
    if (texts().tokenizer() == nullptr)
      fail("{}: has no tokenizer; give token ids with --prompt-ids", session->options().checkpoint);
    return *texts().tokenizer();
  }
  // Error: the file may not be written.
  void check_output(const std::string& file, const char* flag, bool overwrite) const {
    OutputRule rule(overwrite);
    for (const std::string& input : {session->options().checkpoint, session->adapter_path()})
      rule.reads(input);
    rule.check_result(file, flag);
  }
  bool first() const { return ranks == nullptr || ranks->first(); }  // files are its to write
};

namespace {

/// Counts as one while it lives.
class Answering {
 public:
  explicit Answering(int& count) : count_(count) { ++count_; }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering() { --count_; }

 private:
  int& count_;
};

}  // namespace

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const ModelOptions& named) {
  ModelOptions options = named;
  options.checkpoint = resolve_checkpoint(named.checkpoint);
  options.adapter = resolve_adapter(named.adapter);
  auto impl = std::make_unique<Impl>();
  impl->ranks = joined_ranks();
  refuse_other_settings(impl->ranks, settings_of(options));
  if (std::optional<Tokenizer> found = find_tokenizer(options.checkpoint))
    impl->base_tokenizer = std::make_shared<const Tokenizer>(std::move(*found));
  if (!options.random_weights) {
    check_base(options.adapter, options.checkpoint, impl->base_tokenizer.get(), options.any_base);
    warn_of_quantisation(options.adapter, options.checkpoint, parse_quantise(options.quantize));
  }
  impl->session = Session::open({.checkpoint = options.checkpoint,
                                 .adapter = options.adapter,
                                 .precision = parse_precision(options.precision),
                                 .from_scratch = options.random_weights,
                                 .device = device_of_rank(impl->ranks, options.device),
                                 .quantise = parse_quantise(options.quantize),
                                 .whole_numbers = in_whole_numbers(options.compute, true),
                                 .division = division_for_use(impl->ranks, options.shard),
                                 .ranks = impl->ranks});
  refuse_other_tensors(impl->ranks, impl->session->weights());
  impl->options = std::move(options);
  impl->open_texts_of(impl->session->adapter(), impl->options.adapter);
  return Model(std::move(impl));
}

std::string Model::prompt_style() const {
  const std::optional<PromptStyle>& style = impl_->texts().style();
  return style ? style->name() : "";
}

int64_t Model::context() const { return impl_->session->config().context; }

std::string Model::decode(const std::vector<int32_t>& ids) const {
  const Tokenizer& tokenizer = impl_->needed_tokenizer();
  const std::vector<int32_t> ends =
      ends_of_answer(impl_->session->config(), &tokenizer, impl_->texts().ends_of_turn());
  const bool ended = !ids.empty() && std::binary_search(ends.begin(), ends.end(), ids.back());
  return tokenizer.decode({ids.begin(), ids.end() - (ended ? 1 : 0)});
}

std::vector<int32_t> Model::encode_prompt(const std::string& instruction, const std::string& input,
                                          bool raw) const {
  impl_->needed_tokenizer();
  return impl_->texts().encode_prompt(instruction, input, raw);
}

std::vector<int32_t> Model::encode_chat(const Chat& chat, bool raw) const {
  impl_->needed_tokenizer();
  return impl_->texts().encode_chat(conversation_of(chat), raw);
}

std::vector<int32_t> Model::encode_answered(const Chat& chat, bool raw, size_t& begin) const {
  impl_->needed_tokenizer();
  return impl_->texts().encode_answered(conversation_of(chat), raw, begin);
}

void check_sampling(const SamplingSettings& settings) { check_bounds(settings); }

int64_t Model::vocab() const { return impl_->session->config().vocab; }

int64_t Model::layers() const { return impl_->session->config().layers; }

int64_t Model::width() const { return impl_->session->config().width; }

std::vector<float> Model::logits(const std::vector<int32_t>& ids) {
  const Tensor all = logits_of(*impl_->session, ids);
  const float* values = all.view().row<float>(0);
  return {values, values + all.view().size()};
}

std::vector<std::vector<float>> Model::logprobs(const std::vector<std::vector<int32_t>>& rows) {
  Session& session = *impl_->session;
  for (const auto& row : rows)
    check_row(session.config(), row, "log-probabilities are of what follows a token");
  if (impl_->ranks != nullptr) refuse_other_prompts(*impl_->ranks, rows);
  const RowRange own = own_rows(std::ssize(rows), impl_->ranks);
  const std::span mine(rows.begin() + own.begin, static_cast<size_t>(own.count));
  std::vector<std::vector<float>> made;
  for (size_t begin = 0; begin < mine.size();) {  // as many together as a context has tokens
    size_t end = begin + 1, tokens = mine[begin].size();
    while (end < mine.size() &&
           static_cast<int64_t>(tokens + mine[end].size()) <= session.config().context)
      tokens += mine[end++].size();
    const std::vector<float> losses = token_losses(session, mine.subspan(begin, end - begin));
    for (auto loss = losses.begin(); begin < end; ++begin) {
      std::vector<float>& row = made.emplace_back();
      for (size_t i = 1; i < mine[begin].size(); ++i) row.push_back(-*loss++);
    }
  }
  session.pass_for_others();
  return impl_->ranks != nullptr ? numbers_of_all(*impl_->ranks, made) : made;
}

void Model::dump_activations(const std::vector<int32_t>& ids, const std::string& file,
                             bool overwrite) {
  impl_->check_output(file, "--dump-activations", overwrite);
  if (impl_->first()) write_activations(*impl_->session, ids, file);
  impl_->session->pass_for_others();
}

void Model::begin_profile(const std::string& file, bool overwrite) {
  impl_->check_output(file, "--profile", overwrite);
  impl_->profiling.reset();
  if (impl_->first()) impl_->profiling = std::make_unique<Profiling>(*impl_->session, file);
}

void Model::end_profile() {
  if (impl_->profiling) impl_->profiling->finish();
  impl_->profiling.reset();
}

std::vector<std::vector<float>> Model::hidden_states(const std::vector<int32_t>& ids) {
  const Tensor all = hidden_states_of(*impl_->session, ids);
  const auto size = static_cast<int64_t>(ids.size()) * width();
  std::vector<std::vector<float>> states;
  for (int64_t i = 0; i <= layers(); ++i) {
    const float* state = all.view().row<float>(0) + i * size;
    states.emplace_back(state, state + size);
  }
  return states;
}

void Model::load_adapter(const std::string& name, const std::string& adapter) {
  impl_->check_idle();
  const ModelOptions& options = impl_->options;
  if (adapter.empty())
    fail_usage("the adapter \"{}\" has no path; name its folder", printable(name));
  const std::string path = resolve_adapter(adapter);
  if (!options.random_weights) {
    check_base(path, options.checkpoint, impl_->base_tokenizer.get(), options.any_base);
    warn_of_quantisation(path, options.checkpoint, parse_quantise(options.quantize));
  }
  std::shared_ptr<const ModelTexts> texts = open_texts(options, path, impl_->base_tokenizer);
  impl_->session->load_adapter(name, path);
  impl_->texts_of.emplace(name, std::move(texts));
}

void Model::set_adapter(const std::string& name) {
  impl_->check_idle();
  if (name.empty() && !impl_->texts_of.contains("")) impl_->open_texts_of("", "");
  impl_->session->use_adapter(name);
}

void Model::unload_adapter(const std::string& name) {
  impl_->check_idle();
  if (!name.empty() && name == adapter()) set_adapter("");
  impl_->session->unload_adapter(name);
  impl_->texts_of.erase(name);
}

std::vector<std::string> Model::adapters() const { return impl_->session->adapters(); }

std::string Model::adapter() const { return impl_->session->adapter(); }

namespace {

/// "11:-100". Error (usage): something else, or a token that the model does not have.
std::pair<int32_t, double> parse_bias(const std::string& text, int64_t vocab) {
  const size_t colon = text.find(':');
  const auto id = whole_of_text(std::string_view(text).substr(0, colon));
  const auto bias = colon == std::string::npos
                        ? std::nullopt
                        : real_of_text(std::string_view(text).substr(colon + 1));
  if (!id || !bias || !std::isfinite(*bias))
    fail_usage("--logit-bias is \"{}\"; expected ID:VALUE, such as 11:-100", printable(text));
  if (*id < 0 || *id >= vocab)
    fail_usage("--logit-bias names the token {}; the model has 0 to {}", *id, vocab - 1);
  return {static_cast<int32_t>(*id), *bias};
}

SamplingOptions sampling_options(const SamplingSettings& s, int64_t vocab) {
  SamplingOptions made{.temperature = s.temperature,
                       .top_k = s.top_k,
                       .top_p = s.top_p,
                       .min_p = s.min_p,
                       .typical_p = s.typical_p,
                       .seed = s.seed,
                       .repetition_penalty = s.repetition_penalty,
                       .presence_penalty = s.presence_penalty,
                       .frequency_penalty = s.frequency_penalty,
                       .no_repeat_ngram_size = s.no_repeat_ngram_size,
                       .logit_bias = {}};
  for (const std::string& text : s.logit_bias) made.logit_bias.insert(parse_bias(text, vocab));
  return made;
}

std::vector<std::vector<int32_t>> each_so_often(const std::vector<std::vector<int32_t>>& prompts,
                                                const SamplingSettings& settings) {
  std::vector<std::vector<int32_t>> all;
  for (const auto& prompt : prompts)
    for (int64_t i = 0; i < settings.num_return_sequences; ++i) all.push_back(prompt);
  return all;
}

}  // namespace

std::vector<Completion> Model::generate(const std::vector<std::vector<int32_t>>& prompts,
                                        const SamplingSettings& settings, const OnText& on_text,
                                        const std::atomic<bool>* cancel) {
  check_sampling(settings);
  Generator generator(*impl_->session, impl_->texts().tokenizer());
  GenerateOptions options{.max_new_tokens = settings.max_new_tokens,
                          .sampling = sampling_options(settings, vocab()),
                          .stop = settings.stop,
                          .ignore_eos = settings.ignore_eos};
  options.stop_ids = impl_->texts().ends_of_turn();
  if (std::string end = impl_->texts().text_behind_turn(); !end.empty() && !settings.ignore_eos)
    options.stop.push_back(std::move(end));
  std::vector<std::vector<int32_t>> asked = each_so_often(prompts, settings);
  const RowRange own = own_rows(std::ssize(asked), impl_->ranks);
  if (impl_->ranks != nullptr) {
    SamplingSettings mine = settings;
    refuse_other_settings(impl_->ranks, settings_of(mine));
    refuse_other_prompts(*impl_->ranks, asked);
  }
  options.first_number = settings.first_prompt + static_cast<uint32_t>(own.begin);
  options.cancel = cancel;
  const Answering answering(impl_->answering);
  const auto on_own_text = [&](size_t number, std::string_view text) {
    if (on_text) on_text(static_cast<size_t>(own.begin) + number, text);
  };
  const auto first = asked.begin() + own.begin;
  std::vector<Completion> completions;
  for (Answer& answer : generator.generate({first, first + own.count}, options, on_own_text))
    completions.push_back({.prompt_ids = answer.prompt_ids,
                           .ids = answer.ids,
                           .text = answer.text,
                           .finish_reason = answer.finish_reason,
                           .prefill_tokens_per_second = answer.prefill_tokens_per_second(),
                           .decode_tokens_per_second = answer.decode_tokens_per_second()});
  if (impl_->ranks != nullptr) return completions_of_all(*impl_->ranks, completions);
  return completions;
}

}  // namespace falconer
