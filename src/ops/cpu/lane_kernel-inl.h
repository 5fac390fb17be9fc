// The product of one strip of 16 rows with some rows of x. Included once for each instruction set and each way to
// multiply whole numbers (dots-inl.h), inside of its namespace.

/// Codes of columns 4 kJ .. 4 kJ + 3 of a unit, a byte each, for the rows of a part of the strip.
template <int kBits, int kJ>
HWY_INLINE Bytes codes_at(const std::byte* codes) {
  const hn::Repartition<uint32_t, ByteTag> d32;
  const auto word = [&](int64_t vector) HWY_ATTR {
    return hn::BitCast(d32,
                       hn::LoadU(ByteTag(), reinterpret_cast<const uint8_t*>(codes) + vector * 64));
  };
  if constexpr (kBits == 8) return hn::BitCast(ByteTag(), word(kJ));
  const auto low = hn::Set(d32, 0x0F0F0F0Fu);
  auto found = kJ < 4 ? hn::And(word(kJ & 3), low) : hn::And(hn::ShiftRight<4>(word(kJ & 3)), low);
  const auto take = [&](auto bit, int64_t vector) HWY_ATTR {
    constexpr int kBit = decltype(bit)::value;
    auto plane = word(vector);
    if constexpr (kJ < kBit) plane = hn::ShiftLeft<kBit - kJ>(plane);
    if constexpr (kJ > kBit) plane = hn::ShiftRight<kJ - kBit>(plane);
    found = hn::Or(found, hn::And(plane, hn::Set(d32, 0x01010101u << kBit)));
  };
  if constexpr (kBits > 4) take(std::integral_constant<int, 4>(), 4);
  if constexpr (kBits > 5) take(std::integral_constant<int, 5>(), 5);
  return hn::BitCast(ByteTag(), found);
}

template <int kBits, bool kTable, int kN, int kJ>
HWY_INLINE void add_column(const std::byte* codes, Bytes table, const LaneRows& x, int64_t unit,
                           Whole32* sums) {
  Bytes u = codes_at<kBits, kJ>(codes);
  if constexpr (kTable) u = hn::TableLookupBytes(table, u);
  const auto column = Dot::column(u);
#pragma GCC unroll 8
  for (int n = 0; n < kN; ++n)
    Dot::add(sums[n], column,
             Dot::row(x.codes + (unit * kN + n) * Dot::kXBytes + kJ * (Dot::kXBytes / 8)));
}

/// Columns of group kG of a unit.
template <int kBits, int kGroups, bool kTable, int kN, int kG>
HWY_INLINE void add_group(const std::byte* codes, Bytes table, const LaneRows& x, int64_t unit,
                          Whole32* sums) {
  constexpr int kFirst = kG * 8 / kGroups;
  add_column<kBits, kTable, kN, kFirst + 0>(codes, table, x, unit, sums);
  add_column<kBits, kTable, kN, kFirst + 1>(codes, table, x, unit, sums);
  add_column<kBits, kTable, kN, kFirst + 2>(codes, table, x, unit, sums);
  add_column<kBits, kTable, kN, kFirst + 3>(codes, table, x, unit, sums);
  if constexpr (kGroups == 1) {
    add_column<kBits, kTable, kN, 4>(codes, table, x, unit, sums);
    add_column<kBits, kTable, kN, 5>(codes, table, x, unit, sums);
    add_column<kBits, kTable, kN, 6>(codes, table, x, unit, sums);
    add_column<kBits, kTable, kN, 7>(codes, table, x, unit, sums);
  }
}

