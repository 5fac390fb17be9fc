#include "data/prepared.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/log.h"
#include "text/tokenizer.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;

/// prepare.json in the folder, or beside one of its two files.
fs::path record_beside(const fs::path& data) {
  std::error_code ignored;
  fs::path folder = data;
  if (!fs::is_directory(data, ignored)) {
    if (data.filename() != "train.jsonl" && data.filename() != "test.jsonl") return {};
    folder = data.parent_path();
  }
  const fs::path record = folder / "prepare.json";
  return fs::exists(record, ignored) ? record : fs::path();
}

}  // namespace

PrepareRecord read_prepare_record(const fs::path& path) {
  constexpr const char* kNext =
      "run prepare again, or take the file away: its rows are then token ids of whatever tokenizer";
  const nlohmann::json json = read_json_object(path, size_t{1} << 28, kNext);
  try {
    const JsonFields fields(json, path.string());
    const auto text = [&](const char* key) { return fields.text(key).value_or(""); };
    return {.prompt_style = text("prompt_style"),
            .prompt_template = text("prompt_template"),
            .tokenizer = text("tokenizer"),
            .checkpoint = text("checkpoint")};
  } catch (const Error& error) {
    fail("{}; {}", error.what(), kNext);
  }
}

bool is_prepared(const fs::path& data) { return !record_beside(data).empty(); }

void check_prepared(const fs::path& data, const Tokenizer* tokenizer, const std::string& checkpoint,
                    bool any) {
  const fs::path path = record_beside(data);
  if (path.empty() || tokenizer == nullptr) return;
  const PrepareRecord record = read_prepare_record(path);
  const std::string& before = record.tokenizer;
  if (before.empty())
    return log_warning(
        "{}: does not say which tokenizer its rows came from; \"falconer prepare\" records it now",
        path.string());
  if (before == tokenizer->fingerprint()) return;
  const std::string& named = record.checkpoint;
  const std::string said = fmt::format(
      "{}: its rows are token ids of another tokenizer{}{}, and to {} they mean other text",
      data.string(), named.empty() ? "" : ", that of ", printable(named), checkpoint);
  if (!any)
    fail(
        "{}; prepare them again with --checkpoint {}, or give --any-base to take the ids as they "
        "are",
        said, checkpoint);
  log_warning("{}", said);
}

}  // namespace falconer
