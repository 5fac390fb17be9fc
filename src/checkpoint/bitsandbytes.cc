#include "checkpoint/bitsandbytes.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/threads.h"
#include "checkpoint/strict_json.h"
#include "tensor/blocks/bitsandbytes.h"

namespace falconer {
namespace {

using nlohmann::json;

constexpr std::string_view kState = ".quant_state.bitsandbytes__";

float float_in(std::span<const std::byte> bytes, int64_t i) {
  float value;
  std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof value, sizeof value);
  return value;
}

int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

/// A tensor in 4 bits, and what is said of it.
class FourBits {
 public:
  FourBits(const TensorFiles& files, const StoredTensor& state)
      : files_(files),
        state_(state),
        name_(state.name.substr(0, state.name.rfind(kState))),
        kind_(state.name.substr(name_.size() + kState.size())) {}

  StoredTensor read() {
    const StoredTensor* codes = files_.find(name_);
    if (codes == nullptr) wrong("the tensor {} is missing", printable(name_));
    const json said = read_state();
    StoredTensor made = *codes;
    made.shape = shape_in(said);
    const int64_t count = made.size();
    if (codes->bytes.size() != static_cast<size_t>(parts_of(count, 2)))
      wrong("{} is {} of {}, and its quant_state speaks of {} numbers", printable(name_),
            codes->shape_text(), name_of(codes->dtype), made.shape_text());
    const int64_t block = whole(said, "blocksize");
    if (block < 32 || block > 4096 || !std::has_single_bit(static_cast<uint64_t>(block)))
      wrong("the blocksize of {} is {}; expected a power of two from 32 to 4096", printable(name_),
            block);
    check_map();
    const Dtype kind = kind_ == "nf4" ? Dtype::kNF4 : Dtype::kFP4;
    ScalesApart apart{.kind = kind, .codes = block};
    read_scales(said, parts_of(count, block), apart);
    const bool fits = made.cols() % block_of(kind) == 0 && block % block_of(kind) == 0;
    made.dtype = fits ? kind : Dtype::kF32;
    made.apart = std::make_shared<const ScalesApart>(apart);
    return made;
  }

  /// What goes when the tensor is there.
  std::vector<std::string> parts() const {
    std::vector<std::string> names = {state_.name};
    for (const char* part : {"absmax", "quant_map", "nested_absmax", "nested_quant_map"})
      names.push_back(name_ + "." + part);
    return names;
  }

 private:
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: {}; fetch the file again", state_.file.string(),
         fmt::format(format, std::forward<Args>(args)...));
  }

  json read_state() const {
    if (kind_ != "nf4" && kind_ != "fp4")
      wrong("{} is quantised as \"{}\"; nf4 and fp4 can be read", printable(name_),
            printable(kind_));
    json said;
    try {
      said = parse_strict_json(
          {reinterpret_cast<const char*>(state_.bytes.data()), state_.bytes.size()});
    } catch (const Error& error) {
      wrong("the quant_state of {} is {}", printable(name_), error.what());
    }
    if (!said.is_object()) wrong("the quant_state of {} is no JSON object", printable(name_));
    if (said.value("quant_type", json()) != kind_)
      wrong("the quant_state of {} says quant_type {}, and its name says {}", printable(name_),
            printable(said.value("quant_type", json()).dump()), kind_);
    return said;
  }

  int64_t whole(const json& said, const char* key) const {
    const auto found = said.find(key);
    if (found == said.end() || !found->is_number_unsigned() || found->get<uint64_t>() > INT32_MAX)
      wrong("the quant_state of {} has no whole number \"{}\"", printable(name_), key);
    return found->get<int64_t>();
  }

  std::vector<int64_t> shape_in(const json& said) const {
    std::vector<int64_t> shape;
    const auto found = said.find("shape");
    if (found != said.end() && found->is_array())
      for (const json& size : *found)
        if (size.is_number_unsigned() && size.get<uint64_t>() <= INT32_MAX)
          shape.push_back(size.get<int64_t>());
    if (shape.size() != 2 || found->size() != 2 || element_count(shape).value_or(0) == 0)
      wrong("the quant_state of {} has no shape of two sizes", printable(name_));
    return shape;
  }

  /// A tensor beside it, of that many numbers of that kind.
  std::span<const std::byte> part(const char* what, Dtype dtype, int64_t count) const {
    const std::string name = name_ + "." + what;
    const StoredTensor* found = files_.find(name);
    if (found == nullptr) wrong("{} is missing, a part of {}", printable(name), printable(name_));
    if (found->dtype != dtype || element_count(found->shape).value_or(0) != count)
      wrong("{} is {} of {}; expected {} of {}", printable(name), found->shape_text(),
            name_of(found->dtype), count, name_of(dtype));
    return found->bytes;
  }

  /// bitsandbytes computes with its own table whatever is stored; another one would be silently wrong there.
  void check_map() const {
    if (files_.find(name_ + ".quant_map") == nullptr) return;
    const auto map = part("quant_map", Dtype::kF32, 16);
    const float* ours = block_format(kind_ == "nf4" ? Dtype::kNF4 : Dtype::kFP4).codes.table;
    for (int64_t i = 0; i < 16; ++i)
      if (!(std::fabs(float_in(map, i) - ours[i]) <= 1e-5f))
        wrong("the quant_map of {} has {} for code {}; {} has {}", printable(name_),
              float_in(map, i), i, kind_, ours[i]);
  }

  void read_scales(const json& said, int64_t count, ScalesApart& apart) const {
    const bool nested =
        said.contains("nested_blocksize") || files_.find(name_ + ".nested_absmax") != nullptr;
    apart.scales = part("absmax", nested ? Dtype::kU8 : Dtype::kF32, count);
    if (!nested) return;
    apart.outer = whole(said, "nested_blocksize");
    if (apart.outer == 0) wrong("the nested_blocksize of {} is 0", printable(name_));
    apart.table = part("nested_quant_map", Dtype::kF32, 256);
    apart.outer_scales = part("nested_absmax", Dtype::kF32, parts_of(count, apart.outer));
    const auto offset = said.find("nested_offset");
    if (offset == said.end() || !offset->is_number())
      wrong("the quant_state of {} has no number \"nested_offset\"", printable(name_));
    apart.offset = offset->get<float>();
  }

  const TensorFiles& files_;
  const StoredTensor& state_;
  const std::string name_, kind_;
};

