// falconer download ORG/NAME
#include <nlohmann/json.hpp>

#include "base/json_text.h"
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
  print_result(json_text(json, 2) + "\n");
}

}  // namespace

void add_download(Command& command) {
  struct DownloadFlags {
    DownloadOptions options;
    bool json = false;
  };
  auto flags = std::make_shared<DownloadFlags>();
  add_settings(command, settings_of(flags->options));
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