/// A unit of one part of the strip: sums (n) += what it gives.
template <int kBits, int kGroups, bool kMinimums, bool kTable, int kN, int kG>
HWY_INLINE void add_unit(const std::byte* halves, const std::byte* codes, Bytes table,
                         const LaneRows& x, int64_t unit, Part32* sums) {
  const WholeTag whole;
  const PartTag part;
  Whole32 dots[kN];
#pragma GCC unroll 8
  for (int n = 0; n < kN; ++n) dots[n] = hn::Set(whole, x.starts[(unit * kGroups + kG) * kN + n]);
  add_group<kBits, kGroups, kTable, kN, kG>(codes, table, x, unit, dots);
  const auto* scales = reinterpret_cast<const F16*>(halves) + kG * kStripRows;
  const Part32 scale = load_half_precision(part, scales);
#pragma GCC unroll 8
  for (int n = 0; n < kN; ++n) {
    const Part32 both = hn::Mul(scale, hn::Set(part, x.scales[unit * kN + n]));
    sums[n] = hn::MulAdd(hn::ConvertTo(part, dots[n]), both, sums[n]);
  }
  if constexpr (kMinimums) {
    const Part32 minimum = load_half_precision(part, scales + kGroups * kStripRows);
#pragma GCC unroll 8
    for (int n = 0; n < kN; ++n)
      sums[n] =
          hn::NegMulAdd(minimum, hn::Set(part, x.sums[(unit * kGroups + kG) * kN + n]), sums[n]);
  }
}

/// kN rows of x with the 16 rows of a strip: sums[n * 16 + r], without the rows' factors.
template <int kBits, int kGroups, bool kMinimums, bool kTable, int kN>
void strip_sums(const std::byte* strip, int64_t units, const uint8_t* table16, const LaneRows& x,
                float* sums) {
  constexpr int kParts = static_cast<int>(kStripRows) / kPartRows;
  constexpr int64_t kHalves = (kMinimums ? 2 : 1) * kGroups * 32;
  constexpr int64_t kUnit = kHalves + 64 * (kBits == 8 ? 8 : kBits);
  const Bytes table = hn::LoadDup128(ByteTag(), table16);
  Part32 acc[kParts][kN];
  for (int p = 0; p < kParts; ++p)
    for (int n = 0; n < kN; ++n) acc[p][n] = hn::Zero(PartTag());
  const std::byte* at = strip + kStripRows * 4;
  for (int64_t u = 0; u < units; ++u, at += kUnit) {
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      const std::byte* halves = at + p * kPartRows * 2;
      const std::byte* codes = at + kHalves + p * kPartRows * 4;
      add_unit<kBits, kGroups, kMinimums, kTable, kN, 0>(halves, codes, table, x, u, acc[p]);
      if constexpr (kGroups == 2)
        add_unit<kBits, kGroups, kMinimums, kTable, kN, 1>(halves, codes, table, x, u, acc[p]);
    }
  }
  for (int p = 0; p < kParts; ++p)
    for (int n = 0; n < kN; ++n)
      hn::StoreU(acc[p][n], PartTag(), sums + n * kStripRows + p * kPartRows);
}

template <int kBits, int kGroups, bool kMinimums, bool kTable>
StripSums strip_sums_of(int64_t rows) {
  switch (rows) {
    case 1:
      return strip_sums<kBits, kGroups, kMinimums, kTable, 1>;
    case 2:
      return strip_sums<kBits, kGroups, kMinimums, kTable, 2>;
    case 4:
      return strip_sums<kBits, kGroups, kMinimums, kTable, std::min(4, kMostLaneRows)>;
    default:
      return strip_sums<kBits, kGroups, kMinimums, kTable, kMostLaneRows>;
  }
}

/// The kernel for a shape and a number of rows of x: 1, 2, 4 .. kMostLaneRows. Null: for no format there is such a shape.
StripSums find_strip_sums(const LaneShape& shape, int64_t rows) {
  if (shape.table != nullptr)
    return shape.groups == 2 ? strip_sums_of<4, 2, false, true>(rows)
                             : strip_sums_of<4, 1, false, true>(rows);
  switch (shape.bits * 10 + shape.groups * 2 + (shape.minimums ? 1 : 0)) {
    case 42:
      return strip_sums_of<4, 1, false, false>(rows);
    case 43:
      return strip_sums_of<4, 1, true, false>(rows);
    case 44:
      return strip_sums_of<4, 2, false, false>(rows);
    case 45:
      return strip_sums_of<4, 2, true, false>(rows);
    case 52:
      return strip_sums_of<5, 1, false, false>(rows);
    case 53:
      return strip_sums_of<5, 1, true, false>(rows);
    case 64:
      return strip_sums_of<6, 2, false, false>(rows);
    case 82:
      return strip_sums_of<8, 1, false, false>(rows);
    case 84:
      return strip_sums_of<8, 2, false, false>(rows);
    default:
      return nullptr;
  }
}
