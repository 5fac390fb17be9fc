#include "api/finetune/rank_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/finetune/rank_run.h"
#include "base/error.h"
#include "base/plural.h"
#include "base/system.h"
#include "falconer/ranks.h"
#include "report/table.h"
#include "train/trainer.h"

namespace falconer {
namespace {

// What a rank of a job has besides a process alone: MPI's library with its buffers, measured with Open MPI 4.1.
constexpr size_t kMpiBytes = size_t{24} << 20;

std::string rank_line(const char* what, size_t bytes, const std::string& note = {}) {
  return fmt::format("  {:<22} {:>13.1f} MB{}\n", what, static_cast<double>(bytes) / 1e6,
                     note.empty() ? "" : " (" + note + ")");
}

}  // namespace

void check_planned_ranks(const PlannedRanks& asked) {
  if (asked.ranks < 1 || asked.ranks > kMostRanks)
    fail_usage("--ranks is {}; expected a whole number from 1 to {}", asked.ranks, kMostRanks);
  if (asked.memory < 0) fail_usage("--rank-memory is {}; expected 1 byte or more", asked.memory);
  if (!(asked.bytes_per_second >= 0))
    fail_usage("--interconnect is {}; expected more than 0", asked.bytes_per_second);
  if (!(asked.tokens_per_second >= 0))
    fail_usage("--tokens-per-second is {}; expected more than 0", asked.tokens_per_second);
}

Division planned_division(const PlannedRanks& asked, const std::string& shard) {
  return {.ranks = static_cast<int>(asked.ranks), .shard = shards_to_try(shard).front()};
}

size_t RankPlan::tables() const {
  return memory.fixed - memory.weights - memory.gradients - memory.optimizer - memory.gathered -
         memory.band_gradients;
}

size_t RankPlan::together() const {
  return memory.mapped + memory.fixed + memory.kept + memory.scratch + program;
}

double RankPlan::sending_seconds() const {
  return asked.bytes_per_second > 0 ? static_cast<double>(sent.total()) / asked.bytes_per_second
                                    : 0;
}

double RankPlan::computing_seconds() const {
  return asked.tokens_per_second > 0 ? static_cast<double>(tokens) / asked.tokens_per_second : 0;
}

RankPlan plan_memory_of_rank(const Session& session, const PlannedRanks& asked) {
  const Division& division = session.options().division;
  RankPlan plan{.asked = asked,
                .shard = shard_name(division.shard),
                .memory = session.plan(),
                .available = asked.memory > 0 ? asked.memory : session.available_bytes()};
  plan.program = plan.memory.services;
  if (session.device() != nullptr) return plan;  // whose memory it is
  plan.program += static_cast<size_t>(resident_bytes()) + (division.many() ? kMpiBytes : 0);
  return plan;
}

void plan_traffic_of_rank(RankPlan& plan, Session& session, const StepPlan& steps) {
  const auto rounds = steps.shares(1);
  plan.micro_batches = std::ssize(rounds);
  std::vector<MicroBatch> largest;  // of each round: all wait for it
  for (const auto& round : rounds) {
    MicroBatch most;
    for (const MicroBatch& micro : round) {
      most.tokens = std::max(most.tokens, micro.tokens);
      most.targets = std::max(most.targets, micro.targets);
      if (micro.rows.size() > most.rows.size()) most.rows = micro.rows;
    }
    plan.tokens += most.tokens;
    largest.push_back(most);
  }
  // Of what was gathered nothing stays from step to step; but what is wanted next is known from the last one.
  Traffic before;
  for (int step = 0; step < 2; ++step) {
    before = session.sent_for_layers();
    for (const MicroBatch& micro : largest)
      session.reserve([&](Run& run) {
        run.training = true;
        run.head_rows = micro.targets;
        session.decoder().train(
            run, measuring_batch(micro.tokens, micro.targets, std::ssize(micro.rows)), 1);
      });
    session.values_changed();
  }
  plan.sent = session.sent_for_layers();
  plan.sent -= before;
  plan.sent += session.learners().sent_in_step();
}

std::string rank_memory_text(const RankPlan& plan, const Session& session,
                             const std::string& heading) {
  const MemoryPlan& memory = plan.memory;
  const Division& division = session.options().division;
  const int64_t ranks = plan.asked.ranks;
  const std::string part = division.many() ? fmt::format("a part of {}", ranks) : "";
  std::string text = fmt::format("memory plan of each of {} {} ({}, {}):\n", ranks,
                                 plural(ranks, "rank"), heading, worded("--shard {}", plan.shard));
  if (!session.why_computed_so().empty()) text += "  " + session.why_computed_so() + "\n";
  text += rank_line("weights, mapped", memory.mapped);
  text += rank_line("weights", memory.weights, division.weights() ? part : "");
  if (memory.gathered > 0)
    text += rank_line("weights, in bands", memory.gathered, "two at a time, of all ranks");
  text += rank_line("gradients", memory.gradients, division.optimizer() ? part : "");
  if (memory.band_gradients > 0)
    text += rank_line("gradients, in bands", memory.band_gradients, "two at a time");
  const OptimizerMemory& optimizer = session.options().optimizer;
  const bool coded = optimizer.coded && optimizer.moments > 0;
  text += rank_line("optimizer state", memory.optimizer,
                    std::string(coded ? "8 bits" : "") +
                        (division.optimizer() ? (coded ? ", " : "") + part : ""));
  text += rank_line("tables", plan.tables());
  text += rank_line("kept for backward", memory.kept,
                    session.run().recompute ? spelled("--recompute") : "");
  text += rank_line("scratch", memory.scratch);
  text += rank_line("program and messages", plan.program);
  text += rank_line("together", plan.together(), "the most that a rank has resident");
  text += fmt::format("  {} {:.1f} GB, {}\n", plan.fits() ? "fits into" : "does not fit into",
                      static_cast<double>(plan.available) / 1e9,
                      plan.asked.memory > 0 ? spelled("--rank-memory")
                                            : std::string("what can be had on this machine"));
  return text;
}

std::string rank_traffic_text(const RankPlan& plan) {
  const auto line = [](const char* what, int64_t bytes) {
    return bytes == 0 ? std::string() : rank_line(what, static_cast<size_t>(bytes));
  };
  std::string text =
      fmt::format("each rank sends in a step ({} {} of it, {} {}):\n", plan.micro_batches,
                  plural(plan.micro_batches, "micro-batch", "micro-batches"),
                  grouped_digits(plan.tokens), plural(plan.tokens, "token"));
  text += line("weights", plan.sent.weights);
  text += line("gradients", plan.sent.gradients);
  text += line("whole gradients", plan.sent.whole_gradients);
  text += line("what it updated", plan.sent.values);
  text += rank_line("together", static_cast<size_t>(plan.sent.total()));
  const double sending = plan.sending_seconds(), computing = plan.computing_seconds();
  if (sending > 0)
    text +=
        fmt::format("  at {:.3g} GB/s that takes {:.3g} s, where nothing is computed beside it\n",
                    plan.asked.bytes_per_second / 1e9, sending);
  if (sending > 0 && computing > 0)
    text += fmt::format(
        "  computing takes {:.3g} s at {:g} tokens/s, so that communication is {:.0f} % of a "
        "step\n",
        computing, plan.asked.tokens_per_second, 100 * sending / (sending + computing));
  return text;
}

std::string rank_plan_json(const RankPlan& plan) {
  using Json = nlohmann::ordered_json;
  const MemoryPlan& memory = plan.memory;
  Json json{
      {"ranks", plan.asked.ranks}, {"shard", plan.shard}, {"micro_batches", plan.micro_batches},
      {"tokens", plan.tokens},     {"fits", plan.fits()}, {"available_bytes", plan.available}};
  json["memory_bytes"] = {{"weights_mapped", memory.mapped},
                          {"weights", memory.weights},
                          {"weights_of_bands", memory.gathered},
                          {"gradients", memory.gradients},
                          {"gradients_of_bands", memory.band_gradients},
                          {"optimizer", memory.optimizer},
                          {"tables", plan.tables()},
                          {"kept", memory.kept},
                          {"scratch", memory.scratch},
                          {"program", plan.program},
                          {"together", plan.together()}};
  json["sent_bytes"] = {{"weights", plan.sent.weights},
                        {"gradients", plan.sent.gradients},
                        {"whole_gradients", plan.sent.whole_gradients},
                        {"values", plan.sent.values},
                        {"together", plan.sent.total()}};
  const double sending = plan.sending_seconds(), computing = plan.computing_seconds();
  json["sending_seconds"] = sending > 0 ? Json(sending) : Json(nullptr);
  json["computing_seconds"] = computing > 0 ? Json(computing) : Json(nullptr);
  json["sending_share"] =
      sending > 0 && computing > 0 ? Json(sending / (sending + computing)) : Json(nullptr);
  return json.dump();
}

}  // namespace falconer
