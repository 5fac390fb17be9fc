// What a model is computed in, and that nothing is rounded where nobody asked for it.
#include "method/precision.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/made_checkpoint.h"
#include "support/tiny_session.h"

namespace falconer::test {
namespace {

Dtype matrices_in(Dtype dtype, const Param& param) { return param.vector() ? Dtype::kF32 : dtype; }

class Precisions : public ::testing::Test {
 protected:
  Precisions() { set_verbosity("quiet"); }

  std::string made(const std::string& name, std::function<Dtype(const Param&)> dtype) {
    return write_checkpoint(folder_ / name, {.dtype = std::move(dtype)});
  }
  ComputedIn chosen(const std::string& checkpoint) {
    return computed_in(Precision::kAuto, TensorFiles::open_folder(checkpoint));
  }
  std::string rows() {
    const std::string path = (folder_ / "rows.jsonl").string();
    write_rows(path, 5);
    return path;
  }

  TempFolder folder_;
};

TEST_F(Precisions, MatricesDecideAndVectorsDoNot) {
  for (const Dtype vectors : {Dtype::kF16, Dtype::kBF16, Dtype::kF32}) {
    const auto with = [&](Dtype matrices) {
      return chosen(made(fmt::format("{}-{}", name_of(vectors), name_of(matrices)),
                         [=](const Param& p) { return p.vector() ? vectors : matrices; }));
    };
    EXPECT_EQ(with(Dtype::kF32).activation, Dtype::kF32);
    EXPECT_EQ(with(Dtype::kF32).why, "");
    EXPECT_EQ(with(Dtype::kBF16).activation, Dtype::kBF16);
    EXPECT_EQ(with(Dtype::kBF16).why, "");
    EXPECT_EQ(with(Dtype::kF16).activation, Dtype::kF32);
    expect_mentions(with(Dtype::kF16).why, {"f32", "stored in f16", "--precision bf16"});
  }
}

TEST_F(Precisions, OneMatrixThatBf16CannotHoldIsNotRounded) {
  for (const Dtype odd : {Dtype::kF32, Dtype::kF16}) {
    const std::string checkpoint = made(std::string(name_of(odd)), [=](const Param& p) {
      return p.name.find(".1.mlp.dense_4h") != std::string::npos ? odd
                                                                 : matrices_in(Dtype::kBF16, p);
    });
    const ComputedIn so = chosen(checkpoint);
    EXPECT_EQ(so.activation, Dtype::kF32);
    expect_mentions(so.why, {"1 of 9 matrices", "transformer.h.1.mlp.dense_4h_to_h.weight"});
  }
}

TEST_F(Precisions, WhatWasAskedForIsNotExplained) {
  const TensorFiles files = TensorFiles::open_folder(
      made("half", [](const Param& p) { return matrices_in(Dtype::kF16, p); }));
  EXPECT_EQ(computed_in(Precision::kBF16, files).activation, Dtype::kBF16);
  EXPECT_EQ(computed_in(Precision::kBF16, files).why, "");
  EXPECT_EQ(computed_in(Precision::kF32, files).why, "");
}

// The same numbers, stored in f16 and widened by the file's writer: every product reads the same f32.
TEST_F(Precisions, HalfPrecisionIsComputedExactlyWhereItLies) {
  const auto rounded = [](const Param&, std::vector<float>& values) {
    for (float& value : values) value = static_cast<float>(F16(value));
  };
  const auto half = [](const Param&) { return Dtype::kF16; };
  const std::string stored = write_checkpoint(folder_ / "f16", {.dtype = half, .edit = rounded});
  const std::string wide = write_checkpoint(folder_ / "f32", {.edit = rounded});
  const std::string data = rows();
  const std::vector<double> a = scores(stored, data), b = scores(wide, data);
  EXPECT_EQ(a, scores(stored, data, "f32"));
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
  EXPECT_GT(std::abs(scores(stored, data, "bf16")[0] - b[0]), 1e-3) << "or this shows nothing";

  const auto session = Session::open({.checkpoint = stored});
  for (const auto& param : session->weights().params)
    if (!param->vector()) {
      EXPECT_TRUE(param->mapped) << param->name << " takes no memory of its own";
      EXPECT_EQ(param->value.dtype, Dtype::kF16);
    }
}

TEST_F(Precisions, EveryMethodTrainsOnHalfPrecision) {
  const auto half = [](const Param&) { return Dtype::kF16; };
  const auto rounded = [](const Param&, std::vector<float>& values) {
    for (float& value : values) value = static_cast<float>(F16(value));
  };
  const TinyRun run;
  for (const char* method : {"lora", "adapter", "adapter-v2", "full"}) {
    const auto loss_on = [&](const std::string& name, auto dtype) {
      FinetuneOptions o = run.options(method, name + method);
      o.checkpoint = write_checkpoint(run.path(name + method + "-base"),
                                      {.shape = {.layers = 4}, .dtype = dtype, .edit = rounded});
      o.precision = "auto";
      o.lora_dora = std::string(method) == "lora";
      return finetune(o).last_loss;
    };
    const double wide = loss_on("f32", [](const Param&) { return Dtype::kF32; });
    EXPECT_NEAR(loss_on("f16", half), wide, 1e-4 * wide) << method;
  }
}

}  // namespace
}  // namespace falconer::test
