#include "api/measure/profiling.h"

#include <algorithm>

#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "report/table.h"

namespace falconer {
namespace {

/// For each call of each part: what Perfetto shows, "layer 3 backward", "step 12".
std::string event_name(const PassPart& part) {
  std::string name = part.name;
  if (part.layer >= 0) name += fmt::format(" {}", part.layer);
  if (part.number >= 0) name += fmt::format(" {}", part.number);
  if (part.backward) name += " backward";
  return name;
}

int64_t whole_ns(const Profile& profile) {
  int64_t ns = 0;
  for (const auto& [key, sum] : profile.parts()) ns += sum.ns;
  return ns;
}

struct TimeCells {
  int64_t whole;
  bool small() const { return whole < 10'000'000'000; }
  const char* unit() const { return small() ? "ms" : "s"; }
  std::string time(int64_t ns) const {
    return fmt::format("{:.2f}", static_cast<double>(ns) / (small() ? 1e6 : 1e9));
  }
  std::string share(int64_t ns) const {
    return fmt::format("{:.1f} %", 100 * static_cast<double>(ns) /
                                       static_cast<double>(std::max<int64_t>(whole, 1)));
  }
};

std::string text_by_op(const Profile& profile, const TimeCells& cells) {
  Table table{.columns = {{"op"}, {"calls", true}, {cells.unit(), true}, {"share", true}},
              .rows = {}};
  std::vector<std::pair<std::string, Profile::Sum>> ops(profile.ops().begin(), profile.ops().end());
  std::stable_sort(ops.begin(), ops.end(),
                   [](const auto& a, const auto& b) { return a.second.ns > b.second.ns; });
  int64_t rest = cells.whole;
  for (const auto& [name, sum] : ops) {
    table.rows.push_back(
        {name, grouped_digits(sum.calls), cells.time(sum.ns), cells.share(sum.ns)});
    rest -= sum.ns;
  }
  rest = std::max<int64_t>(rest, 0);
  table.rows.push_back({"(in no op)", "", cells.time(rest), cells.share(rest)});
  return text_table(table);
}

// In the order of a pass; what else a run does stands behind.
std::string text_by_part(const Profile& profile, const TimeCells& cells) {
  struct Line {
    Profile::Sum forward, backward;
  };
  std::map<std::pair<std::string, int64_t>, Line> lines;
  for (const auto& [key, sum] : profile.parts()) {
    const auto& [name, layer, backward] = key;
    Line& line = lines[{name, layer}];
    (backward ? line.backward : line.forward) = sum;
  }
  Table table{.columns = {{"part"},
                          {"calls", true},
                          {cells.unit(), true},
                          {"of it backward", true},
                          {"share", true}},
              .rows = {}};
  const auto add = [&](const auto& entry) {
    const auto& [key, line] = entry;
    const int64_t ns = line.forward.ns + line.backward.ns;
    table.rows.push_back(
        {event_name({.name = key.first.c_str(), .layer = key.second}),
         grouped_digits(std::max(line.forward.calls, line.backward.calls)), cells.time(ns),
         line.backward.calls > 0 ? cells.time(line.backward.ns) : "", cells.share(ns)});
  };
  const std::vector<std::string> pass = {"embedding", "layer", "final_norm", "head"};
  for (const std::string& name : pass)
    for (const auto& entry : lines)
      if (entry.first.first == name) add(entry);
  for (const auto& entry : lines)
    if (std::find(pass.begin(), pass.end(), entry.first.first) == pass.end()) add(entry);
  return text_table(table);
}

}  // namespace

std::string profile_text(const Profile& profile) {
  const TimeCells cells{whole_ns(profile)};
  return fmt::format("time by op, of {} {}\n{}\ntime by part, without the parts within it\n{}",
                     cells.time(cells.whole), cells.unit(), text_by_op(profile, cells),
                     text_by_part(profile, cells));
}

// Times are in microseconds; three places keep what was measured, so that what lies within stays within.
void write_trace(const Profile& profile, const std::filesystem::path& path) {
  AtomicFile file(path);
  file.write(
      "[\n"
      R"({"name": "process_name", "ph": "M", "pid": 1, "args": {"name": "falconer"}},)"
      "\n"
      R"({"name": "thread_name", "ph": "M", "pid": 1, "tid": 1, "args": {"name": "passes"}})");
  const auto us = [](int64_t ns) { return fmt::format("{}.{:03}", ns / 1000, ns % 1000); };
  for (const Profile::Event& event : profile.events())
    file.write(fmt::format(
        ",\n{{\"name\": \"{}\", \"cat\": \"{}\", \"ph\": \"X\", \"ts\": {}, \"dur\": {}, "
        "\"pid\": 1, \"tid\": 1}}",
        event_name(event.part), event.op ? "op" : "part", us(event.begin_ns),
        us(std::max<int64_t>(event.end_ns - event.begin_ns, 0))));
  file.write("\n]\n");
  file.commit();
}

Profiling::Profiling(Session& session, std::filesystem::path path)
    : session_(session), path_(std::move(path)), before_(session.run().kernels) {
  if (path_.empty()) return;
  profile_ = std::make_unique<Profile>(*before_, session.device());
  session.run().kernels = &profile_->kernels();
  session.run().observer = profile_.get();
}

Profiling::~Profiling() {
  if (!profile_) return;
  session_.run().kernels = before_;
  session_.run().observer = nullptr;
}

void Profiling::finish() {
  if (!profile_) return;
  log_info("{}", profile_text(*profile_));
  write_marked(path_, [&](const std::filesystem::path& place) { write_trace(*profile_, place); });
  log_info("profile: {} is a trace for https://ui.perfetto.dev or chrome://tracing",
           path_.string());
}

}  // namespace falconer
