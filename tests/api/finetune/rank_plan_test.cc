// What is planned for ranks that are not here: what each would hold and send.
#include "api/finetune/rank_plan.h"

#include <gtest/gtest.h>

#include <tuple>

#include "ranks/nccl/nccl_ranks.h"
#include "ranks/thread_transport.h"
#include "support/devices.h"
#include "support/errors.h"
#include "support/run_files.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

using Json = nlohmann::json;

Json falcon_config(int64_t width, int64_t layers, int64_t heads) {
  return {{"model_type", "falcon"},
          {"architectures", {"FalconForCausalLM"}},
          {"vocab_size", 65024},
          {"hidden_size", width},
          {"num_hidden_layers", layers},
          {"num_attention_heads", heads},
          {"multi_query", true},
          {"parallel_attn", true},
          {"new_decoder_architecture", false},
          {"alibi", false},
          {"bias", false},
          {"layer_norm_epsilon", 1e-5},
          {"bos_token_id", 11},
          {"eos_token_id", 11},
          {"torch_dtype", "bfloat16"}};
}

Json falcon_7b() { return falcon_config(4544, 32, 71); }

Json falcon_180b() {
  Json config = falcon_config(14848, 80, 232);
  config["new_decoder_architecture"] = true;
  config["num_kv_heads"] = 8;
  return config;
}

/// A folder with config.json alone, and a run of it.
struct ConfigAlone {
  explicit ConfigAlone(const Json& config) { write_file(folder / "config.json", config.dump()); }
  FinetuneOptions options(const std::string& method) const {
    FinetuneOptions o;
    o.method = method;
    o.checkpoint = folder.path().string();
    o.max_seq_length = 256;
    o.micro_batch_size = 1;
    o.master_weights = "f32";
    return o;
  }
  TempFolder folder;
};

Json planned_rank(const FinetuneOptions& options, const PlannedRanks& ranks) {
  return Json::parse(plan(options, ranks).json).at("a_rank");
}

