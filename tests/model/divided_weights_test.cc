// Weights that ranks have divided: what a pass is given is what one process has, gradients are summed, and a small
// matrix has several bands. The ranks are threads, so that a sanitizer sees what overlaps.
#include "model/divided_weights.h"

#include <gtest/gtest.h>

#include "ops/kernels.h"
#include "ranks/thread_transport.h"

namespace falconer::test {
namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.family = "falcon";
  config.vocab = 61;
  config.width = 24;
  config.layers = 3;
  config.heads = 4;
  config.groups = 1;
  config.head_size = 6;
  config.mlp_width = 96;
  config.tied_head = true;
  return config;
}

float value_at(const Param& param, int64_t i) {
  return static_cast<float>(i % 97) + 0.5f * static_cast<float>(param.name.size());
}

// Gradients that rank r has of element i in a pass; exact in f32, whatever the order of sums.
float gradient_at(int rank, int pass, int64_t i) {
  return static_cast<float>((i + rank) % 31 + 40 * pass);
}

TEST(ParamBands, CoverAMatrixOnceAndBeginWhereMomentBlocksDo) {
  for (const int64_t cols : {1, 24, 64, 71, 4544})
    for (const int ranks : {1, 2, 3, 7})
      for (const int64_t band : {1, 256, 5000, 1 << 23}) {
        int64_t everyones = 0;
        for (int rank = 0; rank < ranks; ++rank) {
          Param param{.name = "w", .shape = {301, cols}};
          param.division = {.ranks = ranks, .rank = rank, .shard = Shard::kAll, .band = band};
          int64_t rows = 0, own = 0;
          for (const Band& one : param.bands()) {
            EXPECT_EQ(one.row, rows);
            EXPECT_EQ(one.first, rows * cols);
            EXPECT_EQ(one.first % kPieceBlock, 0);
            EXPECT_EQ(one.own, own);
            rows += one.rows;
            own += one.count;
          }
          EXPECT_EQ(rows, 301);
          EXPECT_EQ(own, param.own_count());
          everyones += own;
        }
        EXPECT_EQ(everyones, 301 * cols);
      }
}

/// One rank's weights: its pieces of every matrix, all of which learn.
struct RankWeights {
  explicit RankWeights(Division division) : weights(declare_weights(small_config(), division)) {
    for (int build = 0; build < 2; ++build) {
      if (build == 1) fixed = Arena(measured.high_water());
      Arena& arena = build == 0 ? measured : fixed;
      weights = declare_weights(small_config(), division);
      for (const auto& param : weights.params) {
        if (param->vector()) continue;
        param->own_value = arena.push(1, param->own_count(), Dtype::kF32);
        param->in_arena = true;
        make_trainable(*param, arena);
      }
    }
  }
  void fill() {
    for (const auto& param : weights.params)
      if (!param->vector())
        for (const Band& band : param->bands())
          for (int64_t i = 0; i < band.count; ++i)
            param->own_value_of(band).row<float>(0)[i] =
                value_at(*param, band.first + band.begin + i);
  }

  Arena measured, fixed;
  Weights weights;
};

void pass_over(RankWeights& mine, Run& run, int rank, int pass) {
  const auto visit = [&](const Param& param, VisitFor use) {
    for (const Band& band : param.bands()) {
      const BandVisit there(run, param, band, use);
      for (int64_t i = 0; use != VisitFor::kGradients && i < band.rows * param.cols(); ++i)
        ASSERT_EQ(there.value().row<float>(0)[i], value_at(param, band.first + i)) << param.name;
      if (use == VisitFor::kForward) continue;
      for (int64_t i = 0; i < band.rows * param.cols(); ++i)
        there.grad().row<float>(0)[i] += gradient_at(rank, pass, band.first + i);
    }
  };
  std::vector<const Param*> matrices;
  for (const auto& param : mine.weights.params)
    if (!param->vector()) matrices.push_back(param.get());
  for (const Param* param : matrices) visit(*param, VisitFor::kForward);
  for (size_t i = matrices.size(); i-- > 1;) visit(*matrices[i], VisitFor::kBackward);
  visit(*matrices[0], VisitFor::kGradients);
}

TEST(DividedVisits, BringWholeBandsAndSumGradients) {
  for (const int count : {2, 3, 5})
    on_ranks(count, [count](Ranks& ranks) {
      RankWeights mine({.ranks = count, .rank = ranks.rank(), .shard = Shard::kAll, .band = 512});
      mine.fill();
      Arena again(1 << 20);
      DividedVisits visits(mine.weights, &ranks, again);
      falconer::Run run;
      run.kernels = &scalar_kernels();
      run.visits = &visits;
      for (int pass = 0; pass < 3; ++pass) {
        pass_over(mine, run, ranks.rank(), pass);
        visits.values_changed();
      }
      visits.wait();
      for (const auto& param : mine.weights.params) {
        if (param->vector()) continue;
        for (const Band& band : param->bands())
          for (int64_t i = 0; i < band.count; ++i) {
            float sum = 0;
            for (int pass = 0; pass < 3; ++pass)
              for (int rank = 0; rank < count; ++rank)
                sum += gradient_at(rank, pass, band.first + band.begin + i);
            ASSERT_EQ(param->own_grad_of(band).row<float>(0)[i], sum) << param->name;
          }
      }
    });
}

}  // namespace
}  // namespace falconer::test
