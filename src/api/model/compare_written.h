// What was written is opened as a model and held against what was to be written.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/model/model_source.h"

namespace falconer {

/// What blocks made of numbers: roots of mean squares, as shares of those of the numbers.
class BlockErrors {
 public:
  struct Sums {
    double squares = 0, errors = 0;
    double share() const;
    void add(const Sums& other);
  };
  /// `weighed`: the same with what each column counts.
  void add(const std::string& tensor, const Sums& plain, const Sums& weighed);
  /// Error: the values of a tensor are none of its numbers.
  void check(const std::string& path) const;

  bool any() const { return !tensors_.empty(); }
  /// Of all, and the largest of one tensor.
  double share() const;
  double most() const;
  /// Of those whose columns count differently; 0 where there are none.
  double weighed() const { return weighed_.share(); }
  /// A line for people; without blocks, that every value is there.
  std::string text() const;

 private:
  std::map<std::string, Sums> tensors_;
  Sums weighed_;
};

/// Opens what was written at `path` as a model and compares every value with the source's. Errors:
/// one differs by more than its dtype explains. Of blocks it says by how much they differ.
BlockErrors compare_with_source(const ModelSource& source,
                                const std::vector<ExportedTensor>& tensors,
                                const std::string& path);

}  // namespace falconer
