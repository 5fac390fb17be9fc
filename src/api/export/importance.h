// What columns of matrices count: the mean square of each number that goes into a linear layer, over rows of data. An error
// e of a weight adds e x to what comes out, so that its square counts x^2 (llama.cpp's importance matrix).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_writer.h"

namespace falconer {

class Importances {
 public:
  /// Of all linear layers whose weight is no embedding, through which the rows of `data` go once. `adapter` is in use;
  /// `prompt_style`: of rows that name none ("": as data has it). Errors: those of opening a model and of reading rows.
  Importances(const std::string& checkpoint, const std::string& adapter, const std::string& data,
              const std::string& prompt_style);

  /// By the weight's name, with the mean 1; null where nothing is known.
  ColumnWeights of(const std::string& weight) const;
  int64_t tokens() const { return tokens_; }

 private:
  std::map<std::string, ColumnWeights> weights_;
  int64_t tokens_ = 0;
};

}  // namespace falconer
