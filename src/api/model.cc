// falconer::Model: a checkpoint with an adapter, ready to answer.
#include <filesystem>

#include "api/common.h"
#include "api/resolve.h"
#include "base/error.h"
#include "falconer/falconer.h"
#include "generate/generator.h"
#include "text/prompt.h"
#include "train/run_folder.h"

namespace falconer {

struct Model::Impl {
  std::unique_ptr<Session> session;
  std::optional<Tokenizer> tokenizer;
  std::string prompt_style;
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::open(const ModelOptions& named) {
  ModelOptions options = named;
  options.checkpoint = resolve_checkpoint(named.checkpoint);
  options.adapter = resolve_adapter(named.adapter);
  auto impl = std::make_unique<Impl>();
  impl->session = Session::open({.checkpoint = options.checkpoint,
                                 .adapter = options.adapter,
                                 .precision = parse_precision(options.precision)});
  impl->tokenizer = find_tokenizer(options.checkpoint);
  // The adapter's own record counts; a fully finetuned model carries one too.
  const std::string& recorded = options.adapter.empty() ? options.checkpoint : options.adapter;
  if (const auto record = read_record(recorded)) impl->prompt_style = record->prompt_style;
  if (!options.prompt_style.empty())
    impl->prompt_style = PromptStyle::named(options.prompt_style).name();
  return Model(std::move(impl));
}

std::string Model::prompt_style() const { return impl_->prompt_style; }

std::string Model::decode(const std::vector<int32_t>& ids) const {
  if (!impl_->tokenizer)
    fail("{}: has no tokenizer.json, and text was asked for", impl_->session->options().checkpoint);
  const bool ended = !ids.empty() && impl_->tokenizer->eos_id() == ids.back();
  return impl_->tokenizer->decode({ids.begin(), ids.end() - (ended ? 1 : 0)});
}

std::vector<int32_t> Model::encode_prompt(const std::string& instruction, const std::string& input,
                                          bool raw) const {
  if (!impl_->tokenizer)
    fail("{}: has no tokenizer.json; give token ids with --prompt-ids",
         impl_->session->options().checkpoint);
  if (raw || impl_->prompt_style.empty()) return impl_->tokenizer->encode(instruction);
  return impl_->tokenizer->encode(
      PromptStyle::named(impl_->prompt_style).render(instruction, input));
}

std::vector<Completion> Model::generate(const std::vector<std::vector<int32_t>>& prompts,
                                        const SamplingSettings& settings, const OnText& on_text) {
  if (settings.max_new_tokens < 1)
    fail_usage("--max-new-tokens is {}, expected 1 or more", settings.max_new_tokens);
  if (!(settings.temperature >= 0)) fail_usage("--temperature is below 0");
  if (!(settings.top_p >= 0 && settings.top_p <= 1)) fail_usage("--top-p is outside of 0 to 1");
  if (settings.top_k < 0) fail_usage("--top-k is below 0; 0 keeps all tokens");
  Generator generator(*impl_->session, impl_->tokenizer ? &*impl_->tokenizer : nullptr);
  GenerateOptions options{.max_new_tokens = settings.max_new_tokens,
                          .sampling = {.temperature = settings.temperature,
                                       .top_k = settings.top_k,
                                       .top_p = settings.top_p,
                                       .seed = settings.seed},
                          .stop = settings.stop,
                          .ignore_eos = settings.ignore_eos};
  std::vector<Completion> completions;
  for (Answer& answer : generator.generate(prompts, options, on_text))
    completions.push_back({.prompt_ids = answer.prompt_ids,
                           .ids = answer.ids,
                           .text = answer.text,
                           .finish_reason = answer.finish_reason,
                           .prefill_tokens_per_second = answer.prefill_tokens_per_second(),
                           .decode_tokens_per_second = answer.decode_tokens_per_second()});
  return completions;
}

}  // namespace falconer
