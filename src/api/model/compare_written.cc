#include "api/model/compare_written.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "api/model/tensor_watch.h"
#include "base/error.h"
#include "base/threads.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"

namespace falconer {
namespace {

constexpr int64_t kQ8Block = block_of(Dtype::kQ8_0);

/// The largest difference that Q8_0 makes in a block: half of its step d = most / 127, and 127 times
/// what d loses in f16, which has 11 bits and no step below 2^-24.
void check_q8_0(const View& expected, const View& found, const std::string& name) {
  for (int64_t i = 0; i < expected.rows; ++i)
    for (int64_t j = 0; j < expected.cols; j += kQ8Block) {
      const float *x = expected.row<float>(i) + j, *y = found.row<float>(i) + j;
      float most = 0;
      for (int64_t k = 0; k < kQ8Block; ++k) most = std::max(most, std::fabs(x[k]));
      const float d = most / 127;
      const float bound = 1.001f * (d / 2 + 127 * std::max(d * 0x1p-11f, 0x1p-25f));
      for (int64_t k = 0; k < kQ8Block; ++k)
        if (!(std::fabs(x[k] - y[k]) <= bound))
          fail("{}: reads back as {} at {}, {}; expected {} within {}", name, y[k], i, j + k, x[k],
               bound);
    }
}

void check_equal(const View& expected, const View& found, const std::string& name) {
  for (int64_t i = 0; i < expected.rows; ++i)
    for (int64_t j = 0; j < expected.cols; ++j) {
      const float x = expected.row<float>(i)[j], y = found.row<float>(i)[j];
      if (x != y && !(std::isnan(x) && std::isnan(y)))
        fail("{}: reads back as {} at {}, {}; expected {}", name, y, i, j, x);
    }
}

/// Of a row; `weight`: of each column, null: 1.
BlockErrors::Sums sums_of(const float* x, const float* y, const float* weight, int64_t count) {
  BlockErrors::Sums sums;
  for (int64_t j = 0; j < count; ++j) {
    const double w = weight == nullptr ? 1 : static_cast<double>(weight[j]);
    const double value = static_cast<double>(x[j]), off = value - static_cast<double>(y[j]);
    sums.squares += w * value * value;
    sums.errors += w * off * off;
  }
  return sums;
}

/// Row by row, so that the order of sums is one.
void add_errors(const View& expected, const View& found, const TensorSpec& spec,
                BlockErrors& errors) {
  const float* weights = spec.importances ? spec.importances->data() : nullptr;
  std::vector<BlockErrors::Sums> plain(static_cast<size_t>(expected.rows)), weighed(plain.size());
  parallel_for(expected.rows, 1 + (1 << 16) / expected.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float *x = expected.row<float>(i), *y = found.row<float>(i);
      plain[static_cast<size_t>(i)] = sums_of(x, y, nullptr, expected.cols);
      if (weights != nullptr)
        weighed[static_cast<size_t>(i)] = sums_of(x, y, weights, expected.cols);
    }
  });
  for (size_t i = 0; i < plain.size(); ++i) errors.add(spec.name, plain[i], weighed[i]);
}

/// What rows of ours read back as, where the file is one that holds what is folded into them.
void read_back(const ValueForm& form, const View& values) {
  if (form.plain()) return;
  for (int64_t i = 0; i < values.rows; ++i)
    for (int64_t j = 0; j < values.cols; ++j)
      values.row<float>(i)[j] = form.value(values.row<float>(i)[j]);
}

void compare_rows(const ExportedTensor& tensor, const ExportedPiece& piece,
                  const StoredTensor& written, const View& plain, int64_t first,
                  BlockErrors& errors) {
  Tensor memory;
  const View rows = formed(tensor, piece, plain, first, memory);
  const Tensor expected(rows.rows, rows.cols, Dtype::kF32);
  const Tensor found(rows.rows, rows.cols, Dtype::kF32);
  written.copy_rows_to(first, found.view());
  if (is_blocks(tensor.spec.dtype)) {
    copy_converted(rows, expected.view());
    read_back(tensor.form, expected.view());
    add_errors(expected.view(), found.view(), tensor.spec, errors);
    if (tensor.spec.dtype == Dtype::kQ8_0)
      check_q8_0(expected.view(), found.view(), tensor.spec.name);
    return;
  }
  const Tensor rounded(rows.rows, rows.cols, tensor.spec.dtype);
  copy_converted(rows, rounded.view());
  copy_converted(rounded.view(), expected.view());
  read_back(tensor.form, expected.view());
  check_equal(expected.view(), found.view(), tensor.spec.name);
}

}  // namespace

double BlockErrors::Sums::share() const {
  return squares > 0 ? std::sqrt(errors / squares) : errors > 0 ? INFINITY : 0;
}

void BlockErrors::Sums::add(const Sums& other) {
  squares += other.squares;
  errors += other.errors;
}

void BlockErrors::add(const std::string& tensor, const Sums& plain, const Sums& weighed) {
  tensors_[tensor].add(plain);
  weighed_.add(weighed);
}

void BlockErrors::check(const std::string& path) const {
  // Rows in a wrong order are off by the root of 2.
  for (const auto& [tensor, sums] : tensors_)
    if (!(sums.share() < 1))
      fail("{}: {} reads back with an error of {:.3g} % of its values", path, tensor,
           100 * sums.share());
}

double BlockErrors::share() const {
  Sums all;
  for (const auto& [tensor, sums] : tensors_) all.add(sums);
  return all.share();
}

double BlockErrors::most() const {
  double most = 0;
  for (const auto& [tensor, sums] : tensors_) most = std::max(most, sums.share());
  return most;
}

std::string BlockErrors::text() const {
  if (!any()) return "read back: every value is there\n";
  std::string text = fmt::format(
      "read back: blocks are off by {:.3g} % of their values (root of the mean square), {:.3g} % "
      "in the worst tensor\n",
      100 * share(), 100 * most());
  if (weighed_.squares > 0)
    text += fmt::format("as the rows weigh columns: by {:.3g} %\n", 100 * weighed());
  return text;
}

BlockErrors compare_with_source(const ModelSource& source,
                                const std::vector<ExportedTensor>& tensors,
                                const std::string& path) {
  BlockErrors errors;
  const ModelConfig config = read_model_config(path);
  const TensorFiles files = open_weights(path, config);
  TensorWatch watch("compared", tensors.size());
  std::set<std::string> done;  // ours that lie in two of theirs
  for (size_t i = 0; i < tensors.size(); ++i)
    for (const ExportedPiece& piece : tensors[i].pieces) {
      if (!done.insert(piece.name).second) continue;
      const StoredTensor* written = files.find(piece.name);
      if (written == nullptr || written->rows() != piece.source->rows() ||
          written->cols() != piece.source->cols())
        fail("{}: {} was not written, or with another shape", path, tensors[i].spec.name);
      source.read(*piece.source, {}, [&](const View& rows, int64_t first) {
        watch.look(i);
        compare_rows(tensors[i], piece, *written, rows, first, errors);
        written->forget();
      });
    }
  errors.check(path);
  return errors;
}

}  // namespace falconer
