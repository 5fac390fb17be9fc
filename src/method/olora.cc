#include "method/olora.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/threads.h"

namespace falconer {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Gram and Schmidt, twice: once leaves what rounding has put in.
std::vector<std::vector<double>> basis_of_columns(const View& w, int64_t rank,
                                                  const std::string& module) {
  std::vector<std::vector<double>> basis;
  for (int64_t r = 0; r < rank; ++r) {
    std::vector<double> column(static_cast<size_t>(w.rows));
    for (int64_t m = 0; m < w.rows; ++m)
      column[static_cast<size_t>(m)] = static_cast<double>(w.row<float>(m)[r]);
    const double before = std::sqrt(dot(column, column));
    for (int pass = 0; pass < 2; ++pass)
      for (const std::vector<double>& q : basis) {
        const double share = dot(q, column);
        for (size_t m = 0; m < column.size(); ++m) column[m] -= share * q[m];
      }
    const double norm = std::sqrt(dot(column, column));
    if (!(norm > 1e-5 * before))
      fail(
          "{}: its first {} columns depend on each other, and \"init_lora_weights\": \"olora\" "
          "takes "
          "them for a basis; make a plain LoRA of the adapter with PEFT (save_pretrained with "
          "path_initial_model_for_weight_conversion)",
          module, rank);
    for (double& value : column) value /= norm;
    basis.push_back(std::move(column));
  }
  return basis;
}

}  // namespace

void take_olora_out(const View& w, int64_t rank, double scale, const std::string& module) {
  if (rank > std::min(w.rows, w.cols))
    fail("{}: the LoRA has rank {}, and \"olora\" cannot begin with one beyond its {} x {}", module,
         rank, w.rows, w.cols);
  const auto basis = basis_of_columns(w, rank, module);
  parallel_for(w.cols, 64, [&](int64_t begin, int64_t end) {
    std::vector<double> shares(static_cast<size_t>(rank * (end - begin)));
    for (int64_t m = 0; m < w.rows; ++m)
      for (int64_t r = 0; r < rank; ++r)
        for (int64_t k = begin; k < end; ++k)
          shares[static_cast<size_t>(r * (end - begin) + k - begin)] +=
              basis[static_cast<size_t>(r)][static_cast<size_t>(m)] *
              static_cast<double>(w.row<float>(m)[k]);
    for (int64_t m = 0; m < w.rows; ++m)
      for (int64_t k = begin; k < end; ++k) {
        double part = 0;
        for (int64_t r = 0; r < rank; ++r)
          part += basis[static_cast<size_t>(r)][static_cast<size_t>(m)] *
                  shares[static_cast<size_t>(r * (end - begin) + k - begin)];
        float& value = w.row<float>(m)[k];
        value = static_cast<float>(static_cast<double>(value) - scale * part);
      }
  });
}

}  // namespace falconer
