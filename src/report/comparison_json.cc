// A comparison's figures for other programs.
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "report/comparison.h"

namespace falconer {
namespace {

using Json = nlohmann::ordered_json;

template <class Value>
Json maybe(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json speed_of(const std::optional<MeasuredSpeed>& speed) {
  if (!speed) return nullptr;
  return {{"prompt_tokens_per_second", speed->prompt_tokens_per_second},
          {"tokens_per_second", speed->tokens_per_second},
          {"peak_rss_bytes", speed->peak_bytes}};
}

}  // namespace

std::string comparison_json(const Comparison& c) {
  Json json = {{"program", c.program},
               {"date", c.date},
               {"machine", c.machine},
               {"checkpoint", c.checkpoint},
               {"data", c.data},
               {"precision", c.precision},
               {"parameters", c.parameters},
               {"rows", c.rows},
               {"held_out_rows", c.held_out_rows},
               {"asked_rows", c.asked_rows},
               {"base",
                {{"held_out_loss", maybe(c.base_held_out_loss)},
                 {"exact", maybe(c.base_exact)},
                 {"answer", speed_of(c.base_speed)}}}};
  json["runs"] = Json::array();
  for (const ComparedRun& run : c.runs)
    json["runs"].push_back({{"name", run.name},
                            {"method", run.method},
                            {"settings", run.settings},
                            {"left_out", run.left_out},
                            {"trainable", run.trainable},
                            {"steps", run.steps},
                            {"rows", run.rows},
                            {"tokens", run.tokens},
                            {"train_seconds", run.train_seconds},
                            {"train_peak_rss_bytes", run.train_peak_bytes},
                            {"held_out_loss", maybe(run.held_out_loss)},
                            {"best_held_out_loss", maybe(run.best_held_out_loss)},
                            {"exact", maybe(run.exact)},
                            {"answer", speed_of(run.speed)},
                            {"merged_answer", speed_of(run.merged_speed)},
                            {"merged_note", run.merged_note}});
  return json_text(json, 2) + "\n";
}

}  // namespace falconer
