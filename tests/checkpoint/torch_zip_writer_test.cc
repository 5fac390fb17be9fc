#include "checkpoint/torch_zip_writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/tensor_file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::test {
namespace {

Tensor counted_numbers(int64_t rows, int64_t cols) {
  Tensor tensor(rows, cols, Dtype::kF32);
  for (int64_t i = 0; i < rows * cols; ++i)
    tensor.view().row<float>(0)[i] = 0.1f * static_cast<float>(i % 1009);
  return tensor;
}

TEST(TorchZipWriter, EveryDtypeAndShapeComesBack) {
  const TempFolder folder;
  const Tensor values = counted_numbers(6, 10);
  const std::vector<std::vector<int64_t>> shapes = {{6, 10}, {60}, {3, 2, 10}, {1, 60}};
  std::vector<TensorSpec> specs;
  for (const Dtype dtype : {Dtype::kF32, Dtype::kBF16, Dtype::kF16})
    for (const auto& shape : shapes)
      specs.push_back({std::string(name_of(dtype)) + std::to_string(specs.size()), dtype, shape});
  TorchZipWriter writer(folder / "x.pth", specs);
  for (size_t i = 0; i < specs.size(); ++i) writer.write(values.view());
  EXPECT_FALSE(std::filesystem::exists(folder / "x.pth"));
  writer.commit();
  const TensorFiles files = TensorFiles::open_file(folder / "x.pth");
  ASSERT_EQ(files.tensors().size(), specs.size());
  for (const TensorSpec& spec : specs) {
    const StoredTensor* found = files.find(spec.name);
    ASSERT_NE(found, nullptr) << spec.name;
    EXPECT_EQ(found->shape, spec.shape);
    EXPECT_EQ(found->dtype, spec.dtype);
    EXPECT_TRUE(found->mapped) << "read in place";
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found->bytes.data()) % 64, 0u);
    const Tensor rounded(6, 10, spec.dtype);
    copy_converted(values.view(), rounded.view());
    EXPECT_EQ(std::memcmp(found->bytes.data(), rounded.view().data, found->bytes.size()), 0);
  }
}

TEST(TorchZipWriter, ATensorMayComeInBands) {
  const TempFolder folder;
  const Tensor values = counted_numbers(100, 7);
  TorchZipWriter writer(folder / "x.pth",
                        {{"a", Dtype::kBF16, {100, 7}}, {"b", Dtype::kF32, {2, 7}}});
  for (const auto& [begin, count] : {std::pair(40, 60), std::pair(0, 1), std::pair(1, 39)})
    writer.write(values.view().row_range(begin, count));
  writer.write(values.view().row_range(0, 2));
  writer.commit();
  const TensorFiles files = TensorFiles::open_file(folder / "x.pth");
  const View a = files.find("a")->view();
  EXPECT_EQ(a.row<BF16>(0)[3].bits, BF16(values.view().row<float>(40)[3]).bits);
  EXPECT_EQ(a.row<BF16>(99)[6].bits, BF16(values.view().row<float>(39)[6]).bits);
  EXPECT_EQ(files.find("b")->view().row<float>(1)[0], values.view().row<float>(1)[0]);
}

TEST(TorchZipWriter, AnEmptyDictIsWrittenAndRefusedWhenRead) {
  const TempFolder folder;
  TorchZipWriter(folder / "x.pth", {}).commit();
  expect_mentions(message_of([&] { TensorFiles::open_file(folder / "x.pth"); }), {"no tensors"});
}

}  // namespace
}  // namespace falconer::test
