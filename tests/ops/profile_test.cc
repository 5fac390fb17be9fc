#include "ops/profile.h"

#include <gtest/gtest.h>

#include <cstddef>

#include "support/tiny_session.h"

namespace falconer::test {
namespace {

TEST(Profile, HasEveryKernel) {
  const Profile profile(cpu_kernels(), nullptr);
  const auto* members = reinterpret_cast<void* const*>(&profile.kernels());
  const auto* real = reinterpret_cast<void* const*>(&cpu_kernels());
  // What comes behind is of building a model, and of no pass.
  for (size_t i = 1; i < offsetof(Kernels, lane_bytes) / sizeof(void*); ++i) {
    EXPECT_NE(members[i], nullptr) << i;
    EXPECT_NE(members[i], real[i]) << i;
  }
}

/// Steps of full finetuning on a session, as the trainer calls them.
class ProfiledSteps : public ::testing::Test {
 protected:
  ProfiledSteps() {
    MethodOptions full;
    full.method = "full";
    session = open_training(run, full);
    batch.emplace(batch_of(rows_of(run)));
    pass(session->run(), true);
  }
  void pass(falconer::Run& r, bool dry = false) {
    const auto once = [&](falconer::Run& to) {
      to.training = true;
      const InPart step(to, {.name = "step", .number = 1});
      session->decoder().train(to, batch->batch(), 1);
    };
    dry ? session->reserve(once) : once(r);
  }
  void observe(Profile& profile) {
    session->run().kernels = &profile.kernels();
    session->run().observer = &profile;
  }

  TinyRun run;
  std::unique_ptr<Session> session;
  std::optional<BatchBuffer> batch;
};

TEST_F(ProfiledSteps, EventsNestAndSumsAreThoseOfTheEvents) {
  Profile profile(*session->run().kernels, nullptr);
  observe(profile);
  pass(session->run(), true);  // of a dry run nothing is taken
  EXPECT_TRUE(profile.events().empty());
  pass(session->run());
  pass(session->run());

  int64_t steps = 0, ops = 0, in_ops = 0;
  std::vector<const Profile::Event*> open;
  for (const Profile::Event& event : profile.events()) {
    EXPECT_LE(event.begin_ns, event.end_ns);
    while (!open.empty() && open.back()->end_ns <= event.begin_ns) open.pop_back();
    if (!open.empty()) {
      EXPECT_FALSE(open.back()->op) << "an op within an op";
      EXPECT_LE(open.back()->begin_ns, event.begin_ns);
      EXPECT_GE(open.back()->end_ns, event.end_ns) << event.part.name;
    }
    ops += event.op;
    in_ops += event.op ? event.end_ns - event.begin_ns : 0;
    if (open.empty()) {
      EXPECT_STREQ(event.part.name, "step");
      steps += event.end_ns - event.begin_ns;
    }
    open.push_back(&event);
  }
  int64_t parts = 0, summed = 0, calls = 0;
  for (const auto& [key, sum] : profile.parts()) {
    EXPECT_GE(sum.ns, 0) << std::get<0>(key);
    parts += sum.ns;
  }
  for (const auto& [name, sum] : profile.ops()) {
    summed += sum.ns;
    calls += sum.calls;
  }
  EXPECT_EQ(parts, steps);
  EXPECT_EQ(summed, in_ops);
  EXPECT_EQ(calls, ops);
  EXPECT_LE(summed, steps);
  for (int64_t l = 0; l < session->config().layers; ++l)
    for (const bool backward : {false, true})
      EXPECT_EQ(profile.parts().at({"layer", l, backward}).calls, 2) << l;
}

TEST_F(ProfiledSteps, TheTraceEndsWhereThereAreEnoughEvents) {
  Profile profile(*session->run().kernels, nullptr, 20);
  observe(profile);
  pass(session->run());
  EXPECT_EQ(profile.events().size(), 20u);
  EXPECT_GT(profile.events_left_out(), 0);
  int64_t calls = 0;
  for (const auto& [name, sum] : profile.ops()) calls += sum.calls;
  EXPECT_GT(calls, 20);
  // Those that were begun have their end.
  for (const Profile::Event& event : profile.events()) EXPECT_GE(event.end_ns, event.begin_ns);
}

}  // namespace
}  // namespace falconer::test
