// falconer download: a repository's files by name.
#include "hub/download.h"

#include "api/settings/bounds.h"
#include "base/error.h"
#include "base/log.h"
#include "falconer/checkpoint.h"

namespace falconer {
namespace {

hub::Repo parse_repo(const DownloadOptions& options) {
  const auto kind = options.dataset ? hub::RepoKind::kDataset : hub::RepoKind::kModel;
  const auto name = hub::parse_hub_name(options.name, kind);
  if (!name || !name->file.empty())
    fail_usage("\"{}\" is no name on the hub; expected org/name, such as tiiuae/falcon-7b",
               options.name);
  hub::Repo repo = name->repo;
  if (!options.revision.empty()) {
    if (repo.revision != "main" && repo.revision != options.revision)
      fail_usage("{} names one revision and --revision {} another", options.name, options.revision);
    repo.revision = options.revision;
  }
  hub::check_revision(repo.revision);
  return repo;
}

}  // namespace

DownloadReport download(const DownloadOptions& options) {
  check_bounds(options);
  const hub::Settings settings = hub::Settings::from_environment();
  const hub::DownloadRequest request{
      .repo = parse_repo(options),
      .selection = {.purpose = options.dataset ? hub::Selection::Purpose::kData
                                               : hub::Selection::Purpose::kModel,
                    .files = options.files,
                    .include = options.include,
                    .exclude = options.exclude},
      .local_dir = options.local_dir,
      .overwrite = options.overwrite,
      .jobs = options.jobs};
  if (!options.files.empty() && !options.include.empty())
    fail_usage("files are named, and --include has patterns; give one of both");
  hub::Download result;
  if (settings.offline) {
    const hub::CachedDownload cached = hub::find_cached(settings, request);
    if (cached.completeness == hub::Completeness::kMissing || !options.local_dir.empty())
      fail("{}: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids to fetch it, and {}; unset them",
           request.repo.text(),
           options.local_dir.empty()
               ? fmt::format("the cache ({}) does not hold all of it", settings.cache.string())
               : spelled("only the hub knows what belongs into --local-dir"));
    log_info("{}: offline; this is what the cache holds", request.repo.text());
    result = cached.download;
  } else {
    result = hub::download(settings, request);
  }
  DownloadReport report{.folder = result.folder.string(),
                        .repository = request.repo.id,
                        .revision = request.repo.revision,
                        .commit = result.commit,
                        .files = {},
                        .received_bytes = static_cast<int64_t>(result.received)};
  for (const hub::DownloadedFile& file : result.files)
    report.files.push_back({file.path, file.hash, static_cast<int64_t>(file.size), file.fetched});
  return report;
}

}  // namespace falconer
