#include "checkpoint/torch_zip.h"

#include "support/errors.h"
#include "support/goldens.h"
#include "support/temp_folder.h"
#include "support/torch_file.h"

namespace falconer::test {
namespace {

namespace fs = std::filesystem;
using Entries = std::map<std::string, std::string>;

const std::vector<float> kSix = {0, 1, 2, 3, 4, 5};

std::vector<float> floats(const StoredTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.size()));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

class TorchZip : public ::testing::Test {
 protected:
  /// A file whose dict has these (name, pickled value), with the storage "0" of six floats.
  TensorFiles open(const std::vector<std::pair<std::string, std::string>>& items,
                   bool compress = false) {
    return open_pickle(pickle_of(pickled_dict(items)), compress);
  }
  TensorFiles open_pickle(const std::string& pickle, bool compress = false) {
    write_zip(path, {{"m/data.pkl", pickle}, {"m/data/0", bytes_of(kSix)}}, compress);
    return TensorFiles::open_file(path);
  }
  std::string refused(const PickledTensor& tensor) {
    return message_of([&] { open({{"w", pickled(tensor)}}); });
  }

  TempFolder folder;
  fs::path path = folder / "model.bin";
  const std::string storage = pickled_storage("FloatStorage", "0", 6);
};

TEST_F(TorchZip, ReadsTensorsStoredOrCompressed) {
  for (const bool compress : {false, true}) {
    const TensorFiles files = open({{"w", pickled(PickledTensor{storage, 0, {2, 3}, {3, 1}})},
                                    {"epoch", pickled(3)},
                                    {"tail", pickled(PickledTensor{storage, 4, {2}, {1}})},
                                    {"one", pickled(PickledTensor{storage, 5, {}, {}})},
                                    {"none", pickled(PickledTensor{storage, 6, {0, 9}, {9, 1}})}},
                                   compress);
    EXPECT_EQ(files.tensors().size(), 4u) << "numbers beside the tensors are left out";
    EXPECT_EQ(files.find("w")->shape_text(), "[2, 3]");
    EXPECT_EQ(floats(*files.find("w")), kSix);
    EXPECT_EQ(floats(*files.find("tail")), (std::vector<float>{4, 5}));
    EXPECT_EQ(floats(*files.find("one")), (std::vector<float>{5}));
    EXPECT_EQ(files.find("none")->size(), 0);
  }
}

TEST_F(TorchZip, StridedTensorsBecomeRowMajor) {
  const TensorFiles files =
      open({{"transposed", pickled(PickledTensor{storage, 0, {3, 2}, {1, 3}})},
            {"column", pickled(PickledTensor{storage, 1, {2}, {3}})},
            {"expanded", pickled(PickledTensor{storage, 2, {4}, {0}})},
            {"ones", pickled(PickledTensor{storage, 1, {1, 2}, {77, 1}})}});
  EXPECT_EQ(floats(*files.find("transposed")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(floats(*files.find("column")), (std::vector<float>{1, 4}));
  EXPECT_EQ(floats(*files.find("expanded")), (std::vector<float>{2, 2, 2, 2}));
  EXPECT_EQ(floats(*files.find("ones")), (std::vector<float>{1, 2})) << "size 1 has no stride";
}

TEST_F(TorchZip, FindsTheStateDictInsideOfACheckpoint) {
  const std::string w = pickled(PickledTensor{storage, 0, {6}, {1}});
  for (const char* key : {"model", "state_dict"}) {
    const TensorFiles files = open({{"step", pickled(7)}, {key, pickled_dict({{"w", w}})}});
    EXPECT_EQ(floats(*files.find("w")), kSix) << key;
  }
  expect_mentions(message_of([&] {
                    open({{"weights", pickled_dict({{"w", w}})}});
                  }),
                  {"model.bin", "no tensors", "state_dict"});
  expect_mentions(message_of([&] { open_pickle(pickle_of(pickled(3))); }), {"dict"});
}

TEST_F(TorchZip, ParametersAreTensors) {
  const TensorFiles files =
      open({{"w", "ctorch._utils\n_rebuild_parameter\n(" +
                      pickled(PickledTensor{storage, 0, {6}, {1}}) + "\x88}tR"}});
  EXPECT_EQ(floats(*files.find("w")), kSix);
}

TEST_F(TorchZip, EveryStorageTypeHasADtype) {
  const std::vector<std::pair<const char*, Dtype>> types = {
      {"FloatStorage", Dtype::kF32}, {"BFloat16Storage", Dtype::kBF16},
      {"HalfStorage", Dtype::kF16},  {"DoubleStorage", Dtype::kF64},
      {"LongStorage", Dtype::kI64},  {"IntStorage", Dtype::kI32},
      {"ShortStorage", Dtype::kI16}, {"CharStorage", Dtype::kI8},
      {"ByteStorage", Dtype::kU8},   {"BoolStorage", Dtype::kBool}};
  for (const auto& [type, dtype] : types) {
    const TensorFiles files =
        open({{"w", pickled(PickledTensor{pickled_storage(type, "0", 3), 1, {2}, {1}})}});
    EXPECT_EQ(files.find("w")->dtype, dtype) << type;
    EXPECT_EQ(files.find("w")->bytes.size(), 2 * size_of(dtype)) << type;
  }
  expect_mentions(
      message_of([&] {
        open({{"w", pickled(PickledTensor{pickled_storage("QInt8Storage", "0", 3), 0, {2}, {1}})}});
      }),
      {"torch.QInt8Storage"});
}

TEST_F(TorchZip, TensorsStayInsideOfTheirStorage) {
  constexpr int64_t kHuge = int64_t{1} << 62;
  const PickledTensor wrong[] = {{storage, 0, {7}, {1}},
                                 {storage, 1, {6}, {1}},
                                 {storage, -1, {2}, {1}},
                                 {storage, 7, {0}, {1}},
                                 {storage, 0, {2, 3}, {4, 1}},
                                 {storage, 5, {2}, {-1}},
                                 {storage, 0, {-1, -6}, {6, 1}},
                                 {storage, kHuge, {1}, {1}},
                                 {storage, 0, {2}, {kHuge}},
                                 {storage, 0, {3, 3}, {kHuge, kHuge}},
                                 {storage, 6, {}, {}},
                                 {storage, 0, {kHuge, kHuge}, {0, 0}},
                                 {storage, 0, {0, kHuge}, {0, kHuge}}};
  for (const auto& tensor : wrong)
    expect_mentions(refused(tensor), {"model.bin", "\"w\"", "does not fit"});
  expect_mentions(refused({storage, 0, {2, 3}, {1}}), {"2 sizes and 1 strides"});
  for (const int64_t count : {int64_t{7}, int64_t{-1}, kHuge})
    expect_mentions(refused({pickled_storage("FloatStorage", "0", count), 0, {1}, {1}}),
                    {"storage \"0\"", "24 bytes"});
  expect_mentions(refused({pickled_storage("FloatStorage", "9", 6), 0, {1}, {1}}), {"data/9"});
  expect_mentions(refused({pickled_storage("FloatStorage", "../0", 6), 0, {1}, {1}}), {"../0"});
}

TEST_F(TorchZip, AnExpandedTensorCannotFillMemory) {
  expect_mentions(refused({storage, 0, {int64_t{1} << 40}, {0}}), {"\"w\"", "copied"});
  std::vector<std::pair<std::string, std::string>> many;
  for (int i = 0; i < 20; ++i)
    many.emplace_back(std::to_string(i),
                      pickled(PickledTensor{storage, 0, {int64_t{1} << 23}, {0}}));
  expect_mentions(message_of([&] { open(many); }), {"copied"});
}

TEST_F(TorchZip, NamesMustBeUniqueText) {
  const std::string w = pickled(PickledTensor{storage, 0, {6}, {1}});
  expect_mentions(message_of([&] { open({{"w", w}, {"w", w}}); }), {"\"w\"", "too"});
  expect_mentions(message_of([&] { open({{"w\xff", w}}); }), {"name"});
  expect_mentions(message_of([&] { open({{"w\x1b[2J", w}}); }), {"name"});
  expect_mentions(message_of([&] { open_pickle(pickle_of("}" + pickled(3) + w + "s")); }),
                  {"without a name"});
}

TEST_F(TorchZip, RefusesOtherArchives) {
  write_zip(path, {{"hello.txt", "hello"}});
  expect_mentions(message_of([&] { TensorFiles::open_file(path); }), {"model.bin", "data.pkl"});
  write_zip(path, {{"m/data.pkl", pickle_of("}")}, {"m/byteorder", "big"}});
  expect_mentions(message_of([&] { TensorFiles::open_file(path); }), {"\"big\"", "little"});
  write_zip(path, {{"m/data.pkl", pickle_of("cos\nsystem\n" + pickled("ls") + "\x85R")}});
  expect_mentions(message_of([&] { TensorFiles::open_file(path); }), {"model.bin", "os.system"});
}

TEST_F(TorchZip, EveryTruncationIsAnError) {
  open({{"w", pickled(PickledTensor{storage, 0, {6}, {1}})}});
  for (uintmax_t size = std::filesystem::file_size(path); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    EXPECT_THROW(TensorFiles::open_file(path), Error) << size << " bytes";
  }
}

TEST(TorchZipGoldens, ReadsLitParrotsAdaptersWhereTheyLie) {
  SKIP_WITHOUT_GOLDEN("lit");
  int read = 0;
  for (const auto& entry : fs::recursive_directory_iterator(golden("lit"))) {
    if (entry.path().extension() != ".pth") continue;
    const FileContent content = read_torch_zip(std::make_shared<const MappedFile>(entry.path()));
    EXPECT_GT(content.tensors.size(), 0u) << entry.path();
    EXPECT_EQ(content.owners.size(), 1u) << entry.path() << ": something was copied";
    ++read;
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace falconer::test
