#include "method/precision.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "base/error.h"
#include "base/joined.h"
#include "base/nearest.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

/// The matrices of a checkpoint by what they are stored as.
struct Matrices {
  int64_t all = 0, bf16 = 0, f16 = 0, f32 = 0, f64 = 0, blocks = 0;
  std::set<std::string> formats;  // of those in blocks
  std::string first_wide;         // that bf16 cannot hold

  explicit Matrices(const TensorFiles& files) {
    for (const auto& [name, tensor] : files.tensors()) {
      if (tensor.shape.size() < 2) continue;
      ++all;
      if (const auto format = tensor.blocks()) {
        ++blocks;
        formats.emplace(label_of(*format));
      } else if (tensor.dtype == Dtype::kBF16) {
        ++bf16;
      } else {
        add_wide(name, tensor.dtype);
      }
    }
  }

 private:
  void add_wide(const std::string& name, Dtype dtype) {
    ++(dtype == Dtype::kF16 ? f16 : dtype == Dtype::kF64 ? f64 : f32);
    if (first_wide.empty()) first_wide = name;
  }
};

std::string why_f32(const Matrices& m) {
  const std::string said = spelled("--precision bf16 takes less memory and rounds");
  if (m.f64 > 0)
    return fmt::format(
        "computing in f32: {} of {} matrices are stored in f64, which is rounded to it", m.f64,
        m.all);
  if (m.f16 == m.all)
    return fmt::format(
        "computing in f32: the weights are stored in f16, and bf16 would round them ({})", said);
  if (m.f32 == m.all) return {};
  return fmt::format(
      "computing in f32: {} of {} matrices are stored in f16 or f32 ({} first), and bf16 would "
      "round "
      "them ({})",
      m.f16 + m.f32, m.all, m.first_wide, said);
}

}  // namespace

Precision parse_precision(const std::string& name) {
  if (name == "auto") return Precision::kAuto;
  const auto is_one_of = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* one) { return name == one; });
  };
  // As Lightning, LitGPT and PyTorch spell them.
  if (is_one_of({"f32", "fp32", "float32", "32", "32-true"})) return Precision::kF32;
  if (is_one_of({"bf16", "bf16-true", "bfloat16"})) return Precision::kBF16;
  if (is_one_of({"bf16-mixed"}))
    fail_usage(
        "--precision is bf16-mixed, and precisions are not mixed here: with bf16 the model "
        "computes "
        "in it and what is trained is f32; with f32 all is");
  if (is_one_of({"f16", "fp16", "float16", "half", "16", "16-true", "16-mixed"}))
    fail_usage("--precision is {}, and nothing is computed in f16 here; expected auto, f32 or bf16",
               name);
  fail_choice("--precision", name, {"auto", "f32", "bf16"});
}

ComputedIn computed_in(Precision precision, const TensorFiles& files) {
  if (precision == Precision::kF32) return {Dtype::kF32, {}};
  if (precision == Precision::kBF16) return {Dtype::kBF16, {}};
  const Matrices m(files);
  if (m.blocks > 0)
    return {Dtype::kBF16, worded("computing in bf16: {} of {} matrices are {}, which it rounds "
                                 "(--precision f32 keeps every bit)",
                                 m.blocks, m.all, joined(m.formats, ", "))};
  if (m.all > 0 && m.bf16 == m.all) return {Dtype::kBF16, {}};
  return {Dtype::kF32, why_f32(m)};
}

}  // namespace falconer
