// What the environment says about the hub, in huggingface_hub's own variables, so that both programs
// use one cache and one token.
#pragma once

#include <filesystem>
#include <string>

namespace falconer::hub {

struct Settings {
  std::string endpoint = "https://huggingface.co";  // HF_ENDPOINT, without a slash at its end
  std::filesystem::path cache;                      // HF_HUB_CACHE, else HF_HOME/hub
  std::string token;                                // HF_TOKEN, else what the token file holds
  bool offline = false;                             // HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
  bool progress = true;                             // HF_HUB_DISABLE_PROGRESS_BARS turns it off
  std::string ca_file;                              // SSL_CERT_FILE; empty: the system's
  std::string ca_folder;                            // SSL_CERT_DIR
  double connect_seconds = 10;                      // HF_HUB_ETAG_TIMEOUT
  double stall_seconds = 10;                        // HF_HUB_DOWNLOAD_TIMEOUT: without any byte
  int tries = 6;                                    // without progress between them
  double first_delay = 1;                           // seconds before the second; it doubles
  double longest_delay = 300;                       // a hub that asks for more is not waited for

  /// Errors: HF_ENDPOINT is no address, a timeout is no number, a token holds what no header may.
  static Settings from_environment();
};

}  // namespace falconer::hub
