#include "api/common.h"

#include <filesystem>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/system.h"
#include "base/threads.h"
#include "falconer/falconer.h"

namespace falconer {

std::string version() { return FALCONER_VERSION; }

std::optional<Tokenizer> find_tokenizer(const std::string& folder) {
  if (!std::filesystem::exists(std::filesystem::path(folder) / "tokenizer.json")) return {};
  return Tokenizer::load(folder);
}

void set_verbosity(const std::string& level) {
  if (level == "quiet") return set_log_level(LogLevel::kQuiet);
  if (level == "warning") return set_log_level(LogLevel::kWarning);
  if (level == "info") return set_log_level(LogLevel::kInfo);
  if (level == "debug") return set_log_level(LogLevel::kDebug);
  throw Error("--log is \"" + level + "\", expected quiet, warning, info or debug", 2);
}

void set_threads(int threads) {
  if (threads > 0) set_thread_count(threads);
}

void handle_interrupts() { catch_interrupts(); }

int64_t peak_memory_bytes() { return peak_rss_bytes(); }

}  // namespace falconer
