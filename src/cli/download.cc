// falconer download ORG/NAME
#include <nlohmann/json.hpp>

#include "base/streams.h"
#include "cli/command.h"
#include "falconer/checkpoint.h"
#include "falconer/process.h"

namespace falconer::cli {
namespace {

void print_json(const DownloadReport& report) {
  nlohmann::ordered_json json;
  json["folder"] = report.folder;
  json["repository"] = report.repository;
  json["revision"] = report.revision;
  json["commit"] = report.commit;
  json["received_bytes"] = report.received_bytes;
  json["files"] = nlohmann::ordered_json::array();
  for (const DownloadedFile& file : report.files)
    json["files"].push_back({{"path", file.path},
                             {"bytes", file.bytes},
                             {"hash", file.hash},
                             {"fetched", file.fetched}});
  print_result(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace

void add_download(Command& command) {
  struct Flags {
    DownloadOptions options;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  DownloadOptions& o = flags->options;
  command.add("name,--repo-id", &o.name, "org/name or org/name@revision", {.required = true});
  command.add("files", &o.files, "these files (default: what a model is loaded from)");
  command.add("--dataset", &o.dataset, "a dataset's rows instead of a model");
  command.add("--revision", &o.revision, "branch, tag or commit (default: main)");
  command.add("--include", &o.include, "instead: files that match these patterns",
              {.one_each = true});
  command.add("--exclude", &o.exclude, "but not files that match these", {.one_each = true});
  command.add("--local-dir", &o.local_dir, "real files in this folder instead of the cache",
              {.kind = ValueKind::kFolder});
  command.add("--jobs,--max-workers", &o.jobs, "files at one time", {.shows_default = true});
  add_overwrite(command, o.overwrite, "files in --local-dir that are your own");
  command.add("--json", &flags->json, "one JSON object instead of the folder's name");
  command.does([flags] {
    handle_interrupts();
    const DownloadReport report = download(flags->options);
    if (flags->json)
      print_json(report);
    else
      print_result(report.folder + "\n");
  });
}

}  // namespace falconer::cli
