#include "ops/watched.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/errors.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(WatchedKernels, EveryMemberIsThere) {
  const Kernels& watched = watched_kernels(cpu_kernels());
  const auto* members = reinterpret_cast<void* const*>(&watched);
  for (size_t i = 1; i < sizeof(Kernels) / sizeof(void*); ++i) EXPECT_NE(members[i], nullptr) << i;
}

/// A step of a method on watched kernels, with a number that is not finite put into a weight.
class WatchedStep : public ::testing::Test {
 protected:
  std::unique_ptr<Session> open(const MethodOptions& method) {
    auto session = open_training(run, method);
    session->run().kernels = &watched_kernels(*session->run().kernels);
    return session;
  }
  void step(Session& session) {
    const BatchBuffer batch = batch_of(rows_of(run));
    const auto pass = [&](falconer::Run& r) {
      r.training = true;
      session.decoder().train(r, batch.batch(), 1);
    };
    session.reserve(pass);
    pass(session.run());
  }
  TinyRun run;
};

TEST_F(WatchedStep, SaysNothingOfAStepThatIsAsItShouldBe) {
  for (const MethodOptions& method : all_methods()) step(*open(method));
}

TEST_F(WatchedStep, NamesTheFirstOpThatWritesANan) {
  MethodOptions full;
  full.method = "full";
  const auto session = open(full);
  for (const auto& param : session->weights().params)
    if (param->name == "transformer.h.2.mlp.dense_h_to_4h.weight")
      param->value.row<float>(3)[1] = kNan;
  expect_mentions(message_of([&] { step(*session); }), {"linear_forward", "nan", "column 3"});
}

TEST_F(WatchedStep, NamesAnInfiniteSumOfABackwardPass) {
  MethodOptions full;
  full.method = "full";
  const auto session = open(full);
  for (Param* param : session->method()->params())
    if (param->name == "transformer.h.1.self_attention.dense.weight")
      param->grad.row<float>(0)[0] = std::numeric_limits<float>::infinity();
  expect_mentions(message_of([&] { step(*session); }),
                  {"linear_backward_w", "inf", "row 0, column 0"});
}

}  // namespace
}  // namespace falconer::test
