// falconer selftest: golden numbers on the user's own machine, for every backend that it has.
#include "falconer/selftest.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "api/measure/selftest_numbers.h"
#include "base/error.h"
#include "base/log.h"
#include "base/plural.h"
#include "base/process.h"
#include "base/system.h"
#include "base/threads.h"
#include "falconer/process.h"
#include "ops/cpu/instruction_sets.h"
#include "ops/devices.h"
#include "report/table.h"

namespace falconer {
namespace {

constexpr const char* kOk = "ok";
constexpr const char* kFailed = "failed";
constexpr const char* kAbsent = "absent";
constexpr const char* kScalar = "scalar";

nlohmann::ordered_json json_of(const SelfTestLine& line) {
  return {{"name", line.name},
          {"state", line.state},
          {"detail", line.detail},
          {"difference_f32", line.difference_f32},
          {"difference_bf16", line.difference_bf16},
          {"seconds", line.seconds},
          {"peak_rss_bytes", line.peak_rss_bytes}};
}

SelfTestBackend backend_of(const std::string& name) {
  if (name == kScalar) return {.device = "cpu", .kernels = &scalar_kernels()};
  if (name.starts_with("cuda")) return {.device = name, .kernels = nullptr};
  cpu::use_instruction_set(name);
  return {.device = "cpu", .kernels = nullptr};
}

/// Measures one backend in this process.
SelfTestLine measured(const std::string& name) {
  SelfTestLine line{.name = name, .state = kOk, .detail = {}};
  const double start = now_seconds();
  const SelfTestBackend backend = backend_of(name);
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    std::string worst;
    const bool f32 = precision == Precision::kF32;
    double& difference = f32 ? line.difference_f32 : line.difference_bf16;
    difference =
        largest_difference(self_test_numbers(backend, precision), golden_numbers(precision), worst);
    if (difference <= self_test_tolerance(precision)) continue;
    line.state = kFailed;
    line.detail +=
        fmt::format("{}{}: {}", line.detail.empty() ? "" : "; ", f32 ? "f32" : "bf16", worst);
  }
  line.seconds = now_seconds() - start;
  line.peak_rss_bytes = peak_rss_bytes();
  return line;
}

SelfTestLine line_of_json(const std::string& name, const ProcessResult& result) {
  SelfTestLine line{.name = name, .state = kFailed, .detail = {}};
  const auto json = nlohmann::json::parse(result.output, nullptr, false);
  if (!json.is_object() || !json.contains("lines") || json["lines"].size() != 1) {
    line.detail =
        result.exit_code > 128
            ? fmt::format("was ended by signal {}{}", result.exit_code - 128,
                          result.exit_code == 128 + SIGILL ? ", an illegal instruction" : "")
            : fmt::format("ended with exit code {}", result.exit_code);
    return line;
  }
  const auto& read = json["lines"][0];
  line.state = read.at("state");
  line.detail = read.at("detail");
  line.difference_f32 = read.at("difference_f32");
  line.difference_bf16 = read.at("difference_bf16");
  line.seconds = read.at("seconds");
  line.peak_rss_bytes = read.at("peak_rss_bytes");
  return line;
}

/// Measures one backend in a process of its own: what products use can be chosen once, and an
/// instruction that the CPU lacks ends a process.
SelfTestLine measured_apart(const std::string& name, const SelfTestOptions& options) {
  const std::string program = options.program.empty() ? this_program() : options.program;
  return line_of_json(name,
                      run_process({program, "selftest", "--json", "--only=" + name, "--log=warning",
                                   fmt::format("--threads={}", options.threads)}));
}

SelfTestLine absent(const std::string& name, const std::string& why) {
  return {.name = name, .state = kAbsent, .detail = why};
}

std::vector<SelfTestLine> all_lines(const SelfTestOptions& options) {
  std::vector<SelfTestLine> lines = {measured_apart(kScalar, options)};
  for (const cpu::InstructionSet& set : cpu::instruction_sets())
    lines.push_back(set.here ? measured_apart(set.name, options)
                             : absent(set.name, "not on this CPU"));
  std::string why;
  const int devices = cuda_device_count(why);
  for (int i = 0; i < devices; ++i)
    lines.push_back(measured_apart(fmt::format("cuda:{}", i), options));
  if (devices == 0) lines.push_back(absent("cuda", why));
  return lines;
}

std::string text_of(const SelfTestReport& report, double seconds) {
  Table table{
      .columns = {{"backend"}, {""}, {"f32", true}, {"bf16", true}, {"seconds", true}, {""}},
      .rows = {}};
  int64_t measured = 0, passed = 0;
  for (const SelfTestLine& line : report.lines) {
    const bool numbers = line.state != kAbsent && line.seconds > 0;
    const auto shown = [&](double value) {
      return !numbers ? "-" : value > 1e6 ? "wrong" : fmt::format("{:.1e}", value);
    };
    table.rows.push_back({line.name, line.state == kFailed ? "FAILED" : line.state,
                          shown(line.difference_f32), shown(line.difference_bf16),
                          numbers ? fmt::format("{:.2f}", line.seconds) : "-", line.detail});
    measured += line.state != kAbsent;
    passed += line.state == kOk;
  }
  return text_table(table) + fmt::format(
                                 "largest differences, as shares of the largest number of a kind; "
                                 "allowed are {:.0e} in "
                                 "f32 and {:.0e} in bf16\n"
                                 "falconer {} on {}, {} {}: {} of {} are right, in {:.1f} s\n",
                                 self_test_tolerance(Precision::kF32),
                                 self_test_tolerance(Precision::kBF16), version(), processor_name(),
                                 thread_count(), plural(thread_count(), "thread"), passed, measured,
                                 seconds);
}

}  // namespace

SelfTestReport selftest(const SelfTestOptions& options) {
  const double start = now_seconds();
  SelfTestReport report;
  if (options.only.empty())
    report.lines = all_lines(options);
  else
    report.lines = {measured(options.only)};
  report.passed = std::none_of(report.lines.begin(), report.lines.end(),
                               [](const SelfTestLine& line) { return line.state == kFailed; });
  nlohmann::ordered_json json = {{"version", version()},
                                 {"processor", processor_name()},
                                 {"threads", thread_count()},
                                 {"passed", report.passed},
                                 {"tolerance_f32", self_test_tolerance(Precision::kF32)},
                                 {"tolerance_bf16", self_test_tolerance(Precision::kBF16)},
                                 {"lines", nlohmann::ordered_json::array()}};
  for (const SelfTestLine& line : report.lines) json["lines"].push_back(json_of(line));
  report.json = json.dump(2) + "\n";
  report.text = text_of(report, now_seconds() - start);
  return report;
}

std::string selftest_numbers() {
  nlohmann::ordered_json json;
  for (const auto& [name, precision] :
       {std::pair("f32", Precision::kF32), std::pair("bf16", Precision::kBF16)})
    for (const SelfTestNumbers& numbers : golden_numbers(precision))
      json[name].push_back({{"name", numbers.name}, {"values", numbers.values}});
  return json.dump(2) + "\n";
}

}  // namespace falconer
