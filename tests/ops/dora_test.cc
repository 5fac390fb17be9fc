#include "ops/dora.h"

#include <cmath>

#include "support/op_run.h"

namespace falconer::test {
namespace {

double dot(const Block<double>& a, int64_t i, const Block<double>& b, int64_t j) {
  double sum = 0;
  for (int64_t k = 0; k < a.cols(); ++k) sum += a(i, k) * b(j, k);
  return sum;
}

TEST(Dora, RowSquaresAgreeWithDouble) {
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16})
    for (const auto& [m, k] : {std::pair<int64_t, int64_t>{5, 7}, {1, 1}, {3, 65}}) {
      const TestView w(m, k, dtype), out(1, m, Dtype::kF32, 2);
      const Block<double> values = w.values();
      Block<double> want(1, m);
      for (int64_t i = 0; i < m; ++i) want(0, i) = dot(values, i, values, i);
      OpRun r;
      row_squares(r.run, {.w = w, .out = out});
      expect_agrees(out, want, 1, max_abs(want));
    }
}

// The norms without the matrix, against the matrix W + s B A itself.
TEST(Dora, NormsAreThoseOfTheMergedMatrix) {
  for (const auto& [m, k, rank] : {std::array<int64_t, 3>{6, 9, 2}, {1, 1, 1}, {5, 17, 8}}) {
    const TestView w(m, k, Dtype::kF32, 1), a(rank, k, Dtype::kF32, 2), b(m, rank, Dtype::kF32, 3);
    const Block<double> wv = w.values(), av = a.values(), bv = b.values();
    const double scale = 0.375;
    Block<double> u(rank, m), gram(rank, rank), want(1, m);
    double most = 0;  // the sum of the three terms' sizes, whose differences the norm squared is
    for (int64_t i = 0; i < rank; ++i) {
      for (int64_t j = 0; j < rank; ++j) gram(i, j) = dot(av, i, av, j);
      for (int64_t o = 0; o < m; ++o) u(i, o) = dot(av, i, wv, o);
    }
    double least = 1e30;
    for (int64_t o = 0; o < m; ++o) {
      double sum = 0;
      for (int64_t c = 0; c < k; ++c) {
        double merged = wv(o, c), size = std::abs(wv(o, c));
        for (int64_t i = 0; i < rank; ++i) {
          merged += scale * bv(o, i) * av(i, c);
          size += std::abs(scale * bv(o, i) * av(i, c));
        }
        sum += merged * merged;
        most = std::max(most, k * size * size);
      }
      want(0, o) = std::sqrt(sum);
      least = std::min(least, want(0, o));
    }
    const TestView squares(1, m), uf(u), gramf(gram), norms(1, m, Dtype::kF32, 4);
    OpRun r;
    row_squares(r.run, {.w = w, .out = squares});
    dora_norms(r.run, {.w_squares = squares,
                       .u = uf,
                       .gram = gramf,
                       .b = b,
                       .norms = norms,
                       .scale = static_cast<float>(scale)});
    // An error e of the square is one of e / (2 norm) of the norm.
    expect_agrees(norms, want, 4, most / (2 * least));
  }
}

TEST(Dora, DivideOverwritesOrAdds) {
  const TestView a(1, 7, Dtype::kF32, 1), b(1, 7, Dtype::kF32, 2), out(1, 7, Dtype::kF32, 3);
  const Block<double> av = a.values(), bv = b.values();
  Block<double> want(1, 7);
  for (int64_t i = 0; i < 7; ++i) want(0, i) = av(0, i) / bv(0, i);
  OpRun r;
  divide(r.run, {.a = a, .b = b, .out = out});
  expect_agrees(out, want, 0, 0);
  divide(r.run, {.a = a, .b = b, .out = out, .add = true});
  expect_agrees(out, want + want, 2, 2 * max_abs(want));
}

TEST(Dora, ShapesAreCheckedAndDryRunTouchesNothing) {
  const TestView w(5, 7), squares(1, 5), u(2, 5), gram(2, 2), b(5, 2), norms(1, 5), other(3, 4);
  const DoraNorms args{.w_squares = squares, .u = u, .gram = gram, .b = b, .norms = norms};
  OpRun r;
  for (View DoraNorms::*field :
       {&DoraNorms::w_squares, &DoraNorms::u, &DoraNorms::gram, &DoraNorms::b, &DoraNorms::norms}) {
    DoraNorms bad = args;
    bad.*field = other;
    EXPECT_THROW(dora_norms(r.run, bad), InternalError);
  }
  EXPECT_THROW(row_squares(r.run, {.w = w, .out = other}), InternalError);
  EXPECT_THROW(row_squares(r.run, {.w = w, .out = TestView(1, 5, Dtype::kBF16)}), InternalError);
  EXPECT_THROW(divide(r.run, {.a = other, .b = squares, .out = norms}), InternalError);
  EXPECT_THROW(divide(r.run, {.a = squares, .b = other, .out = norms}), InternalError);
  const Block<double> before = norms.values();
  DryRun dry;
  dora_norms(dry.run, args);
  row_squares(dry.run, {.w = w, .out = norms});
  divide(dry.run, {.a = squares, .b = squares, .out = norms});
  EXPECT_TRUE(same_values(norms.values(), before));
}

}  // namespace
}  // namespace falconer::test