TEST(RankPlan, Falcon7BFullOnSixRanksTakes24GigabytesEach) {
  const ConfigAlone model(falcon_7b());
  FinetuneOptions o = model.options("full");
  o.shard = "all";
  o.batch_size = 6;
  const Json plan = planned_rank(o, {.ranks = 6, .memory = 24'000'000'000});
  EXPECT_TRUE(plan["fits"]) << plan;
  EXPECT_EQ(plan["micro_batches"], 1);
  EXPECT_EQ(plan["tokens"], 256);
  const Json& memory = plan["memory_bytes"];
  EXPECT_LE(memory["together"].get<double>(), 24e9) << plan;
  constexpr double kNumbers = 6'921'720'704;
  EXPECT_NEAR(memory["weights"].get<double>(), kNumbers * 4 / 6, 2e6);
  EXPECT_NEAR(memory["gradients"].get<double>(), kNumbers * 4 / 6, 3e6);
  EXPECT_NEAR(memory["optimizer"].get<double>(), kNumbers * 8 / 6, 4e6);
  EXPECT_EQ(memory["weights_mapped"], 0);
  // Gradients of the table, which is the head too, are sent behind both; every layer's weights come twice, but
  // where the passes turn.
  EXPECT_NEAR(plan["sent_bytes"]["gradients"].get<double>(),
              (kNumbers + 65024.0 * 4544) * 4 * 5 / 6, 3e6);
  EXPECT_GT(plan["sent_bytes"]["weights"].get<double>(), kNumbers * 4 * 5 / 6 * 1.8);
  EXPECT_LT(plan["sent_bytes"]["weights"].get<double>(), kNumbers * 4 * 5 / 6 * 2.2);
}

TEST(RankPlan, LoraOfFalcon180BOnEightRanksFits80Gigabytes) {
  const ConfigAlone model(falcon_180b());
  FinetuneOptions o = model.options("lora");
  o.batch_size = 8;
  const Json plan = planned_rank(o, {.ranks = 8, .memory = 80'000'000'000});
  EXPECT_TRUE(plan["fits"]) << plan;
  EXPECT_EQ(plan["shard"], "all");  // nothing less does
  EXPECT_LE(plan["memory_bytes"]["together"].get<double>(), 80e9) << plan;
}

TEST(RankPlan, ChoosesTheFirstDivisionThatFits) {
  const ConfigAlone model(falcon_7b());
  FinetuneOptions o = model.options("full");
  o.recompute = "off";
  o.batch_size = 6;
  for (const auto& [gigabytes, shard] :
       {std::pair(130, "none"), std::pair(60, "optimizer"), std::pair(25, "all")}) {
    const PlannedRanks ranks{.ranks = 6, .memory = int64_t{gigabytes} * 1'000'000'000};
    const Json chosen = planned_rank(o, ranks);
    EXPECT_EQ(chosen["shard"], shard) << gigabytes << chosen;
    EXPECT_TRUE(chosen["fits"]);
  }
  // Nothing is refused: it is said.
  const FinetunePlan none = plan(o, PlannedRanks{.ranks = 6, .memory = 1'000'000'000});
  EXPECT_FALSE(none.fits);
  expect_mentions(none.text, {"does not fit into 1.0 GB", "planned from config.json alone",
                              "bf16 (torch_dtype)", "each of 6 ranks"});
}

TEST(RankPlan, SaysWhatCommunicationTakes) {
  const ConfigAlone model(falcon_7b());
  FinetuneOptions o = model.options("full");
  o.shard = "all";
  o.batch_size = 12;
  const Json plan =
      planned_rank(o, {.ranks = 6, .memory = 1, .bytes_per_second = 1e9, .tokens_per_second = 64});
  EXPECT_EQ(plan["micro_batches"], 2);
  const double seconds = plan["sent_bytes"]["together"].get<double>() / 1e9;
  EXPECT_DOUBLE_EQ(plan["sending_seconds"].get<double>(), seconds);
  EXPECT_DOUBLE_EQ(plan["computing_seconds"].get<double>(), 8);
  EXPECT_DOUBLE_EQ(plan["sending_share"].get<double>(), seconds / (seconds + 8));
}

// A plan that needs no weights says the same as one that has them.
TEST(RankPlan, OfConfigAloneIsThatOfTheCheckpoint) {
  const TinyRun run(TinyShape{});
  for (const char* method : {"lora", "adapter", "adapter-v2", "full"})
    for (const char* shard : {"none", "optimizer", "all"})
      for (const char* precision : {"auto", "bf16"}) {
        FinetuneOptions o = run.options(method, "out");
        o.shard = shard;
        o.precision = precision;
        FinetuneOptions alone = o;
        alone.checkpoint += "/config.json";
        Json memory[2];
        for (int i = 0; i < 2; ++i) {
          memory[i] = planned_rank(i == 0 ? o : alone, {.ranks = 3})["memory_bytes"];
          memory[i].erase("program");
          memory[i].erase("together");
        }
        EXPECT_EQ(memory[0], memory[1]) << method << shard << precision;
        EXPECT_EQ(megabytes_of(plan(o).text, "trainable and tables"),
                  megabytes_of(plan(alone).text, "trainable and tables"));
        EXPECT_EQ(megabytes_of(plan(o).text, "weights, mapped"),
                  megabytes_of(plan(alone).text, "weights, mapped"));
      }
}

TEST(RankPlan, ADtypeIsWhatConfigSays) {
  for (const auto& [key, dtype, said] : {std::tuple("dtype", "float16", "f16 (dtype)"),
                                         std::tuple("dtype", "float32", "f32 (dtype)"),
                                         std::tuple("other", "", "bf16 (which it does not say)")}) {
    Json config = falcon_7b();
    config.erase("torch_dtype");
    config[key] = dtype;
    const ConfigAlone model(config);
    expect_mentions(plan(model.options("lora"), PlannedRanks{.ranks = 2}).text, {said});
  }
}

// What lies on a GPU: nothing of the program's own, and what NCCL takes.
TEST(RankPlan, OfAGpuCountsItsMemory) {
  ASSERT_TRUE(has_device("emulated"));
  const ConfigAlone model(falcon_7b());
  FinetuneOptions o = model.options("lora");
  o.device = "emulated";
  const auto program = [&](int64_t ranks) {
    const FinetunePlan planned = plan(o, PlannedRanks{.ranks = ranks, .memory = int64_t{80} << 30});
    return Json::parse(planned.json)["a_rank"]["memory_bytes"]["program"].get<size_t>();
  };
  EXPECT_EQ(program(1), Device::kBesideBytes);
  EXPECT_EQ(program(4) - program(1), NcclRanks::room_bytes(4) + (size_t{512} << 20));
}

TEST(RankPlan, SaysWhatIsWrong) {
  const ConfigAlone model(falcon_7b());
  FinetuneOptions o = model.options("lora");
  expect_mentions(message_of([&] { plan(o, PlannedRanks{.ranks = 0}); }),
                  {"--ranks is 0", "1 to 4096"});
  expect_mentions(message_of([&] { plan(o, PlannedRanks{.ranks = 2, .memory = -1}); }),
                  {"--rank-memory"});
  write_file(model.folder / "other.json", "{}");
  o.checkpoint = model.folder / "other.json";
  expect_mentions(message_of([&] { plan(o, PlannedRanks{.ranks = 2}); }),
                  {"other.json", "config.json"});
  // Only a plan takes anything for granted.
  o = model.options("lora");
  o.out = model.folder / "out";
  expect_mentions(message_of([&] { finetune(o); }), {"--data is required"});
}

/// What `ranks` sends in each step, beside what a plan says.
void expect_planned_traffic(Ranks& ranks, SessionOptions options, const std::vector<Row>& rows,
                            int64_t micro_batches, const std::string& what) {
  const int count = ranks.size();
  options.planning = true;
  const auto planned = Session::open(options);
  RankPlan plan = plan_memory_of_rank(*planned, {.ranks = count});
  const StepPlan steps(
      rows, {.batch_size = count * micro_batches, .micro_batch_size = 1, .ranks = count});
  plan_traffic_of_rank(plan, *planned, steps);
  EXPECT_EQ(plan.micro_batches, micro_batches);

  options.planning = false;
  options.ranks = &ranks;
  const auto session = Session::open(options);
  const BatchBuffer batch = batch_of({rows.front()});
  falconer::Run& run = session->run();
  run.training = true;
  session->reserve([&](falconer::Run& dry) { session->decoder().train(dry, batch.batch(), 1); });
  for (int step = 1; step <= 4; ++step) {
    const int64_t before = ranks.sent_bytes();
    session->learners().zero_gradients(run);
    for (int64_t i = 0; i < micro_batches; ++i) session->decoder().train(run, batch.batch(), 1);
    session->finish_gradients();
    session->values_changed();
    ranks.barrier();
    if (step == 1) continue;  // what is wanted next is not known yet
    EXPECT_EQ(ranks.sent_bytes() - before, plan.sent.total()) << what << ", step " << step;
  }
}

class TrafficOf : public ::testing::TestWithParam<std::tuple<int, Shard>> {};

TEST_P(TrafficOf, AStepIsWhatRanksSend) {
  const int count = std::get<0>(GetParam());
  const Shard shard = std::get<1>(GetParam());
  for (const int64_t layers : {1, 2, 5}) {
    const TinyRun run(TinyShape{.layers = layers});
    const std::vector<Row> rows = rows_of(run);
    for (MethodOptions method : all_methods())
      for (const int64_t micro_batches : {1, 3}) {
        method.adapter_start_layer = 0;
        if (shard == Shard::kAll) method.lora_dora = false;  // which reads whole matrices
        on_ranks(count, [&](Ranks& ranks) {
          expect_planned_traffic(ranks,
                                 {.checkpoint = run.checkpoint,
                                  .method = method,
                                  .precision = Precision::kF32,
                                  .training = true,
                                  .optimizer = {.moments = 2},
                                  .seed = 3,
                                  .division = {.ranks = count,
                                               .rank = ranks.rank(),
                                               .here = count,
                                               .shard = shard,
                                               .band = micro_batches == 1 ? Division{}.band : 512}},
                                 rows, micro_batches,
                                 fmt::format("{}, {} layers", name_of(method), layers));
        });
      }
  }
}

INSTANTIATE_TEST_SUITE_P(RankPlan, TrafficOf,
                         ::testing::Combine(::testing::Values(2, 3),
                                            ::testing::Values(Shard::kNone, Shard::kOptimizer,
                                                              Shard::kAll)));

}  // namespace
}  // namespace falconer::test
