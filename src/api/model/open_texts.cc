#include "api/model/open_texts.h"

#include <filesystem>

#include "api/common.h"
#include "api/model/adapter_tokenizer.h"
#include "train/run_folder.h"

namespace falconer {
namespace {

std::optional<PromptStyle> choose_style(const ModelOptions& options, const std::string& adapter) {
  // An adapter that transformers' trainer saved has the template that it was trained with beside it.
  const bool own = !adapter.empty() && std::filesystem::is_directory(adapter) &&
                   PromptStyle::has_chat_template(template_files(adapter));
  const TemplateFiles files = template_files(own ? adapter : options.checkpoint);
  if (!options.prompt_style.empty()) return PromptStyle::of_checkpoint(options.prompt_style, files);
  const auto record = read_record(adapter.empty() ? options.checkpoint : adapter);
  if (!record) {
    if (!PromptStyle::has_chat_template(files)) return {};
    return PromptStyle::of_checkpoint("chat", files);
  }
  if (record->prompt_style.empty()) return {};
  return PromptStyle::recorded(record->prompt_style, record->prompt_template, files);
}

}  // namespace

std::shared_ptr<const ModelTexts> open_texts(const ModelOptions& options,
                                             const std::string& adapter,
                                             const std::shared_ptr<const Tokenizer>& base) {
  std::shared_ptr<const Tokenizer> tokenizer = base;
  if (std::optional<Tokenizer> own = own_tokenizer(adapter, base.get()))
    tokenizer = std::make_shared<const Tokenizer>(std::move(*own));
  return std::make_shared<const ModelTexts>(std::move(tokenizer), choose_style(options, adapter),
                                            options.parse_special);
}

}  // namespace falconer
