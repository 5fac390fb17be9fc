#include "api/model/base_check.h"

#include <nlohmann/json.hpp>
#include <set>

#include "api/common.h"
#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/json_text.h"
#include "base/log.h"
#include "model/arch/architecture.h"
#include "model/fingerprint.h"
#include "model/open_model.h"
#include "model/params.h"
#include "tensor/blocks/format.h"
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

std::string quantisation_of(const std::string& checkpoint, std::optional<Dtype> quantise) {
  const ModelConfig config = read_model_config(checkpoint);
  const TensorFiles files = open_weights(checkpoint, config);
  std::set<Dtype> formats;
  for (const auto& param : declare_weights(config).params) {
    const StoredTensor* stored = files.find(param->name);
    if (stored == nullptr || param->vector() || param->layer == ModuleId::kOutside) continue;
    std::optional<Dtype> format = stored->blocks();
    if (!format && quantise) format = fitting_format(*quantise, param->cols());
    if (format) formats.insert(*format);
  }
  std::vector<std::string> labels;
  for (const Dtype format : formats) labels.emplace_back(label_of(format));
  return joined(labels, ", ");
}

void warn_of_quantisation(const std::string& adapter, const std::string& checkpoint,
                          std::optional<Dtype> quantise) {
  const auto record = adapter.empty() ? std::nullopt : read_record(adapter);
  if (!record || record->quantisation.empty()) return;
  const std::string here = quantisation_of(checkpoint, quantise);
  if (here == record->quantisation) return;
  log_warning(
      "{}: was trained on a base in {}, and {} is {} here; it has learned to make up for what it "
      "saw",
      adapter, record->quantisation, checkpoint,
      here.empty() ? "not quantised" : fmt::format("in {}", here));
}

void name_base(const std::string& adapter, const std::string& checkpoint, const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(adapter) / "falconer.json";
  if (!read_record(adapter)) return;
  auto json = nlohmann::ordered_json::parse(read_text_file(path));
  json["base_checkpoint"] = name;
  if (json.contains("hashes")) json["hashes"]["base"] = weights_fingerprint(checkpoint);
  write_file(path, json_text(json, 2) + "\n");
}

}  // namespace falconer
