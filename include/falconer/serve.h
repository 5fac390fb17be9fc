// Answers for clients of OpenAI's interface, over HTTP: one base and any number of adapters on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "falconer/use.h"

namespace falconer {

struct ServeOptions {
  /// The base. Its `adapter`, `random_weights` and `shard` are not looked at.
  ModelOptions model;
  std::vector<std::string> adapter;  // "NAME=PATH": adapters that are served under names
  /// A folder: every adapter that lies in it is served under its folder's name.
  std::string adapters;
  bool load_adapters = false;  // clients may load those below `adapters`, and unload any
  std::string model_name;      // of the base; empty: the last part of ModelOptions::checkpoint

  std::string host = "127.0.0.1";
  int64_t port = 8000;       // 0: one that is free
  std::string api_key_file;  // a key in each line; empty: everybody may ask
  std::string cors;          // an origin whose pages may ask, or "*"; empty: none but its own page

  /// Settings that a request leaves out are those of the checkpoint's generation_config.json, where there is one.
  bool generation_config = true;
  bool prefix_cache = true;  // what prompts have in common is computed once
  /// Bytes for keys and values, at most: no more than max_running answers of the whole context need, and than three
  /// quarters of the memory that is free.
  int64_t cache = 8'000'000'000;
  std::optional<int64_t>
      max_running;  // answers that are computed at the same time; nothing: 32, or 256 on a GPU
  int64_t max_answers = 1024;       // at once, with those that wait; more are told to come again
  int64_t max_connections = 16384;  // at once
  int64_t max_body = 8'000'000;     // bytes of a request
  double idle_timeout = 300;        // seconds that a connection may idle,
  double request_timeout = 60;      // that a request may take to arrive,
  double write_timeout = 60;        // and that a client may read nothing of its answer
  double stop_timeout = 10;  // that answers have to come to their end when the server is stopped
  bool log_prompts = false;  // texts of prompts and answers go to the log
};

class Server {
 public:
  /// Reads the model and its adapters, plans the memory of all answers, and listens; clients wait until run(). Errors:
  /// whatever is wrong with the checkpoint or an adapter; the port is taken; a setting that cannot be.
  static Server open(const ServeOptions& options);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  /// What is under way is cut.
  ~Server();

  int port() const;
  /// "http://127.0.0.1:8000".
  std::string address() const;
  /// Serves until stop(), or an interrupt (handle_interrupts()). Answers that are under way then have stop_timeout
  /// seconds to come to their end.
  void run();
  /// From any thread. Returns at once.
  void stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace falconer
