// Files of tensors: safetensors, shards, PyTorch, GGUF. What a file is said to hold is also read.
#include "tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "checkpoint/bitsandbytes.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/pickle.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/zip_writer.h"
#include "folder.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "targets.h"
#include "text/tokenizer.h"

namespace falconer::fuzz {

void read_all(const TensorFiles& files) {
  for (const auto& [name, tensor] : files.tensors()) {
    unsigned sum = 0;
    for (const std::byte byte : tensor.bytes) sum += std::to_integer<unsigned>(byte);
    volatile unsigned kept = sum;  // the bytes are there: reading them must not be left out
    static_cast<void>(kept);
    const bool real = is_float(tensor.dtype) || is_blocks(tensor.dtype);
    if (!real || tensor.rows() < 1 || tensor.cols() < 1 || tensor.cols() > 4096) continue;
    std::vector<float> row(static_cast<size_t>(tensor.cols()));
    tensor.copy_rows_to(tensor.rows() - 1,
                        {row.data(), 1, tensor.cols(), tensor.cols(), Dtype::kF32});
  }
}

std::string safetensors_of(const std::string& header, size_t bytes) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file + header + std::string(bytes, '\x01');
}

void fuzz_safetensors(Input input) {
  static const Folder folder("safetensors");
  TensorFiles files = TensorFiles::open_file(folder.put("model.safetensors", input));
  read_all(files);
  take_bitsandbytes(files);
  read_all(files);
}

// The state alone, in a file that is whole around it: of a matrix of 2 x 64 whose scales are in 8 bits.
void fuzz_quant_state(Input input) {
  static const Folder folder("quant_state");
  constexpr size_t kParts = 64 + 2 + 4 + 1024;
  const std::string header = fmt::format(
      R"({{"a.weight":{{"dtype":"U8","shape":[64,1],"data_offsets":[0,64]}},)"
      R"("a.weight.absmax":{{"dtype":"U8","shape":[2],"data_offsets":[64,66]}},)"
      R"("a.weight.nested_absmax":{{"dtype":"F32","shape":[1],"data_offsets":[66,70]}},)"
      R"("a.weight.nested_quant_map":{{"dtype":"F32","shape":[256],"data_offsets":[70,1094]}},)"
      R"("a.weight.quant_state.bitsandbytes__nf4":{{"dtype":"U8","shape":[{}],)"
      R"("data_offsets":[1094,{}]}}}})",
      input.size(), kParts + input.size());
  TensorFiles files = TensorFiles::open_file(
      folder.put("model.safetensors", safetensors_of(header, kParts) + std::string(input)));
  take_bitsandbytes(files);
  read_all(files);
}

void fuzz_shards(Input input) {
  static const Folder folder("shards");
  static const bool made = [] {
    folder.put("one.safetensors",
               safetensors_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8));
    folder.put("two.safetensors",
               safetensors_of(R"({"b":{"dtype":"BF16","shape":[1,3],"data_offsets":[0,6]}})", 6));
    return true;
  }();
  static_cast<void>(made);
  folder.put("model.safetensors.index.json", input);
  read_all(TensorFiles::open_folder(folder.path()));
}

void fuzz_pickle(Input input) {
  read_pickle({reinterpret_cast<const std::byte*>(input.data()), input.size()});
}

void fuzz_torch_zip(Input input) {
  static const Folder folder("torch_zip");
  read_all(TensorFiles::open_file(folder.put("model.pth", input)));
}

void fuzz_torch_tensors(Input input) {
  static const Folder folder("torch_tensors");
  const std::filesystem::path path = folder.path() / "model.pth";
  ZipWriter zip(path);
  zip.add("archive/data.pkl", input);
  zip.add("archive/byteorder", "little");
  for (const char* key : {"0", "1", "2"})
    zip.add(std::string("archive/data/") + key, std::string(256, '\x3f'));
  zip.commit();
  read_all(TensorFiles::open_file(path));
}

void fuzz_gguf(Input input) {
  static const Folder folder("gguf");
  const std::filesystem::path path = folder.put("model.gguf", input);
  try {
    const Tokenizer tokenizer = Tokenizer::parse(side_files(path), path.string());
    static_cast<void>(tokenizer.decode(tokenizer.encode("User: 12345 apples\n")));
  } catch (const Error&) {  // the rest may be good
  }
  read_all(TensorFiles::open_file(path));
  const ModelConfig config = read_model_config(path.string());
  static_cast<void>(count_trainable(config));
  open_weights(path.string(), config);
}

}  // namespace falconer::fuzz
