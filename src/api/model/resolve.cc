#include "api/model/resolve.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

#include "api/finetune/run_place.h"
#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/row_file.h"
#include "data/splits.h"
#include "hub/download.h"
#include "hub/http.h"
#include "train/run_folder.h"

namespace falconer {
namespace {

namespace fs = std::filesystem;
using hub::Completeness;
using hub::HubName;
using hub::RepoKind;
using Purpose = hub::Selection::Purpose;

// Endings of files that are named on command lines: "data/suport.jsonl" is a path that was mistyped,
// and "org/falcon-1.3b" is none.
bool is_file_name(const std::string& name) {
  static const std::set<std::string> kEndings = {".txt", ".gguf",        ".pth",  ".pt",
                                                 ".bin", ".safetensors", ".toml", ".yaml",
                                                 ".gz",  ".zst",         ".zip"};
  return row_file(name).format != RowFormat::kNone ||
         kEndings.contains(fs::path(name).extension().string());
}

// A name on the hub, where `name` can be nothing else: nothing is there of that name, no folder of
// its first part, below which a path may have been mistyped, and it does not look like a file's. A
// dataset's file has three parts at least.
std::optional<HubName> name_on_hub(const std::string& name, RepoKind kind) {
  const bool marked = name.starts_with("hf://");
  std::error_code error;
  if (!marked && (fs::exists(name, error) || error)) return {};
  if (!marked && fs::exists(name.substr(0, name.find('/')), error)) return {};
  const bool two_parts = std::count(name.begin(), name.end(), '/') == 1;
  if (!marked && is_file_name(name) && (two_parts || kind == RepoKind::kModel)) return {};
  auto parsed = hub::parse_hub_name(name, kind);
  if (parsed && kind == RepoKind::kModel && !parsed->file.empty()) parsed.reset();
  if (!parsed && marked) fail_usage("\"{}\" is no name on the hub; expected hf://org/name", name);
  return parsed;
}

// From the cache where `enough` of it is there, else from the hub, else what the cache has of it.
hub::Download fetch(const std::string& name, const hub::DownloadRequest& request,
                    Completeness enough) {
  const hub::Settings settings = hub::Settings::from_environment();
  const hub::CachedDownload cached = hub::find_cached(settings, request);
  if (cached.completeness >= enough) return cached.download;
  std::string meant = did_you_mean_path(name);
  if (!meant.empty()) meant = " (" + meant.substr(2) + ")";  // in the middle of a sentence
  const bool usable = cached.completeness != Completeness::kMissing;
  if (settings.offline) {
    if (usable) return cached.download;
    fail(
        "{}: is no path here{}, and the cache ({}) does not hold all of it; HF_HUB_OFFLINE or "
        "TRANSFORMERS_OFFLINE forbids to fetch it. Unset that, or fetch it first with \"falconer "
        "download {}{}\"",
        name, meant, settings.cache.string(),
        request.repo.kind == RepoKind::kDataset ? "--dataset " : "", request.repo.text());
  }
  try {
    return hub::download(settings, request);
  } catch (const hub::NetworkError& error) {
    if (!usable) throw Error(fmt::format("{}: is no path here{}. {}", name, meant, error.what()));
    log_warning("{}; going on with what the cache holds of {}", error.brief(), name);
    return cached.download;
  } catch (const hub::Cancelled&) {
    throw;
  } catch (const Error& error) {
    throw Error(fmt::format("{}: is no path here{}. {}", name, meant, error.what()),
                error.exit_code());
  }
}

bool holds(const fs::path& folder, std::initializer_list<const char*> names) {
  std::error_code error;
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return fs::exists(folder / name, error); });
}

// Of a run's folder what it saved: final/, or where it did not come to its end the newest checkpoint.
std::string saved_in(const std::string& name) {
  const fs::path folder = name;
  if (holds(folder, {"config.json", "adapter_config.json", "lit_model.pth", "model_config.yaml"}) ||
      !holds(folder, {"status.json", "metrics.jsonl", "recipe.toml"}))
    return name;
  if (holds(folder, {"final"})) {
    log_info("{}: is a run's folder; taking its final/", name);
    return (folder / "final").string();
  }
  const std::vector<fs::path> checkpoints = list_checkpoints(folder);
  if (checkpoints.empty())
    fail("{}: is the folder of a run that has saved nothing yet{}", name, earlier_run_hint(folder));
  log_warning("{}: the run did not come to its end; taking its newest checkpoint, {}", name,
              checkpoints.front().filename().string());
  return checkpoints.front().string();
}

std::string resolve_model(const std::string& name, Purpose purpose) {
  const auto on_hub = name_on_hub(name, RepoKind::kModel);
  if (!on_hub) return saved_in(name);
  const hub::DownloadRequest request{.repo = on_hub->repo, .selection = {.purpose = purpose}};
  return fetch(name, request, Completeness::kWhole).folder.string();
}

bool is_training_split(const std::string& path) { return is_of_split(path, "train"); }

// Which of a dataset's files of rows is meant where none was named.
std::string choose_rows(const std::string& name, const hub::Download& dataset) {
  std::vector<std::string> files;
  for (const hub::DownloadedFile& file : dataset.files)
    if (hub::is_data_file(file.path)) files.push_back(file.path);
  if (std::any_of(files.begin(), files.end(), is_training_split)) return dataset.folder.string();
  if (files.size() == 1) return (dataset.folder / files.front()).string();
  std::string list;
  for (const std::string& file : files) list += "\n  " + name + "/" + file;
  fail(
      "{}: has {} files of rows, and none is of a split train (train.jsonl, "
      "data/train-00000-of-00001.parquet and so on); name one:{}",
      name, files.size(), list);
}

}  // namespace

std::string resolve_checkpoint(const std::string& name, CheckpointPart part) {
  switch (part) {
    case CheckpointPart::kConfig:
      return resolve_model(name, Purpose::kConfig);
    case CheckpointPart::kTokenizer:
      return resolve_model(name, Purpose::kTokenizer);
    case CheckpointPart::kAll:
      return resolve_model(name, Purpose::kModel);
  }
  return name;
}

std::string resolve_adapter(const std::string& name) {
  return name.empty() ? name : resolve_model(name, Purpose::kAdapter);
}

std::string resolve_data(const std::string& name) {
  const auto on_hub = name_on_hub(name, RepoKind::kDataset);
  if (!on_hub) return name;
  hub::DownloadRequest request{.repo = on_hub->repo, .selection = {.purpose = Purpose::kData}};
  if (!on_hub->file.empty()) {
    request.selection.files = {on_hub->file};
    return (fetch(name, request, Completeness::kWhole).folder / on_hub->file).string();
  }
  return choose_rows(name, fetch(name, request, Completeness::kWhole));
}

}  // namespace falconer
