// The settings of serve, a line for each. What generate has too is as it has it.
#include "api/settings/ranges.h"
#include "api/settings/settings.h"
#include "falconer/serve.h"

namespace falconer {

// clang-format off
std::vector<SettingRow> rows_of(ServeOptions& o) {
  std::vector<SettingRow> rows = {
      {.names = "adapter", .value = &o.adapter,
       .help = "NAME=PATH: an adapter, a path or a name on the hub, that is served under a name (may be given again)"},
      {.names = "adapters", .value = &o.adapters,
       .help = "folder whose adapters are served, each under its folder's name", .kind = ValueKind::kFolder},
      {.names = "load-adapters", .value = &o.load_adapters,
       .help = "clients may load adapters that lie in the folder of --adapters, and unload adapters"},
      {.names = "model-name", .value = &o.model_name,
       .help = "what clients call the base (default: the last part of --checkpoint)"},
      {.names = "host", .value = &o.host,
       .help = "address that is listened on; 0.0.0.0: all of this machine's", .shows_default = true},
      {.names = "port", .value = &o.port, .help = "0: one that is free", .range = kPorts,
       .shows_default = true},
      {.names = "api-key-file", .value = &o.api_key_file,
       .help = "file with a key in each line, one of which clients must have (default: everybody may ask)",
       .kind = ValueKind::kFile},
      {.names = "cors", .value = &o.cors,
       .help = "origin whose pages may ask too, as https://chat.example.org, or * (default: none)"},
      {.names = "generation-config,!no-generation-config", .value = &o.generation_config,
       .help = "what a request leaves out is as the checkpoint's generation_config.json says"},
      {.names = "cache", .value = &o.cache,
       .help = "most memory for the keys and values of answers; never more than --max-running answers "
               "need, nor than three quarters of what is free",
       .range = kCaches, .kind = ValueKind::kSize, .shows_default = true},
      {.names = "prefix-cache,!no-prefix-cache", .value = &o.prefix_cache,
       .help = "what prompts have in common is computed once"},
      {.names = "max-running", .value = &o.max_running,
       .help = "answers that are computed at the same time (default: 32, or 256 on a GPU)", .range = kAnswers},
      {.names = "max-answers", .value = &o.max_answers,
       .help = "answers at once, with those that wait; more are told to come again", .range = kAnswers,
       .shows_default = true},
      {.names = "max-connections", .value = &o.max_connections,
       .help = "connections at once; one that idles makes room for a new one", .range = kConnections,
       .shows_default = true},
      {.names = "max-body", .value = &o.max_body, .help = "most bytes of a request", .range = kBodies,
       .kind = ValueKind::kSize, .shows_default = true},
      {.names = "idle-timeout", .value = &o.idle_timeout,
       .help = "seconds that a connection may idle", .range = kTimeouts, .shows_default = true},
      {.names = "request-timeout", .value = &o.request_timeout,
       .help = "seconds that a request may take to arrive", .range = kTimeouts, .shows_default = true},
      {.names = "write-timeout", .value = &o.write_timeout,
       .help = "seconds that a client may read nothing of its answer", .range = kTimeouts,
       .shows_default = true},
      {.names = "stop-timeout", .value = &o.stop_timeout,
       .help = "seconds that answers have to come to their end when the server is stopped",
       .range = kStopTimes, .shows_default = true},
      {.names = "log-prompts", .value = &o.log_prompts,
       .help = "log the texts of prompts and answers (default: neither)"},
  };
  for (SettingRow& row : rows_of(o.model)) {
    const std::string name = key_of(row);
    if (name != "adapter" && name != "random-weights" && name != "shard")
      rows.insert(name == "checkpoint" ? rows.begin() : rows.end(), row);
  }
  return rows;
}
// clang-format on

}  // namespace falconer
