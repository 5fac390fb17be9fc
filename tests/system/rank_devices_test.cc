// Several ranks with a GPU each train one model: ranks that are threads, on emulated devices, over an emulated NCCL.
// Beside ranks on the CPU.
#include <gtest/gtest.h>

#include "api/model/logits.h"
#include "ops/devices.h"
#include "ranks/thread_transport.h"
#include "support/devices.h"
#include "support/emulated_nccl.h"
#include "support/run_files.h"
#include "support/tiny_session.h"
#include "train/optimizer_file.h"
#include "train/trainer.h"

namespace falconer::test {
namespace {

struct RankRun {
  std::vector<double> losses;  // of the steps, and of an evaluation at the end
  std::string model, optimizer;
  int64_t counted = 0, sent = 0;  // bytes, as a plan counts them, and as they went over NCCL
};

/// A GPU goes on while its rank waits for others. The emulated one does that here, while the rank's own thread waits
/// for the call.
class WorkingTransport : public ThreadTransport {
 public:
  using ThreadTransport::ThreadTransport;
  Device* device = nullptr;

  void gather(std::byte* whole, std::span<const size_t> bounds) override {
    work();
    ThreadTransport::gather(whole, bounds);
  }
  void exchange(std::span<const std::span<const std::byte>> parts, std::byte* received) override {
    work();
    ThreadTransport::exchange(parts, received);
  }
  void broadcast(std::byte* data, size_t bytes, int root) override {
    work();
    ThreadTransport::broadcast(data, bytes, root);
  }
  void barrier() override {
    work();
    ThreadTransport::barrier();
  }

