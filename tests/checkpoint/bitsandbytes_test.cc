#include "checkpoint/bitsandbytes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors_writer.h"
#include "support/errors.h"
#include "support/paths.h"
#include "support/temp_folder.h"
#include "tensor/buffer.h"

namespace falconer::test {
namespace {

/// What bitsandbytes 0.50.2 saved, with what it makes of it (tests/ecosystem/block_formats.py).
std::filesystem::path saved_folder_file() {
  return std::filesystem::path(source_dir()) / "tests/golden/bitsandbytes.safetensors";
}

TEST(BitsAndBytes, TensorsAreWorthWhatItSays) {
  TensorFiles files = TensorFiles::open_file(saved_folder_file());
  take_bitsandbytes(files);
  const std::pair<const char*, Dtype> kTensors[] = {
      {"plain", Dtype::kNF4},        {"nested", Dtype::kNF4}, {"float", Dtype::kFP4},
      {"float_nested", Dtype::kFP4}, {"wide", Dtype::kNF4},   {"ragged", Dtype::kF32},
      {"odd", Dtype::kF32},          {"rows", Dtype::kInt8},  {"ragged_rows", Dtype::kF32}};
  EXPECT_EQ(files.tensors().size(), 2 * std::size(kTensors)) << "nothing but them is left";
  for (const auto& [name, dtype] : kTensors) {
    SCOPED_TRACE(name);
    const StoredTensor& found = *files.find(std::string(name) + ".weight");
    const StoredTensor& want = *files.find(std::string("want.") + name);
    EXPECT_EQ(found.dtype, dtype);
    EXPECT_TRUE(found.blocks());
    EXPECT_FALSE(found.plain());
    ASSERT_EQ(found.shape, want.shape);
    const Tensor all(found.rows(), found.cols(), Dtype::kF32), last(1, found.cols(), Dtype::kF32);
    found.copy_to(all.view());
    EXPECT_EQ(std::memcmp(all.view().data, want.bytes.data(), want.bytes.size()), 0);
    found.copy_rows_to(found.rows() - 1, last.view());
    EXPECT_EQ(std::memcmp(last.view().data, want.view().at(found.rows() - 1), last.view().bytes()),
              0);
    // As blocks, which are worth the same.
    const Tensor same(found.rows(), found.cols(), dtype),
        narrow(found.rows(), found.cols(), Dtype::kBF16),
        rounded(found.rows(), found.cols(), Dtype::kBF16);
    found.copy_to(same.view());
    EXPECT_EQ(host_values(same.view()), host_values(all.view()));
    found.copy_to(narrow.view());
    copy_converted(all.view(), rounded.view());
    EXPECT_EQ(std::memcmp(narrow.view().data, rounded.view().data, rounded.view().bytes()), 0);
  }
}

/// A tensor's bytes, to be damaged.
struct Saved {
  std::vector<TensorSpec> specs;
  std::vector<std::string> bytes;

  size_t index(const std::string& name) const {
    for (size_t i = 0; i < specs.size(); ++i)
      if (specs[i].name == name) return i;
    ADD_FAILURE() << name;
    return 0;
  }
  void erase(const std::string& name) {
    const auto at = static_cast<int64_t>(index(name));
    specs.erase(specs.begin() + at);
    bytes.erase(bytes.begin() + at);
  }
  void state(const std::string& tensor, const std::function<void(nlohmann::json&)>& edit) {
    const size_t at = index(tensor);
    nlohmann::json said = nlohmann::json::parse(bytes[at]);
    edit(said);
    bytes[at] = said.dump();
    specs[at].shape = {std::ssize(bytes[at])};
  }
};

class DamagedBitsAndBytes : public ::testing::Test {
 protected:
  std::string refused(const std::function<void(Saved&)>& damage) {
    Saved saved;
    const TensorFiles files = TensorFiles::open_file(saved_folder_file());
    for (const auto& [name, tensor] : files.tensors()) {
      saved.specs.push_back({name, tensor.dtype, tensor.shape});
      saved.bytes.emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()),
                               tensor.bytes.size());
    }
    damage(saved);
    SafetensorsWriter writer(folder / "model.safetensors", saved.specs);
    for (size_t i = 0; i < saved.specs.size(); ++i) {
      const auto count = element_count(saved.specs[i].shape).value();
      writer.write({saved.bytes[i].data(), 1, count, count, saved.specs[i].dtype});
    }
    writer.commit();
    return message_of([&] {
      TensorFiles damaged = TensorFiles::open_file(folder / "model.safetensors");
      take_bitsandbytes(damaged);
      for (const auto& [name, tensor] : damaged.tensors()) {
        const Tensor all(tensor.rows(), tensor.cols(), Dtype::kF32);
        tensor.copy_to(all.view());
      }
    });
  }
  TempFolder folder;
};

