// Reading the pickle inside of a PyTorch file as data. Nothing in it is run: only the opcodes that
// torch.save writes are understood, and only the handful of names that tensors need.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace falconer {

/// A value of a pickle. Values refer to each other by index, so that a pickle may share them, or
/// even close a circle, without harm.
struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kStorage,
    kTensor
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;           // bool, int; a storage's number of elements
  std::string text;             // text; a global's "module.name"; a storage's key in the zip
  std::vector<uint32_t> items;  // tuple, list; a dict's keys and values in turn
  std::string storage_type;     // a storage's class: "FloatStorage", ...
  // A tensor: its storage, where it begins there, its sizes and strides (in elements).
  uint32_t storage = 0;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};

struct Pickle {
  std::vector<PickleValue> values;
  uint32_t root = 0;

  const PickleValue& operator[](uint32_t index) const { return values[index]; }
};

/// Error: an opcode or a name that is not known, a value that does not fit, or a truncated pickle.
/// Messages are written to follow "its pickle ".
Pickle read_pickle(std::span<const std::byte> bytes);

}  // namespace falconer
