// A tile of a product in whole numbers: kWholeRows rows of two vectors. Included once for each instruction set and each way
// to multiply whole numbers (dots-inl.h), inside of its namespace.

/// Sums of a group: of its first row's two vectors, and so on. A function of its own: its registers are all taken.
HWY_NOINLINE void sum_group(const int8_t* a, const uint8_t* b, const int32_t* starts, int64_t quads,
                            int32_t* out) {
  const WholeTag whole;
  Whole32 sums[kWholeRows][2];
#pragma GCC unroll 16
  for (int r = 0; r < kWholeRows; ++r) sums[r][0] = sums[r][1] = hn::Set(whole, starts[r]);
  for (int64_t q = 0; q < quads; ++q, a += kWholeRows * Dot::kXBytes / 8, b += 8 * kPartRows) {
    const auto first = Dot::column(hn::LoadU(ByteTag(), b));
    const auto second = Dot::column(hn::LoadU(ByteTag(), b + 4 * kPartRows));
#pragma GCC unroll 16
    for (int r = 0; r < kWholeRows; ++r) {
      const auto row = Dot::row(a + r * (Dot::kXBytes / 8));
      Dot::add(sums[r][0], first, row);
      Dot::add(sums[r][1], second, row);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kWholeRows; ++r) {
    hn::Store(sums[r][0], whole, out + 2 * r * kPartRows);
    hn::Store(sums[r][1], whole, out + (2 * r + 1) * kPartRows);
  }
}

/// A row of a tile = or += its sums, which are in whole numbers, times the scales of its group.
template <bool kAdd>
HWY_INLINE void put_group_row(const int32_t* sums, Part32 scale0, Part32 scale1, float row_scale,
                              float* to) {
  const PartTag part;
  const Part32 row = hn::Set(part, row_scale);
  const Part32 sum0 = hn::ConvertTo(part, hn::Load(WholeTag(), sums));
  const Part32 sum1 = hn::ConvertTo(part, hn::Load(WholeTag(), sums + kPartRows));
  const Part32 before0 = kAdd ? hn::LoadU(part, to) : hn::Zero(part);
  const Part32 before1 = kAdd ? hn::LoadU(part, to + kPartRows) : hn::Zero(part);
  hn::StoreU(hn::MulAdd(sum0, hn::Mul(row, scale0), before0), part, to);
  hn::StoreU(hn::MulAdd(sum1, hn::Mul(row, scale1), before1), part, to + kPartRows);
}

template <bool kAdd>
HWY_INLINE void tile_group(const WholeTile& t, int64_t group) {
  constexpr int64_t kCols = 2 * kPartRows;
  HWY_ALIGN int32_t sums[kWholeRows * kCols];
  const int64_t k = group * kWholeGroup;
  sum_group(t.a.codes + k * kWholeRows * (Dot::kXBytes / 32), t.b.codes + k * kCols,
            t.a.starts + group * kWholeRows, (std::min(kWholeGroup, t.depth - k) + 3) / 4, sums);
  const float* scales = t.b.scales + group * kCols;
  const float* rows = t.a.scales + group * kWholeRows;
  const Part32 scale0 = hn::LoadU(PartTag(), scales);
  const Part32 scale1 = hn::LoadU(PartTag(), scales + kPartRows);
#pragma GCC unroll 4
  for (int r = 0; r < kWholeRows; ++r)
    put_group_row<kAdd>(sums + r * kCols, scale0, scale1, rows[r], t.sums + r * t.stride);
}

void whole_tile(const WholeTile& t) {
  const int64_t groups = (t.depth + kWholeGroup - 1) / kWholeGroup;
  if (t.add)
    tile_group<true>(t, 0);
  else
    tile_group<false>(t, 0);
  for (int64_t g = 1; g < groups; ++g) tile_group<true>(t, g);
}
