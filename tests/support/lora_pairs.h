// An adapter in llama.cpp's file, held against what merging it gives.
#pragma once

#include <gtest/gtest.h>

#include "checkpoint/gguf.h"
#include "checkpoint/tensor_file.h"

namespace falconer::test {

/// base + alpha / r B A, as llama.cpp adds it to its own tensors.
inline void expect_pairs_add_up(const std::string& pairs, const std::string& base,
                                const std::string& merged) {
  const Gguf gguf = Gguf::open(pairs);
  EXPECT_EQ(gguf.text("general.type"), "adapter");
  EXPECT_EQ(gguf.text("adapter.type"), "lora");
  const double alpha = gguf.number("adapter.lora.alpha");
  const TensorFiles a_b = TensorFiles::open_file(pairs), sum = TensorFiles::open_file(merged),
                    before = TensorFiles::open_file(base);
  int64_t compared = 0;
  for (const auto& [name, stored] : a_b.tensors()) {
    if (!name.ends_with(".lora_a")) continue;
    const std::string tensor = name.substr(0, name.size() - std::string(".lora_a").size());
    const View a = stored.view(), b = a_b.find(tensor + ".lora_b")->view();
    const View w = before.find(tensor)->view(), expected = sum.find(tensor)->view();
    for (int64_t m = 0; m < w.rows; ++m)
      for (int64_t k = 0; k < w.cols; ++k) {
        double delta = 0;
        for (int64_t r = 0; r < a.rows; ++r) delta += b.row<float>(m)[r] * a.row<float>(r)[k];
        ASSERT_NEAR(w.row<float>(m)[k] + alpha / static_cast<double>(a.rows) * delta,
                    expected.row<float>(m)[k], 1e-5)
            << tensor << " " << m;
        ++compared;
      }
  }
  EXPECT_GT(compared, 1000);
}

}  // namespace falconer::test
