// Every op that takes a matrix in blocks, of every table, against the readable definition.
#include <cstring>

#include "ops/cpu/block_numbers.h"
#include "support/tables.h"
#include "tensor/blocks/format.h"

namespace falconer::test {
namespace {

Tensor in_blocks(int64_t rows, int64_t cols, const BlockFormat& format, uint32_t seed) {
  const TestView numbers(rows, cols, Dtype::kF32, seed);
  Tensor blocks(rows, cols, format.dtype);
  copy_converted(numbers.view(), blocks.view());
  return blocks;
}

std::vector<const BlockFormat*> written_formats() {
  std::vector<const BlockFormat*> found;
  for (const BlockFormat* format : block_formats())
    if (format->encode != nullptr) found.push_back(format);
  return found;
}

TEST_P(Tables, LinearOfBlocks) {
  if (test_device != nullptr) GTEST_SKIP() << "a device has their numbers";
  for (const BlockFormat* format : written_formats())
    for (const int64_t n : {1, 7, 40}) {
      SCOPED_TRACE(fmt::format("{}, {} rows", format->label, n));
      const int64_t k = 512, m = 300;  // two panels
      const Tensor w = in_blocks(m, k, *format, 2);
      compare([&](falconer::Run& run) {
        const TestView x(n, k, dtype(), 1), b(1, m), dy(n, m, dtype(), 5);
        std::vector<TestView> out = list(TestView(n, m, dtype(), 3), TestView(n, k, dtype(), 4));
        linear_forward(run, {.x = x, .w = w.view(), .b = b, .y = out[0], .add = true});
        linear_backward(
            run, {.x = x, .w = w.view(), .dy = dy, .dx = out[1], .scale = 0.5f, .add_dx = true});
        return out;
      });
    }
}

TEST_P(Tables, LinearOfBlocksGivesARowWhatItGivesItAmongMany) {
  if (test_device != nullptr) GTEST_SKIP() << "a device has their numbers";
  const Tensor w = in_blocks(300, 512, block_format(Dtype::kQ4_0), 2);
  const TestView x(13, 512, dtype(), 1), all(13, 300, Dtype::kF32), one(1, 300, Dtype::kF32);
  OpRun run(kernels());
  linear_forward(run.run, {.x = x, .w = w.view(), .y = all});
  for (int64_t i = 0; i < 13; ++i) {
    linear_forward(run.run, {.x = x.view().row_range(i, 1), .w = w.view(), .y = one});
    for (int64_t j = 0; j < 300; ++j) ASSERT_EQ(one.values()(0, j), all.values()(i, j));
  }
}

TEST_P(Tables, RowSquaresAndCopiesOfBlocks) {
  if (test_device != nullptr) GTEST_SKIP() << "a device has their numbers";
  for (const BlockFormat* format : written_formats()) {
    const Tensor w = in_blocks(9, 512, *format, 2);
    compare([&](falconer::Run& run) {
      std::vector<TestView> out = list(TestView(1, 9), TestView(9, 512));
      row_squares(run, {.w = w.view(), .out = out[0]});
      copy(run, w.view(), out[1]);
      return out;
    });
  }
}

TEST_P(Tables, EmbeddingOfBlocks) {
  if (test_device != nullptr) GTEST_SKIP() << "a device has their numbers";
  for (const BlockFormat* format : written_formats()) {
    const Tensor w = in_blocks(9, 512, *format, 2);
    int32_t ids[] = {8, 0, 3, 3};
    compare([&](falconer::Run& run) {
      std::vector<TestView> out = list(TestView(4, 512, dtype(), 3));
      embedding_forward(run, {.ids = {ids, 1, 4, 4, Dtype::kI32}, .w = w.view(), .y = out[0]});
      return out;
    });
  }
}

// What products read is what copy_converted() gives.
TEST(NumbersOfBlocks, AreTheFormatsToTheBit) {
  for (const BlockFormat* format : written_formats())
    for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16}) {
      const Tensor blocks = in_blocks(3, 1280, *format, 5);
      const Tensor expected(3, 1280, dtype), found(3, 1280, dtype);
      copy_converted(blocks.view(), expected.view());
      cpu::numbers_of_blocks(blocks.view(), found.view());
      EXPECT_EQ(std::memcmp(expected.view().data, found.view().data, found.view().bytes()), 0)
          << format->label << " as " << name_of(dtype);
      const View part = blocks.view().col_range(256, 512).row_range(1, 2);
      const Tensor some(2, 512, dtype);
      cpu::numbers_of_blocks(part, some.view());
      EXPECT_EQ(std::memcmp(some.view().at(1), expected.view().at(2, 256), bytes_of(dtype, 512)),
                0);
    }
}

}  // namespace
}  // namespace falconer::test
