#include "api/base_check.h"

#include <nlohmann/json.hpp>

#include "api/common.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "model/fingerprint.h"
#include "train/run_folder.h"

namespace falconer {

std::map<std::string, std::string> base_hashes(const std::string& checkpoint) {
  std::map<std::string, std::string> hashes = {{"base", weights_fingerprint(checkpoint)}};
  if (const auto tokenizer = find_tokenizer(checkpoint))
    hashes["tokenizer"] = tokenizer->fingerprint();
  return hashes;
}

void check_base(const std::string& adapter, const std::string& checkpoint, bool any) {
  if (adapter.empty()) return;
  const auto record = read_record(adapter);
  if (!record || !record->hashes.contains("base")) return;
  const auto found = base_hashes(checkpoint);
  for (const auto& [name, what] :
       {std::pair("base", "weights"), std::pair("tokenizer", "tokens")}) {
    const auto theirs = found.find(name), ours = record->hashes.find(name);
    if (theirs == found.end() || ours == record->hashes.end()) continue;
    if (theirs->second.empty() || theirs->second == ours->second) continue;
    const std::string said = fmt::format("{}: was trained on {}, and {} has other {}", adapter,
                                         record->base_checkpoint, checkpoint, what);
    if (!any) fail("{}; give the checkpoint it belongs to, or --any-base to use this one", said);
    log_warning("{}", said);
  }
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
