#include "ops/cpu/lane_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/blocks/format.h"

namespace falconer::cpu {
namespace {

/// One row as the format has it, in units.
struct RowCodes {
  std::vector<uint8_t> codes;           // u
  std::vector<float> scales, minimums;  // shape.groups for each unit
  float factor = 0;
};

class RowReader {
 public:
  RowReader(Dtype dtype, int64_t cols)
      : format_(block_format(dtype)),
        shape_(lane_shape(dtype)),
        cols_(cols),
        read_(static_cast<size_t>(cols)),
        scales_(static_cast<size_t>(cols / format_.codes.group)),
        minimums_(scales_.size()) {
    if (format_.codes.table != nullptr) table_most_ = largest_in_table(format_.codes.table);
  }

  void read(const std::byte* blocks, RowCodes& row) {
    const BlockCodes& codes = format_.codes;
    codes.load(blocks, cols_ / format_.block(), read_.data(), scales_.data(), minimums_.data());
    row.codes.resize(static_cast<size_t>(cols_));
    // A table's codes stay its places: the product looks them up.
    const int lowest = codes.table != nullptr ? 0 : codes.lowest;
    for (size_t i = 0; i < row.codes.size(); ++i)
      row.codes[i] = static_cast<uint8_t>(read_[i] - lowest);
    const int64_t values = kUnitCols / shape_.groups;  // that share a scale here
    const size_t groups = static_cast<size_t>(cols_ / values);
    row.scales.resize(groups);
    row.minimums.resize(groups);
    const float step = codes.table != nullptr ? table_most_ / 127 : 1;
    for (size_t g = 0; g < groups; ++g) {
      const size_t at = g * static_cast<size_t>(values) / static_cast<size_t>(codes.group);
      row.scales[g] = scales_[at] * step;
      row.minimums[g] = codes.minimums ? minimums_[at] : 0;
    }
    take_factor(row);
  }

 private:
  // A power of two: what f16 held it holds again.
  static void take_factor(RowCodes& row) {
    float most = 0;
    const auto look = [&most](float x) {
      if (!(std::fabs(x) <= most)) most = std::fabs(x);  // NaN stays
    };
    std::for_each(row.scales.begin(), row.scales.end(), look);
    std::for_each(row.minimums.begin(), row.minimums.end(), look);
    if (!std::isfinite(most)) {  // nor is what it is multiplied with
      row.factor = most;
      return;
    }
    int exponent = 0;
    std::frexp(most, &exponent);
    exponent = std::max(exponent, -100);
    row.factor = most > 0 ? std::ldexp(1.0f, exponent) : 0;
    const float inverse = most > 0 ? std::ldexp(1.0f, -exponent) : 0;
    for (float& scale : row.scales) scale *= inverse;
    for (float& minimum : row.minimums) minimum *= inverse;
  }

  const BlockFormat& format_;
  const LaneShape shape_;
  int64_t cols_;
  float table_most_ = 0;
  std::vector<int8_t> read_;
  std::vector<float> scales_, minimums_;
};

void put_halves(const RowCodes& row, bool minimums, int64_t unit, int groups, int64_t r,
                std::byte* out) {
  const std::vector<float>& from = minimums ? row.minimums : row.scales;
  for (int g = 0; g < groups; ++g) {
    const F16 half(from[static_cast<size_t>(unit * groups + g)]);
    std::memcpy(out + g * 32 + r * 2, &half.bits, sizeof half.bits);
  }
}

uint32_t four(const uint8_t* codes) {
  uint32_t word;
  std::memcpy(&word, codes, sizeof word);
  return word;
}

void put_codes(const uint8_t* codes, int bits, int64_t r, std::byte* out) {
  const auto put = [&](int64_t vector, uint32_t word) {
    std::memcpy(out + vector * 64 + r * 4, &word, sizeof word);
  };
  if (bits == 8) {
    for (int64_t i = 0; i < 8; ++i) put(i, four(codes + 4 * i));
    return;
  }
  for (int64_t i = 0; i < 4; ++i)
    put(i, (four(codes + 4 * i) & 0x0F0F0F0Fu) | (four(codes + 16 + 4 * i) & 0x0F0F0F0Fu) << 4);
  for (int bit = 4; bit < bits; ++bit) {
    uint32_t word = 0;
    for (int j = 0; j < 8; ++j) word |= (four(codes + 4 * j) >> bit & 0x01010101u) << j;
    put(bit, word);
  }
}

}  // namespace

float largest_in_table(const float* table) {
  float most = 0;
  for (int i = 0; i < 16; ++i) most = std::max(most, std::fabs(table[i]));
  return most;
}

LaneShape lane_shape(Dtype dtype) {
  const BlockCodes& codes = block_format(dtype).codes;
  LaneShape shape{
      .groups = codes.group == 16 ? 2 : 1, .minimums = codes.minimums, .table = codes.table};
  const int most = codes.most - codes.lowest;
  shape.bits = codes.table != nullptr || most < 16 ? 4 : most < 32 ? 5 : most < 64 ? 6 : 8;
  shape.offset = codes.table != nullptr ? 128 : -codes.lowest;
  return shape;
}

void pack_strips(const View& w, int64_t begin, int64_t end, std::byte* strips) {
  const LaneShape shape = lane_shape(w.dtype);
  RowReader reader(w.dtype, w.cols);
  RowCodes row;
  for (int64_t s = begin; s < end; ++s, strips += shape.strip_bytes(w.cols)) {
    const int64_t rows = std::min(kStripRows, w.rows - s * kStripRows);
    if (rows < kStripRows) std::memset(strips, 0, static_cast<size_t>(shape.strip_bytes(w.cols)));
    for (int64_t r = 0; r < rows; ++r) {
      reader.read(w.at(s * kStripRows + r), row);
      std::memcpy(strips + r * 4, &row.factor, sizeof row.factor);
      std::byte* out = strips + kStripRows * 4;
      for (int64_t u = 0; u < w.cols / kUnitCols; ++u, out += shape.unit_bytes()) {
        std::byte* at = out;
        put_halves(row, false, u, shape.groups, r, at);
        at += shape.groups * 32;
        if (shape.minimums) {
          put_halves(row, true, u, shape.groups, r, at);
          at += shape.groups * 32;
        }
        put_codes(row.codes.data() + u * kUnitCols, shape.bits, r, at);
      }
    }
  }
}

}  // namespace falconer::cpu