constexpr const char* kPlainState = "plain.weight.quant_state.bitsandbytes__nf4";
constexpr const char* kNestedState = "nested.weight.quant_state.bitsandbytes__nf4";

TEST_F(DamagedBitsAndBytes, WhatIsMissingIsNamed) {
  for (const char* part :
       {"plain.weight.absmax", "nested.weight.absmax", "nested.weight.nested_absmax",
        "nested.weight.nested_quant_map", "rows.weight", "plain.weight"})
    expect_mentions(refused([&](Saved& saved) { saved.erase(part); }),
                    {"model.safetensors", part, "missing", "fetch"});
}

TEST_F(DamagedBitsAndBytes, AStateThatContradictsItsTensorIsNamed) {
  const auto edited = [&](const char* state, const char* key, const nlohmann::json& value) {
    return refused([&](Saved& saved) {
      saved.state(state, [&](nlohmann::json& said) { said[key] = value; });
    });
  };
  expect_mentions(edited(kPlainState, "shape", {4, 256}), {"plain.weight", "[384, 1]", "[4, 256]"});
  expect_mentions(edited(kPlainState, "shape", {4, -1}), {"plain.weight", "shape"});
  expect_mentions(edited(kPlainState, "shape", "x"), {"plain.weight", "shape"});
  expect_mentions(edited(kPlainState, "blocksize", 128), {"plain.weight.absmax", "expected 6"});
  for (const int64_t block : {0, 16, 65, 8192})
    expect_mentions(edited(kPlainState, "blocksize", block), {"plain.weight", "blocksize"});
  expect_mentions(edited(kPlainState, "quant_type", "fp4"), {"plain.weight", "fp4", "nf4"});
  expect_mentions(edited(kPlainState, "nested_blocksize", 256), {"plain.weight.absmax", "u8"});
  expect_mentions(edited(kNestedState, "nested_blocksize", 64), {"nested.weight.nested_absmax"});
  expect_mentions(edited(kNestedState, "nested_blocksize", 0),
                  {"nested.weight", "nested_blocksize"});
  expect_mentions(edited(kNestedState, "nested_offset", "x"), {"nested.weight", "nested_offset"});
  expect_mentions(refused([](Saved& saved) { saved.bytes[saved.index(kPlainState)][0] = '['; }),
                  {"plain.weight", "quant_state"});
  expect_mentions(refused([](Saved& saved) {
                    saved.specs[saved.index(kPlainState)].name =
                        "plain.weight.quant_state.bitsandbytes__nf2";
                  }),
                  {"plain.weight", "nf2"});
}

TEST_F(DamagedBitsAndBytes, AnotherTableOfCodesIsNamed) {
  expect_mentions(refused([](Saved& saved) {
                    const float other = -0.5f;
                    std::memcpy(saved.bytes[saved.index("plain.weight.quant_map")].data() + 8,
                                &other, 4);
                  }),
                  {"plain.weight", "quant_map", "code 2"});
}

TEST_F(DamagedBitsAndBytes, RowsOfEightBitsFitTheirScales) {
  expect_mentions(refused([](Saved& saved) {
                    saved.specs[saved.index("rows.SCB")].shape = {2};
                    saved.bytes[saved.index("rows.SCB")].resize(8);
                  }),
                  {"rows.weight", "[3, 128]", "rows.SCB", "[2]"});
  expect_mentions(
      refused([](Saved& saved) { saved.bytes[saved.index("rows.weight_format")][0] = 2; }),
      {"rows.weight_format", "order"});
}

TEST_F(DamagedBitsAndBytes, AScaleThatIsNoneIsNamed) {
  const auto bad = [&](const char* scales, size_t at) {
    return refused([&](Saved& saved) {
      std::memcpy(saved.bytes[saved.index(scales)].data() + at, "\0\0\xc0\x7f", 4);
    });
  };
  expect_mentions(bad("plain.weight.absmax", 8), {"plain.weight", "nan", "NF4", "scale"});
  expect_mentions(bad("nested.weight.nested_absmax", 4), {"nested.weight", "nan", "scale"});
  expect_mentions(bad("odd.weight.absmax", 0), {"odd.weight", "nan", "scale"});
  expect_mentions(bad("rows.SCB", 4), {"rows.weight", "nan", "int8", "scale"});
}

}  // namespace
}  // namespace falconer::test