StoredTensor read_eight_bits(const TensorFiles& files, const StoredTensor& scales,
                             const std::string& module) {
  const auto wrong = [&](const std::string& what) {
    fail("{}: {}; fetch the file again", scales.file.string(), what);
  };
  const StoredTensor* codes = files.find(module + ".weight");
  if (codes == nullptr)
    wrong(fmt::format("{}.weight is missing, of which {} has the scales", printable(module),
                      printable(scales.name)));
  if (codes->dtype != Dtype::kI8 || codes->shape.size() != 2 || codes->size() == 0 ||
      scales.dtype != Dtype::kF32 || element_count(scales.shape) != codes->shape[0])
    wrong(fmt::format(
        "{} is {} of {}, and {} is {} of {}; expected a matrix of i8 and f32 for each of its rows",
        printable(codes->name), codes->shape_text(), name_of(codes->dtype), printable(scales.name),
        scales.shape_text(), name_of(scales.dtype)));
  if (const StoredTensor* order = files.find(module + ".weight_format"))
    if (order->dtype != Dtype::kU8 || order->bytes.size() != 1 || order->bytes[0] != std::byte{0})
      wrong(fmt::format("{} says that the codes lie in an order for GPUs; rows can be read",
                        printable(order->name)));
  StoredTensor made = *codes;
  made.apart = std::make_shared<const ScalesApart>(
      ScalesApart{.kind = Dtype::kInt8, .codes = made.cols(), .scales = scales.bytes});
  made.dtype = made.cols() % block_of(Dtype::kInt8) == 0 ? Dtype::kInt8 : Dtype::kF32;
  return made;
}

}  // namespace

float ScalesApart::scale(int64_t i) const {
  if (table.empty()) return float_in(scales, i);
  const float value = float_in(table, std::to_integer<int64_t>(scales[static_cast<size_t>(i)]));
  return value * float_in(outer_scales, i / outer) + offset;
}

size_t ScalesApart::byte_count() const {
  return scales.size() + table.size() + outer_scales.size();
}

void ScalesApart::copy_rows(std::span<const std::byte> bytes, int64_t cols, int64_t first,
                            const View& to) const {
  const bool eight = kind == Dtype::kInt8;
  const auto put_block = [&](int64_t at, std::byte* block) {
    const float one = scale(at / codes);
    if (!eight) return make_block4(one, bytes.data() + at / 2, block);
    std::memcpy(block, &one, sizeof one);
    std::memcpy(block + sizeof one, bytes.data() + at, static_cast<size_t>(block_of(kind)));
  };
  const auto value = [&](int64_t at) {
    if (eight)
      return static_cast<float>(static_cast<int8_t>(bytes[static_cast<size_t>(at)])) *
             scale(at / codes) * kOneOf127;
    const int both = std::to_integer<int>(bytes[static_cast<size_t>(at / 2)]);
    return block_format(kind).codes.table[both >> (at % 2 == 0 ? 4 : 0) & 15] * scale(at / codes);
  };
  FALCONER_CHECK(to.dtype == kind || to.dtype == Dtype::kF32);
  parallel_for(to.rows, 1 + (1 << 14) / std::max<int64_t>(1, cols),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t at = (first + i) * cols;
                   if (to.dtype == kind)
                     for (int64_t j = 0; j < cols; j += block_of(kind))
                       put_block(at + j, to.at(i, j));
                   else
                     for (int64_t j = 0; j < cols; ++j) to.row<float>(i)[j] = value(at + j);
                 }
               });
}

void take_bitsandbytes(TensorFiles& files) {
  std::vector<StoredTensor> made;
  std::vector<std::string> parts;
  for (const auto& [name, tensor] : files.tensors()) {
    if (name.find(kState) != std::string::npos) {
      FourBits four(files, tensor);
      made.push_back(four.read());
      const std::vector<std::string> gone = four.parts();
      parts.insert(parts.end(), gone.begin(), gone.end());
    } else if (name.ends_with(".SCB")) {
      const std::string module = name.substr(0, name.size() - 4);
      made.push_back(read_eight_bits(files, tensor, module));
      parts.insert(parts.end(), {name, module + ".weight_format"});
    }
  }
  for (const std::string& part : parts) files.erase(part);
  for (StoredTensor& tensor : made) files.replace(std::move(tensor));
}

}  // namespace falconer