 private:
  void work() const {
    if (device != nullptr) device->synchronize();
  }
};

MethodOptions method_named(const char* name) {
  MethodOptions method;
  method.method = name;
  return method;
}

void train_rank(Ranks& ranks, WorkingTransport& transport, const TinyRun& tiny,
                SessionOptions options, RankRun& made) {
  options.checkpoint = tiny.checkpoint;
  options.training = true;
  options.optimizer.moments = 2;
  options.seed = 3;
  options.division.ranks = ranks.size();
  options.division.rank = ranks.rank();
  options.division.here = ranks.size();
  options.division.band = 512;
  options.ranks = &ranks;
  const auto session = Session::open(options);
  transport.device = session->device();
  const std::vector<Row> rows = rows_of(tiny);
  TrainOptions training;
  training.out = tiny.path("out");
  training.batches = {
      .batch_size = 5, .micro_batch_size = 1, .max_steps = 2, .ranks = ranks.size()};
  training.optimizer.lr = 1e-2;
  training.save_interval = 2;
  if (ranks.first()) make_folder(training.out);
  ranks.barrier();
  const std::vector<Row> held_out(rows.begin(), rows.begin() + 4);
  Trainer trainer(*session, rows, held_out, training);
  if (ranks.first())
    trainer.on_step([&](const StepMetrics& step, const EvalMetrics* evaluation) {
      made.losses.push_back(step.loss);
      if (evaluation != nullptr) made.losses.push_back(evaluation->loss);
    });
  trainer.run();
  if (ranks.first())
    made.counted =
        session->sent_for_layers().total() + 2 * session->learners().sent_in_step().total();
  // Pieces on a device are read back as they were written.
  for (const auto& slots : session->optimizer_state())
    for (const View& slot : slots) clear(slot);
  restore_optimizer(training.out / "checkpoint-2", *session);
  save_optimizer(training.out / "again.safetensors", *session);
  transport.device = nullptr;
}

/// Runs `work` on so many ranks, with the transport of each.
void on_working_ranks(int count, const std::function<void(Ranks&, WorkingTransport&)>& work) {
  const auto job = std::make_shared<ThreadJob>(count);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank)
    threads.emplace_back([&, rank] {
      auto made = std::make_unique<WorkingTransport>(job, rank);
      WorkingTransport& transport = *made;
      Ranks ranks(std::move(made));
      work(ranks, transport);
    });
  for (std::thread& thread : threads) thread.join();
}

RankRun train_on_ranks(int count, const SessionOptions& options) {
  const TinyRun tiny(TinyShape{.layers = 2});
  const EmulatedNccl nccl;
  RankRun made;
  on_working_ranks(count, [&](Ranks& ranks, WorkingTransport& transport) {
    train_rank(ranks, transport, tiny, options, made);
  });
  EXPECT_EQ(nccl.alive(), 0);
  EXPECT_EQ(nccl.aborted(), 0);
  for (const NcclGroup& group : nccl.groups(0))
    for (const NcclCall& call : group)
      if (call.sends) made.sent += static_cast<int64_t>(call.bytes);
  EXPECT_EQ(made.sent, options.device == "cpu" ? 0 : made.counted);
  made.model = file_bytes(weights_of(tiny.path("out") / "final"));
  made.optimizer = file_bytes(tiny.path("out") / "checkpoint-2" / "optimizer.safetensors");
  EXPECT_TRUE(file_bytes(tiny.path("out") / "again.safetensors") == made.optimizer);
  return made;
}

class RankDevicesOf : public ::testing::TestWithParam<const char*> {};

TEST_P(RankDevicesOf, LearnWhatRanksOnTheCpuDoWhateverIsDivided) {
  ASSERT_TRUE(has_device("emulated") && has_device("hasty"));
  const bool adapter = std::string(GetParam()).starts_with("adapter");
  for (const Precision precision : {Precision::kF32, Precision::kBF16}) {
    if (adapter && precision == Precision::kBF16) continue;  // an emulated step takes long
    SessionOptions options;
    options.method = method_named(GetParam());
    options.precision = precision;
    const RankRun want = train_on_ranks(3, options);
    ASSERT_EQ(want.losses.size(), 3u);
    std::optional<RankRun> first;
    for (const auto& [device, shard, offload] :
         {std::tuple("emulated", Shard::kNone, false),
          std::tuple("emulated", Shard::kOptimizer, false),
          std::tuple("emulated", Shard::kAll, false), std::tuple("hasty", Shard::kAll, true)}) {
      SCOPED_TRACE(fmt::format("{}, shard {}", device, static_cast<int>(shard)));
      options.device = device;
      options.optimizer.offload = offload;
      options.division.shard = shard;
      const RankRun got = train_on_ranks(3, options);
      ASSERT_EQ(got.losses.size(), want.losses.size());
      const double near = precision == Precision::kF32 ? 4e-5 : 0.01;
      for (size_t i = 0; i < got.losses.size(); ++i)
        EXPECT_NEAR(got.losses[i], want.losses[i], near * want.losses[i]) << "step " << i;
      if (!first) first = got;
      EXPECT_EQ(got.losses, first->losses);
      EXPECT_TRUE(got.model == first->model);
      EXPECT_TRUE(got.optimizer == first->optimizer);
    }
  }
}

// Ranks have other numbers of rows, of other lengths, whose logits are made in other numbers of chunks.
TEST(RankDevices, AnswerAsOneDoes) {
  ASSERT_TRUE(has_device("emulated"));
  const TinyRun tiny(TinyShape{.layers = 2});
  const EmulatedNccl nccl;
  const std::vector<std::vector<int32_t>> rows = {
      {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}, {8, 9}, {7, 9, 3}, {2, 3, 8, 4, 6}};
  const auto logits = [&](Session& session, const std::vector<int32_t>& ids) {
    session.run().head_chunk = 4;
    const Tensor made = unchecked_logits_of(session, ids);
    return std::vector<float>(made.view().row<float>(0),
                              made.view().row<float>(0) + made.view().size());
  };
  SessionOptions options{
      .checkpoint = tiny.checkpoint, .precision = Precision::kF32, .device = "emulated"};
  const auto alone = Session::open(options);
  std::vector<std::vector<float>> want, got(rows.size());
  for (const auto& row : rows) want.push_back(logits(*alone, row));
  on_working_ranks(3, [&](Ranks& ranks, WorkingTransport& transport) {
    SessionOptions mine = options;
    mine.division = {
        .ranks = 3, .rank = ranks.rank(), .here = 3, .shard = Shard::kAll, .band = 512};
    mine.ranks = &ranks;
    const auto session = Session::open(mine);
    transport.device = session->device();
    for (auto i = static_cast<size_t>(ranks.rank()); i < rows.size(); i += 3)
      got[i] = logits(*session, rows[i]);
    session->pass_for_others();
    transport.device = nullptr;
  });
  EXPECT_EQ(nccl.alive(), 0);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE(got[i] == want[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(Methods, RankDevicesOf,
                         ::testing::Values("lora", "adapter", "adapter-v2", "full"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace falconer::test
