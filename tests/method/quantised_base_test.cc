// A model whose matrices are in blocks: it is that of their numbers, it trains as that does, and whole numbers come near.
#include "checkpoint/safetensors_writer.h"
#include "ops/kernels.h"
#include "support/errors.h"
#include "support/tiny_session.h"
#include "tensor/blocks/format.h"

namespace falconer::test {
namespace {

const TinyShape kWide{.layers = 3, .width = 64, .init_std = 0.2};

SessionOptions quantised(const TinyRun& run, Dtype format, const MethodOptions& method = {}) {
  return {.checkpoint = run.checkpoint,
          .method = method,
          .precision = Precision::kF32,
          .training = true,
          .optimizer = {.moments = 2},
          .seed = 3,
          .quantise = format};
}

/// A checkpoint of the numbers that a session's blocks have.
std::string numbers_of(Session& session, const TinyRun& run, const std::string& name) {
  make_folder(run.path(name));
  write_file(run.path(name) / "config.json",
             read_text_file(std::filesystem::path(run.checkpoint) / "config.json"));
  std::vector<Tensor> numbers;
  std::vector<NamedView> views;
  for (const auto& param : session.weights().params) {
    numbers.emplace_back(param->rows(), param->cols(), Dtype::kF32);
    copy_converted(param->value, numbers.back().view());
    views.push_back({param->name, param->shape, numbers.back().view()});
  }
  write_safetensors(run.path(name) / "model.safetensors", views);
  return run.path(name).string();
}

TEST(QuantisedBase, IsTheModelOfItsNumbersAndTrainsAsThatDoes) {
  const TinyRun run(kWide);
  const BatchBuffer batch = batch_of(rows_of(run));
  int tried = 0;
  for (const Dtype format : {Dtype::kNF4, Dtype::kFP4, Dtype::kInt8, Dtype::kQ8_0, Dtype::kQ4_0,
                             Dtype::kQ5_1, Dtype::kIQ4_NL, Dtype::kQ4_K})
    for (const MethodOptions& method : all_methods()) {
      if (method.method == "full") continue;
      SCOPED_TRACE(std::string(label_of(format)) + ", " + name_of(method));
      const auto blocks = Session::open(quantised(run, format, method));
      int64_t packed = 0;
      for (const auto& param : blocks->weights().params) packed += is_blocks(param->value.dtype);
      EXPECT_EQ(packed, 3 * 4);  // of each layer; not embedding and head
      const std::string plain = numbers_of(*blocks, run, fmt::format("numbers-{}", ++tried));
      SessionOptions options = quantised(run, format, method);
      options.checkpoint = plain;
      options.quantise.reset();
      const auto numbers = Session::open(options);
      const LossSum a = loss_of(*blocks, batch), b = loss_of(*numbers, batch);
      EXPECT_NEAR(a.sum, b.sum, 1e-5 * b.sum);
      find_gradients(*blocks, batch);
      find_gradients(*numbers, batch);
      for (size_t i = 0; i < numbers->method()->params().size(); ++i) {
        const View &found = blocks->method()->params()[i]->grad,
                   &expected = numbers->method()->params()[i]->grad;
        const double size = norm_of(expected);
        for (int64_t k = 0; k < expected.size(); ++k)
          ASSERT_NEAR(found.row<float>(0)[k], expected.row<float>(0)[k], 1e-4 * size + 1e-7);
      }
    }
}

TEST(QuantisedBase, GradientsAreTrue) {
  const TinyRun run(kWide);
  const BatchBuffer batch = batch_of(rows_of(run));
  const auto session = Session::open(quantised(run, Dtype::kNF4));
  move_away(*session, batch);
  expect_true_gradients(*session, batch);
}

TEST(QuantisedBase, WholeNumbersComeNear) {
  const TinyRun run(kWide);
  const BatchBuffer batch = batch_of(rows_of(run));
  for (const Dtype format : {Dtype::kNF4, Dtype::kQ8_0, Dtype::kQ4_0, Dtype::kQ5_1}) {
    SessionOptions options{
        .checkpoint = run.checkpoint, .precision = Precision::kF32, .quantise = format};
    const LossSum exact = loss_of(*Session::open(options), batch);
    options.whole_numbers = true;
    const auto session = Session::open(options);
    int64_t lanes = 0;
    for (const auto& param : session->weights().params) lanes += static_cast<bool>(param->lanes);
    EXPECT_EQ(lanes, cpu_kernels().lane_bytes(format, 64, 64) > 0 ? 3 * 4 : 0);
    EXPECT_NEAR(loss_of(*session, batch).sum, exact.sum, 0.01 * exact.sum) << label_of(format);
  }
}

TEST(QuantisedBase, WholeNumbersAreThoseOfTheValueThatIsUsed) {
  const TinyRun run(kWide);
  const BatchBuffer batch = batch_of(rows_of(run));
  const auto session = Session::open({.checkpoint = run.checkpoint,
                                      .precision = Precision::kF32,
                                      .quantise = Dtype::kQ8_0,
                                      .whole_numbers = true});
  const double before = loss_of(*session, batch).sum;
  for (const auto& param : session->weights().params) {
    if (!param->lanes) continue;
    const Tensor others(param->rows(), param->cols(),
                        Dtype::kF32);  // as an adapter puts them there
    clear(others.view());
    const View own = param->value;
    param->value = others.view();
    EXPECT_GT(std::fabs(loss_of(*session, batch).sum - before), 1e-3) << param->name;
    param->value = own;
  }
  EXPECT_EQ(loss_of(*session, batch).sum, before);
}

TEST(QuantisedBase, SaysWhatItDoesNotGoWith) {
  const TinyRun run(kWide);
  FinetuneOptions o = run.options("full", "out");
  o.quantize = "nf4";
  expect_mentions(message_of([&] { finetune(o); }), {"quantize", "full"});
  o = run.options("lora", "out");
  o.quantize = "nf5";
  expect_mentions(message_of([&] { finetune(o); }), {"nf5", "nf4"});
  o.quantize = "nf4";
  o.from_scratch = true;
  expect_mentions(message_of([&] { finetune(o); }), {"from-scratch"});
}

TEST(QuantisedBase, IsFinetunedAndAnswersAgain) {
  const TinyRun run(kWide);
  FinetuneOptions o = run.options("lora", "out");
  o.quantize = "nf4";
  const std::string adapter = finetune(o).final_folder;
  const std::vector<double> first = losses(run.path("out"));
  o.out = run.path("again").string();
  finetune(o);
  EXPECT_EQ(losses(run.path("again")), first);
  Model model = Model::open({.checkpoint = run.checkpoint, .adapter = adapter, .quantize = "nf4"});
  EXPECT_EQ(
      model.generate({{5, 6, 7}}, {.max_new_tokens = 5, .ignore_eos = true}).front().ids.size(),
      5U);
}

}  // namespace
}  // namespace falconer::test
