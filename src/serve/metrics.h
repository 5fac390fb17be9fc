// Counters of the server in Prometheus' text format.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "serve/engine.h"
#include "serve/http/server.h"

namespace falconer::serve {

/// Counts of observed seconds below bounds.
class SecondsHistogram {
 public:
  void observe(double seconds);
  void append(std::string& text, const std::string& name, const std::string& help) const;

 private:
  static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10,   60};
  std::array<int64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

/// Of the loop's thread.
struct Metrics {
  std::map<std::pair<std::string, int>, int64_t> requests;  // by path and status
  std::map<std::string, int64_t> finished;                  // answers by their reason
  std::map<std::string, int64_t> by_model;                  // answers that were begun
  int64_t answers = 0;                                      // that are not at their end
  SecondsHistogram first_token, between_tokens, request;

  std::string text(const EngineState& engine, const HttpCounts& http, int64_t adapters) const;
};

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace falconer::serve
