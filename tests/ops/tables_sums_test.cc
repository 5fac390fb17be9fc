#include "base/threads.h"
#include "ops/optimizer.h"
#include "support/tables.h"

namespace falconer::test {
namespace {

class TablesSums : public Tables {};

TEST_P(TablesSums, SumOfSquares) {
  for (const auto& size : {std::pair<int64_t, int64_t>{1, 1}, {3, 67}, {1, 20001}}) {
    const int64_t rows = size.first, cols = size.second;
    const double want = on_host([&] {
      OpRun reference;
      return sum_of_squares(reference.run, TestView(rows, cols, dtype(), 1));
    });
    const TestView x(rows, cols, dtype(), 1);
    OpRun fast(kernels());
    const double got = sum_of_squares(fast.run, x);
    EXPECT_NEAR(got, want, 1e-13 * want);
  }
}

TEST_P(TablesSums, SumOfSquaresIsTheSameAtAnyThreadCount) {
  const TestView x(5, 40003, dtype(), 1);
  OpRun fast(kernels());
  const int before = thread_count();
  std::vector<double> sums;
  for (const int threads : {1, 2, 3, 7}) {
    set_thread_count(threads);
    sums.push_back(sum_of_squares(fast.run, x));
  }
  set_thread_count(before);
  for (const double sum : sums) EXPECT_EQ(sum, sums[0]);
}

TEST_P(TablesSums, SumOfSquaresOfWhatIsNotFinite) {
  OpRun fast(kernels());
  for (const double bad : {double{NAN}, double{INFINITY}})
    for (const int64_t at : {0, 66}) {
      Block<double> values = random_block(1, 67, 1);
      values(0, at) = bad;
      const TestView x(values, dtype());
      EXPECT_FALSE(std::isfinite(sum_of_squares(fast.run, x)));
    }
}

TEST_P(TablesSums, RowSquares) {
  for (const int64_t cols : {1, 67, 300})
    compare(
        [&](falconer::Run& run) {
          const TestView w(19, cols, dtype(), 1);
          std::vector<TestView> out = list(TestView(1, 19));
          row_squares(run, {.w = w, .out = out[0]});
          return out;
        },
        2);
}

TEST_P(TablesSums, Sgd) {
  compare(
      [&](falconer::Run& run) {
        const TestView g(1, 77, Dtype::kF32, 2);
        std::vector<TestView> w = list(TestView(1, 77, dtype()));
        sgd(run, {.w = w[0], .g = g, .lr = 0.01, .weight_decay = 0.1, .grad_scale = 0.5});
        return w;
      },
      4);
}

INSTANTIATE_TEST_SUITE_P(All, TablesSums, kEveryCase, name_of_case);

}  // namespace
}  // namespace falconer::test
