#include "api/model/adapter_tokenizer.h"

#include <filesystem>

#include "api/common.h"
#include "base/error.h"
#include "base/log.h"
#include "text/prompt.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

bool has_tokenizer(const std::string& adapter) {
  return !adapter.empty() && fs::is_directory(adapter) && Tokenizer::is_in(adapter);
}

bool same_tokenizer(const SideFiles& a, const SideFiles& b) {
  const auto x = a.find("tokenizer.json"), y = b.find("tokenizer.json");
  return x != a.end() && y != b.end() && x->second == y->second;
}

struct Other {
  Tokenizer tokenizer;
  std::string why;
};

std::optional<Other> other_tokenizer(const std::string& adapter, const Tokenizer* base) {
  if (!has_tokenizer(adapter)) return {};
  Tokenizer own = Tokenizer::load(adapter);
  std::string why = "the checkpoint has none";
  if (base != nullptr && base->vocab_size() != own.vocab_size())
    why = fmt::format("it has {} tokens, and the checkpoint's {}", own.vocab_size(),
                      base->vocab_size());
  else if (base != nullptr && base->fingerprint() != own.fingerprint())
    why = "it gives other ids than the checkpoint's";
  else if (base != nullptr && base->eos_id() != own.eos_id())
    why = "its end of text is another token than the checkpoint's";
  else if (base != nullptr)
    return {};
  return Other{std::move(own), std::move(why)};
}

}  // namespace

std::optional<Tokenizer> own_tokenizer(const std::string& adapter, const Tokenizer* base) {
  std::optional<Other> other = other_tokenizer(adapter, base);
  if (!other) return {};
  log_info("{}: its own tokenizer is used: {}", adapter, other->why);
  return std::move(other->tokenizer);
}

void check_init_tokenizer(const std::string& adapter, const std::optional<Tokenizer>& base,
                          bool any) {
  const std::optional<Other> other = other_tokenizer(adapter, base ? &*base : nullptr);
  if (!other) return;
  const std::string said = fmt::format(
      "{}: has its own tokenizer ({}), and rows are read by the checkpoint's", adapter, other->why);
  if (!any)
    fail(
        "{}; copy the adapter's tokenizer into the checkpoint's folder, or give --any-base to go "
        "on by the checkpoint's",
        said);
  log_warning("{}", said);
}

std::optional<Tokenizer> find_tokenizer(const std::string& checkpoint, const std::string& adapter) {
  std::optional<Tokenizer> base = find_tokenizer(checkpoint);
  std::optional<Tokenizer> own = own_tokenizer(adapter, base ? &*base : nullptr);
  return own ? std::move(own) : std::move(base);
}

SideFiles side_files(const std::string& checkpoint, const std::string& adapter) {
  SideFiles files = side_files(fs::path(checkpoint));
  if (adapter.empty() || !fs::is_directory(adapter)) return files;
  SideFiles own = side_files(fs::path(adapter));
  const bool own_template = PromptStyle::has_chat_template(template_files(adapter));
  if (!own_template && (!has_tokenizer(adapter) || same_tokenizer(own, files))) return files;
  if (own_template) files.erase("chat_template.jinja");
  for (auto& [name, text] : own) files[name] = std::move(text);
  return files;
}

}  // namespace falconer
