// Training in whole numbers: it comes near to exact training, and is itself to the last bit whatever is saved.
#include "base/threads.h"
#include "support/errors.h"
#include "support/run_files.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

const TinyShape kWholeShape{.layers = 3, .width = 64, .init_std = 0.2};

SessionOptions in_whole_numbers(const TinyRun& run, const MethodOptions& method, bool whole) {
  return {.checkpoint = run.checkpoint,
          .method = method,
          .precision = Precision::kF32,
          .training = true,
          .optimizer = {.moments = 2},
          .seed = 3,
          .whole_numbers = whole};
}

// Root of the sum of squares of what differs, of all gradients: activations, weights and gradients are each 0.5 to 0.7 %
// off, and three layers add up.
TEST(WholeNumbers, GradientsComeNearToExactOnes) {
  const TinyRun run(kWholeShape);
  const BatchBuffer batch = batch_of(rows_of(run));
  for (const std::optional<Dtype> format :
       {std::optional<Dtype>(), std::optional(Dtype::kNF4), std::optional(Dtype::kQ8_0)})
    for (const MethodOptions& method : all_methods()) {
      if (method.method == "full") continue;
      SCOPED_TRACE(name_of(method));
      SessionOptions options = in_whole_numbers(run, method, false);
      options.quantise = format;
      const auto exact = Session::open(options);
      options.whole_numbers = true;
      const auto whole = Session::open(options);
      move_away(*exact, batch);
      for (size_t i = 0; i < exact->method()->params().size(); ++i)
        copy_converted(exact->method()->params()[i]->value, whole->method()->params()[i]->value);
      const LossSum a = loss_of(*exact, batch), b = loss_of(*whole, batch);
      EXPECT_NE(a.sum, b.sum);
      EXPECT_NEAR(a.sum, b.sum, 0.01 * a.sum);
      find_gradients(*exact, batch);
      find_gradients(*whole, batch);
      double error = 0, size = 0;
      for (size_t i = 0; i < exact->method()->params().size(); ++i) {
        const View &expected = exact->method()->params()[i]->grad,
                   &found = whole->method()->params()[i]->grad;
        size += std::pow(norm_of(expected), 2);
        for (int64_t k = 0; k < expected.size(); ++k)
          error += std::pow(found.row<float>(0)[k] - expected.row<float>(0)[k], 2);
      }
      EXPECT_LT(std::sqrt(error / size), 0.05);
    }
}

std::string weights_after(const FinetuneOptions& options) {
  return file_bytes(weights_of(finetune(options).final_folder));
}

TEST(WholeNumbers, ARunIsTheSameAtAnyNumberOfThreadsAndWhateverIsKept) {
  const TinyRun run(kWholeShape);
  const auto options = [&](const std::string& out) {
    FinetuneOptions o = run.options("lora", out);
    o.quantize = "nf4";
    o.compute = "int8";
    return o;
  };
  const int before = thread_count();
  set_thread_count(1);
  const std::string expected = weights_after(options("one"));
  set_thread_count(3);
  FinetuneOptions o = options("three");
  EXPECT_EQ(weights_after(o), expected);
  set_thread_count(before);
  o = options("recompute");
  o.recompute = "on";
  EXPECT_EQ(weights_after(o), expected);
  o = options("low-memory");
  o.low_memory = true;
  EXPECT_EQ(weights_after(o), expected);
  o = options("exact");
  o.compute = "exact";
  EXPECT_NE(weights_after(o), expected);
}

TEST(WholeNumbers, ARunThatIsResumedStaysWhatItWas) {
  const TinyRun run(kWholeShape);
  FinetuneOptions o = run.options("lora", "whole");
  o.compute = "int8";
  o.schedule = "constant";
  o.max_steps = 4;
  const std::string expected = weights_after(o);
  o.out = run.path("parts").string();
  o.max_steps = o.save_interval = 2;
  EXPECT_NE(weights_after(o), expected);
  o.max_steps = 4;
  o.resume = "auto";
  EXPECT_EQ(weights_after(o), expected);
  EXPECT_NE(file_bytes(run.path("parts") / "final" / "falconer.json").find("int8"),
            std::string::npos);
}

TEST(WholeNumbers, SayWhatTheyDoNotGoWith) {
  const TinyRun run(kWholeShape);
  FinetuneOptions o = run.options("full", "out");
  o.compute = "int8";
  expect_mentions(message_of([&] { finetune(o); }), {"compute", "full"});
  o = run.options("lora", "out");
  o.compute = "int4";
  expect_mentions(message_of([&] { finetune(o); }), {"int4", "int8"});
}

}  // namespace
}  // namespace falconer::test
