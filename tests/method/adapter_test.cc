// What Lit-Parrot's and LitGPT's adapters got wrong: see docs/defects.md.
#include "method/adapter.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "checkpoint/safetensors_writer.h"
#include "generate/generator.h"
#include "support/errors.h"
#include "support/tiny_session.h"
#include "train/trainer.h"

namespace falconer::test {
namespace {

MethodOptions adapter_of(const std::string& method) {
  MethodOptions options;
  options.method = method;
  options.adapter_start_layer = 1;
  return options;
}

void fill_normal(const View& view, uint32_t seed, float size = 1) {
  const RandomStream stream(seed, RandomPurpose::kTest);
  for (int64_t i = 0; i < view.size(); ++i)
    view.row<float>(0)[i] = size * stream.normal(static_cast<uint64_t>(i));
}

// gate_h sum_j softmax_j(q_h k_j) v_j in double, with the keys and values of head h's own group.
double expected_share(const View& qkv, const View& prompt, const float* gate, int64_t row,
                      int64_t head, int64_t element, const QkvLayout& at) {
  const int64_t group = head / at.per_group, stride = (at.per_group + 2) * at.size;
  const int64_t q0 = group * stride + head % at.per_group * at.size;
  const int64_t k0 = group * stride + at.per_group * at.size, v0 = k0 + at.size;
  std::vector<double> weights;
  double total = 0, sum = 0;
  for (int64_t j = 0; j < prompt.rows; ++j) {
    double score = 0;
    for (int64_t d = 0; d < at.size; ++d)
      score += static_cast<double>(qkv.row<float>(row)[q0 + d]) * prompt.row<float>(j)[k0 + d];
    weights.push_back(std::exp(score / std::sqrt(static_cast<double>(at.size))));
    total += weights.back();
  }
  for (int64_t j = 0; j < prompt.rows; ++j)
    sum += weights[j] / total * prompt.row<float>(j)[v0 + element];
  return gate[head] * sum;
}

// Keeps out defect 5 of docs/defects.md.
TEST(Defects, AdapterPromptServesEveryHeadOfEveryGroup) {
  for (const bool grouped : {false, true}) {
    const TinyRun run({.grouped = grouped, .init_std = 0.2});
    const auto session = open_training(run, adapter_of("adapter"));
    Attention& attention = session->decoder().blocks()[1].attention();
    const auto& params = session->method()->params();
    fill_normal(params[0]->value, 1);
    fill_normal(params[1]->value, 2);
    PrefixHook hook(session->config(), 1, params[0]->rows());
    Arena fixed(1 << 16), scratch(1 << 20);
    hook.allocate(fixed, false);
    copy_converted(params[0]->value, hook.prompt().value);
    copy_converted(params[1]->value, hook.gate().value);
    falconer::Run pass = session->run();
    pass.kept = pass.scratch = &scratch;
    const int64_t heads = session->config().heads, size = session->config().head_size;
    Tensor qkv(5, attention.qkv().out(), Dtype::kF32), out(5, heads * size, Dtype::kF32);
    Tensor prompt(params[0]->rows(), attention.qkv().out(), Dtype::kF32);
    fill_normal(qkv.view(), 3);
    QkvKept sites;
    attention.qkv().forward(pass, params[0]->value, prompt.view(), sites);
    PrefixKept kept;
    const QkvLayout& layout = attention.qkv().layout();
    hook.forward(pass, attention.qkv(), layout.q(qkv.view()), out.view(), kept, nullptr);
    for (int64_t i = 0; i < 5; ++i)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t d = 0; d < size; ++d)
          EXPECT_NEAR(out.view().row<float>(i)[h * size + d],
                      expected_share(qkv.view(), prompt.view(), hook.gate().value.row<float>(0), i,
                                     h, d, layout),
                      1e-5)
              << "row " << i << " head " << h;
  }
}

// Keeps out defect 6 of docs/defects.md.
TEST(Defects, AdapterPromptLearnsAfterAnEvaluationAndASample) {
  for (const char* method : {"adapter", "adapter-v2"}) {
    SCOPED_TRACE(method);
    const TinyRun run({.init_std = 0.2});
    const auto session = open_training(run, adapter_of(method));
    const std::vector<Row> rows = rows_of(run);
    const BatchBuffer batch = batch_of(rows);
    for (const Param* param : session->method()->params())
      if (param->name.ends_with("gating_factor")) fill_normal(param->value, 2);
    Generator generator(*session, nullptr);
    for (int step = 0; step < 2; ++step) {
      loss_of(*session, batch);
      generator.generate({{5, 6, 7}}, {.max_new_tokens = 4, .ignore_eos = true});
      find_gradients(*session, batch);
      for (const Param* param : session->method()->params())
        EXPECT_GT(norm_of(param->grad), 0) << param->name << " in step " << step;
    }
  }
}

// Keeps out defect 7 of docs/defects.md: a sample is what the prompt says now, not what it said at
// the first sample.
TEST(Defects, ASampleUsesThePromptOfItsOwnTime) {
  const TinyRun run({.init_std = 0.2});
  const GenerateOptions greedy{
      .max_new_tokens = 12, .sampling = {.temperature = 0}, .ignore_eos = true};
  const auto answer_after = [&](bool sampled_before) {
    const auto session = open_training(run, adapter_of("adapter"));
    Generator generator(*session, nullptr);
    std::vector<int32_t> before;
    if (sampled_before) before = generator.generate({{5, 6, 7}}, greedy).front().ids;
    uint32_t seed = 10;
    for (const Param* param : session->method()->params()) fill_normal(param->value, seed++, 3);
    const std::vector<int32_t> after = generator.generate({{5, 6, 7}}, greedy).front().ids;
    EXPECT_NE(before, after);
    return after;
  };
  EXPECT_EQ(answer_after(true), answer_after(false));
}

// The adapter's file with another shape of the gates, and LitGPT's newer names in Lit-Parrot's
// older form.
void rewrite(const std::string& from, const std::string& to, std::vector<int64_t> gate_shape,
             bool old_names) {
  const TensorFiles files = TensorFiles::open_file(from + "/adapter_model.safetensors");
  make_folder(to);
  write_file(to + "/adapter_config.json", read_text_file(from + "/adapter_config.json"));
  std::vector<NamedView> views;
  for (const auto& [name, tensor] : files.tensors()) {
    std::string renamed = name;
    const size_t at = renamed.find(".attn.qkv.");
    if (old_names && at != std::string::npos) renamed.replace(at, 10, ".attn.attn.");
    const bool gate = name.ends_with("gating_factor");
    views.push_back({renamed, gate ? gate_shape : tensor.shape, tensor.view()});
  }
  write_safetensors(to + "/adapter_model.safetensors", views);
}

// Keeps out defect 18 of docs/defects.md.
TEST(Defects, OlderNamesAndShapesOfAdaptersAreRead) {
  const TinyRun run({.init_std = 0.2});
  const SamplingSettings greedy{.max_new_tokens = 8, .temperature = 0, .ignore_eos = true};
  for (const char* method : {"adapter", "adapter-v2"}) {
    FinetuneOptions o = run.options(method, std::string("out-") + method);
    o.lr = 0.1;
    const std::string adapter = finetune(o).final_folder;
    const auto answer = [&](const std::string& folder) {
      return Model::open({.checkpoint = run.checkpoint, .adapter = folder})
          .generate({{5, 6, 7}}, greedy)
          .front()
          .ids;
    };
    // A model of one group has the same order of rows under both names.
    int number = 0;
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{1, 1, 4, 1}, std::vector<int64_t>{1, 4, 1, 1}})
      for (const bool old_names : {false, true}) {
        const std::string folder = run.path(fmt::format("{}-{}", method, number++)).string();
        rewrite(adapter, folder, shape, old_names);
        EXPECT_EQ(answer(folder), answer(adapter));
      }
  }
}

// Keeps out defect 18 of docs/defects.md.
TEST(Defects, ARecordOfANewerFormatIsRefused) {
  const TinyRun run;
  const std::string adapter = finetune(run.options("adapter", "out")).final_folder;
  const std::string path = adapter + "/falconer.json";
  auto record = nlohmann::json::parse(read_text_file(path));
  EXPECT_EQ(record.at("format"), 1);
  record["format"] = 2;
  write_file(path, record.dump());
  expect_mentions(
      message_of([&] { Model::open({.checkpoint = run.checkpoint, .adapter = adapter}); }),
      {"falconer.json", "format 2"});
}

}  // namespace
}  // namespace falconer::test
