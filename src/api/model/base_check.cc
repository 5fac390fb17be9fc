#include "api/model/base_check.h"

#include <nlohmann/json.hpp>

#include "api/common.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "model/fingerprint.h"
#include "train/run_folder.h"

namespace falconer {

namespace {

/// What an adapter recorded of its base; empty where it recorded nothing.
std::optional<ModelRecord> record_with_base(const std::string& adapter) {
  if (adapter.empty()) return {};
  auto record = read_record(adapter);
  if (record && !record->hashes.contains("base")) return {};
  return record;
}

void compare(const std::string& adapter, const ModelRecord& record, const std::string& checkpoint,
             const Hashes& found, bool any) {
  for (const auto& [name, what] :
       {std::pair("base", "weights"), std::pair("tokenizer", "tokens")}) {
    const auto theirs = found.find(name), ours = record.hashes.find(name);
    if (theirs == found.end() || ours == record.hashes.end()) continue;
    if (theirs->second.empty() || theirs->second == ours->second) continue;
    const std::string said = fmt::format("{}: was trained on {}, and {} has other {}", adapter,
                                         record.base_checkpoint, checkpoint, what);
    if (!any) fail("{}; give the checkpoint it belongs to, or --any-base to use this one", said);
    log_warning("{}", said);
  }
}

}  // namespace

Hashes base_hashes(const std::string& checkpoint, const Tokenizer* tokenizer) {
  Hashes hashes = {{"base", weights_fingerprint(checkpoint)}};
  if (tokenizer != nullptr) hashes["tokenizer"] = tokenizer->fingerprint();
  return hashes;
}

void check_base(const std::string& adapter, const std::string& checkpoint,
                const Tokenizer* tokenizer, bool any) {
  if (const auto record = record_with_base(adapter))
    compare(adapter, *record, checkpoint, base_hashes(checkpoint, tokenizer), any);
}

void check_base(const std::string& adapter, const std::string& checkpoint, bool any) {
  const auto record = record_with_base(adapter);
  if (!record) return;
  const auto tokenizer = find_tokenizer(checkpoint);
  compare(adapter, *record, checkpoint, base_hashes(checkpoint, tokenizer ? &*tokenizer : nullptr),
          any);
}

void check_base(const std::string& adapter, const std::string& checkpoint, const Hashes& found,
                bool any) {
  if (const auto record = record_with_base(adapter))
    compare(adapter, *record, checkpoint, found, any);
}

void name_base(const std::string& adapter, const std::string& checkpoint, const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(adapter) / "falconer.json";
  if (!read_record(adapter)) return;
  auto json = nlohmann::ordered_json::parse(read_text_file(path));
  json["base_checkpoint"] = name;
  if (json.contains("hashes")) json["hashes"]["base"] = weights_fingerprint(checkpoint);
  write_file(path, json.dump(2) + "\n");
}

}  // namespace falconer
