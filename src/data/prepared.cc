#include "data/prepared.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
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

std::string text_at(const nlohmann::json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_string()) return {};
  return json[key].get<std::string>();
}

}  // namespace

bool is_prepared(const fs::path& data) { return !record_beside(data).empty(); }

void check_prepared(const fs::path& data, const Tokenizer* tokenizer, const std::string& checkpoint,
                    bool any) {
  const fs::path path = record_beside(data);
  if (path.empty() || tokenizer == nullptr) return;
  const nlohmann::json record = parse_json(read_text_file(path, 1 << 24));
  const std::string before = text_at(record, "tokenizer");
  if (before.empty())
    return log_warning(
        "{}: does not say which tokenizer its rows came from; \"falconer prepare\" records it now",
        path.string());
  if (before == tokenizer->fingerprint()) return;
  const std::string named = text_at(record, "checkpoint");
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
