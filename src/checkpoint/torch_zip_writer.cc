#include "checkpoint/torch_zip_writer.h"

#include <string_view>

#include "checkpoint/tensor_file.h"

namespace falconer {
namespace {

/// A pickle of protocol 2, opcode by opcode. Each call leaves one value on the stack.
class PickleWriter {
 public:
  void op(std::string_view bytes) { bytes_ += bytes; }
  void text(std::string_view value) {
    op("X");
    number(value.size(), 4);
    op(value);
  }
  void integer(int64_t value) {
    if (value >= 0 && value <= INT32_MAX) {
      op("J");
      return number(static_cast<uint64_t>(value), 4);
    }
    op("\x8a\x08");
    number(static_cast<uint64_t>(value), 8);
  }
  void integers(const std::vector<int64_t>& values) {
    op("(");
    for (const int64_t value : values) integer(value);
    op("t");
  }
  void global(std::string_view module, std::string_view name) {
    op("c");
    op(module);
    op("\n");
    op(name);
    op("\n");
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void number(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  std::string bytes_;
};

const char* storage_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return "FloatStorage";
    case Dtype::kBF16:
      return "BFloat16Storage";
    case Dtype::kF16:
      return "HalfStorage";
    default:
      FALCONER_CHECK(!"a dtype that no .pth is written with");
  }
  return "";
}

/// _rebuild_tensor_v2(storage, 0, shape, strides, requires_grad False, no hooks); the storage is a
/// persistent id ("storage", type, key, "cpu", elements).
void pickle_tensor(PickleWriter& pickle, const TensorSpec& spec, size_t key) {
  std::vector<int64_t> strides(spec.shape.size(), 1);
  for (size_t i = spec.shape.size(); i-- > 1;) strides[i - 1] = strides[i] * spec.shape[i];
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.op("((");
  pickle.text("storage");
  pickle.global("torch", storage_of(spec.dtype));
  pickle.text(std::to_string(key));
  pickle.text("cpu");
  pickle.integer(*element_count(spec.shape));
  pickle.op("tQ");
  pickle.integer(0);
  pickle.integers(spec.shape);
  pickle.integers(strides);
  pickle.op("\x89");
  pickle.global("collections", "OrderedDict");
  pickle.op(")RtR");
}

std::string pickle_of(const std::vector<TensorSpec>& specs) {
  PickleWriter pickle;
  pickle.op("\x80\x02}(");
  for (size_t i = 0; i < specs.size(); ++i) {
    pickle.text(specs[i].name);
    pickle_tensor(pickle, specs[i], i);
  }
  pickle.op("u.");
  return pickle.bytes();
}

}  // namespace

TorchZipWriter::TorchZipWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors)
    : TensorWriter(std::move(tensors)), folder_("archive/"), zip_(path) {
  zip_.add(folder_ + "data.pkl", pickle_of(specs()));
  zip_.add(folder_ + "byteorder", "little");
}

void TorchZipWriter::begin(size_t index) {
  zip_.begin(folder_ + "data/" + std::to_string(index), byte_count(specs()[index]));
}

void TorchZipWriter::finish() {
  zip_.add(folder_ + "version", "3\n");
  zip_.commit();
}

}  // namespace falconer
