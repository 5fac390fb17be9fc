#include "serve/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/system.h"

namespace falconer::serve {
namespace {

void append_head(std::string& text, const std::string& name, const char* type,
                 const std::string& help) {
  text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void append_one(std::string& text, const std::string& name, const char* type,
                const std::string& help, int64_t value) {
  append_head(text, name, type, help);
  text += fmt::format("{} {}\n", name, value);
}

// A label's value.
std::string quoted(const std::string& value) {
  std::string made;
  for (const char c : value) {
    if (c == '\\' || c == '"') made += '\\';
    if (c == '\n')
      made += "\\n";
    else
      made += c;
  }
  return made;
}

void append_labelled(std::string& text, const std::string& name, const std::string& help,
                     const char* label, const std::map<std::string, int64_t>& values) {
  append_head(text, name, "counter", help);
  for (const auto& [key, value] : values)
    text += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, quoted(key), value);
}

}  // namespace

void SecondsHistogram::observe(double seconds) {
  ++counts_[static_cast<size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), seconds) -
                                kBounds.begin())];
  sum_ += seconds;
}

void SecondsHistogram::append(std::string& text, const std::string& name,
                              const std::string& help) const {
  append_head(text, name, "histogram", help);
  int64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name,
                        i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf", below);
  }
  text += fmt::format("{}_sum {}\n{}_count {}\n", name, sum_, name, below);
}

std::string Metrics::text(const EngineState& engine, const HttpCounts& http,
                          int64_t adapters) const {
  std::string made;
  append_head(made, "falconer_http_requests_total", "counter", "Requests by path and status.");
  for (const auto& [key, count] : requests)
    made += fmt::format("falconer_http_requests_total{{path=\"{}\",status=\"{}\"}} {}\n",
                        quoted(key.first), key.second, count);
  append_one(made, "falconer_http_connections", "gauge", "Connections that are open.", http.open);
  append_one(made, "falconer_http_accepted_total", "counter", "Connections that were taken.",
             http.accepted);
  append_one(made, "falconer_http_refused_total", "counter",
             "Connections for which there was no room.", http.refused);
  append_one(made, "falconer_http_cut_total", "counter",
             "Clients that did not read their answer or did not send their request in time.",
             http.cut);
  append_labelled(made, "falconer_answers_total", "Answers by why they ended.", "reason", finished);
  append_labelled(made, "falconer_answers_begun_total", "Answers that were begun, by model.",
                  "model", by_model);
  append_one(made, "falconer_answers", "gauge", "Answers that were begun and have not ended.",
             answers);
  append_one(made, "falconer_adapters", "gauge", "Adapters that are loaded.", adapters);
  append_one(made, "falconer_running", "gauge", "Answers that are computed now.", engine.running);
  append_one(made, "falconer_waiting", "gauge", "Answers that wait for a place.", engine.waiting);
  append_one(made, "falconer_cache_pages", "gauge", "Pages of the cache of keys and values.",
             engine.cache_pages);
  append_one(made, "falconer_cache_pages_used", "gauge", "Those that are in use.",
             engine.cache_pages_used);
  append_one(made, "falconer_prompt_tokens_total", "counter", "Tokens of prompts.",
             engine.prompt_tokens);
  append_one(made, "falconer_cached_tokens_total", "counter", "Those that were found in the cache.",
             engine.cached_tokens);
  append_one(made, "falconer_generated_tokens_total", "counter", "Tokens of answers.",
             engine.generated_tokens);
  append_one(made, "falconer_preemptions_total", "counter",
             "Answers that had to give up their pages and were read again.", engine.preemptions);
  append_one(made, "falconer_resident_bytes", "gauge", "Memory of the process.", resident_bytes());
  first_token.append(made, "falconer_first_token_seconds",
                     "From a request's arrival to its first token.");
  between_tokens.append(made, "falconer_token_seconds", "From a token to the next one.");
  request.append(made, "falconer_request_seconds", "From a request's arrival to its answer's end.");
  return made;
}

}  // namespace falconer::serve
