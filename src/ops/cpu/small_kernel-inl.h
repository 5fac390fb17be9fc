// A few rows of x with all rows of W. Included once for each instruction set and each way to multiply, inside of a
// namespace that has:
//
//   X                              what rows of x are packed as
//   FALCONER_SMALL_ATTR            the instructions that lambdas may use
//   put_step(from, alternate, to)  packs a step of a row; `alternate`: W is bf16
//   add_step<N, R>(x, w, at, sums)  sums(r, n) += a step of N rows of x with R rows of W, from its column `at` on

/// Puts the rows of x into `packed`: for each step the rows one behind the other, so that they are read as one stream;
/// inside in the order in which a step reads a row of W, padded with zeros.
void pack_rows(const View& x, Dtype w, X* packed) {
  const int64_t step = step_width();
  const auto put = [&](const auto* from) FALCONER_SMALL_ATTR {
    put_step(from, w == Dtype::kBF16, packed);
    packed += step;
  };
  with_type(x.dtype, [&]<class T>(Type<T>) {
    for (int64_t at = 0; at < x.cols; at += step)
      for (int64_t n = 0; n < x.rows; ++n) {
        const T* from = x.row<T>(n) + at;
        if (at + step <= x.cols)
          put(from);
        else
          put(LastStep<T>(from, x.cols - at).values);
      }
  });
}

/// Where to ask memory for what is read later, so that its latency is hidden: `ahead` elements further, and
/// from column `turn` on `after` elements further.
struct Asking {
  int64_t ahead = 0, turn = 0, after = 0;
};

/// Vectors of sums(r, n) += N rows of x with R rows of W, over `cols` columns. Where kAsk, what is read later is
/// asked for at the same time.
template <int N, int R, bool kAsk, class W>
HWY_INLINE void add_tile(const X* x, const W* const* w, const Asking& asking, int64_t cols,
                         float* sums) {
  const int64_t step = step_width(), whole = cols / step * step;
  VecF acc[R * N];
#pragma GCC unroll 32
  for (int i = 0; i < R * N; ++i) acc[i] = hn::Load(F32(), sums + i * lanes());
  const auto steps = [&](int64_t begin, int64_t end, int64_t ahead) FALCONER_SMALL_ATTR {
    for (int64_t at = begin; at < end; at += step, x += N * step) {
      if constexpr (kAsk) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) hwy::Prefetch(w[r] + at + ahead);
      }
      add_step<N, R>(x, w, at, acc);
    }
  };
  const int64_t turn = kAsk ? std::clamp<int64_t>(asking.turn / step * step, 0, whole) : whole;
  steps(0, turn, asking.ahead);
  steps(turn, whole, asking.after);
  if (whole < cols) {
    for (int r = 0; r < R; ++r) {
      const LastStep<W> last(w[r] + whole, cols - whole);
      const W* const row = last.values;
      for (int n = 0; n < N; ++n) add_step<1, 1>(x + n * step, &row, 0, acc + r * N + n);
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < R * N; ++i) hn::Store(acc[i], F32(), sums + i * lanes());
}

/// Rows of x that go through the registers together.
#if HWY_TARGET <= HWY_AVX3
constexpr int kMostTogether = 8;
#else
constexpr int kMostTogether = 4;
#endif

/// Rows of W that are read side by side with N rows of x. The sums (R N), the rows of W (R) and one
/// of x must fit the registers, of which AVX512 has 32 and the others 16.
template <int N>
constexpr int rows_side_by_side() {
#if HWY_TARGET <= HWY_AVX3
  constexpr int kRows[] = {8, 8, 6, 5, 5, 4, 3, 3};
#else
  constexpr int kRows[] = {4, 4, 3, 3};
#endif
  return kRows[N - 1];
}

/// Where x goes through the registers in several parts: rows of W side by side, rows of W between
/// which the parts of x stay in the caches, and columns that go through at one time.
constexpr int kPartRows = 3;
constexpr int kPanelRows = 8 * kPartRows;
constexpr int64_t kPartCols = 512;

/// Bytes ahead that one part asks for.
constexpr int64_t kAhead = 512;

template <class Y>
void finish(const LinearForward& a, int64_t n, int64_t m, float sum) {
  float out = a.scale * sum;
  if (a.b) out += a.b.row<float>(0)[m];
  Y& y = a.y.row<Y>(n)[m];
  y = a.add ? Y(static_cast<float>(y) + out) : Y(out);
}

/// y(n, m) for R rows of W and N rows of x, out of their vectors of sums.
void finish_tile(const LinearForward& a, int64_t first_n, int64_t count_n, int64_t m,
                 int64_t count_m, const float* sums) {
  const F32 d;
  with_type(a.y.dtype, [&]<class Y>(Type<Y>) {
    for (int64_t r = 0; r < count_m; ++r)
      for (int64_t n = 0; n < count_n; ++n) {
        const VecF sum = hn::Load(d, sums + (r * count_n + n) * lanes());
        finish<Y>(a, first_n + n, m + r, hn::GetLane(hn::SumOfLanes(d, sum)));
      }
  });
}

/// Columns [begin, end) of y where all rows of x go through the registers together.
template <int N, class W>
void columns_together(const LinearForward& a, const X* packed, int64_t begin, int64_t end) {
  constexpr int R = rows_side_by_side<N>();
  HWY_ALIGN float sums[R * N * kMostLanes];
  for (int64_t m = begin; m < end; m += R) {
    const W* w[R];
    for (int r = 0; r < R; ++r) w[r] = a.w.row<W>(std::min(m + r, end - 1));
    std::memset(sums, 0, sizeof sums);
    // At the end of these rows the beginnings of the next ones are asked for.
    constexpr int64_t kElements = kAhead / static_cast<int64_t>(sizeof(W));
    const Asking asking{kElements, a.w.cols - kElements, R * a.w.stride - a.w.cols + kElements};
    add_tile<N, R, true>(packed, w, asking, a.w.cols, sums);
    finish_tile(a, 0, N, m, std::min<int64_t>(R, end - m), sums);
  }
}

/// Calls work(N as a constant) for n = 1 .. kMostTogether.
template <class Work>
HWY_INLINE void with_count(int64_t n, Work&& work) {
  [&]<int... N>(std::integer_sequence<int, N...>) {
    ((n == N + 1 ? work(std::integral_constant<int, N + 1>()) : void()), ...);
  }
  (std::make_integer_sequence<int, kMostTogether>());
}

/// All parts of x with kPartRows rows of W and some columns: the first part brings W into the
/// cache.
template <class W>
void add_parts(const LinearForward& a, const X* packed, int64_t padded, int64_t m, int64_t end,
               int64_t first_col, float* sums) {
  const int64_t cols = std::min(kPartCols, a.w.cols - first_col);
  const bool last = first_col + cols == a.w.cols;  // then the next panel comes
  const int64_t ahead = last ? kPanelRows * a.w.stride - first_col : kPartCols;
  const W* w[kPartRows];
  for (int r = 0; r < kPartRows; ++r) w[r] = a.w.row<W>(std::min(m + r, end - 1)) + first_col;
  for (int64_t n = 0; n < a.x.rows; n += kMostTogether) {
    const int64_t count = std::min<int64_t>(kMostTogether, a.x.rows - n);
    const X* x = packed + n * padded + first_col * count;
    with_count(count, [&](auto N) {
      if (n == 0)
        add_tile<N(), kPartRows, true>(x, w, {ahead, cols, ahead}, cols, sums);
      else
        add_tile<N(), kPartRows, false>(x, w, {}, cols, sums);
    });
    sums += kPartRows * count * lanes();
  }
}

/// Columns [begin, end) of y where x goes through the registers in parts. What each sum adds, and
/// in which order, is the same as for a single row.
template <class W>
void columns_in_parts(const LinearForward& a, const X* packed, int64_t padded, int64_t begin,
                      int64_t end) {
  thread_local hwy::AlignedFreeUniquePtr<float[]> store =
      hwy::AllocateAligned<float>(kPanelRows * kSmallRows * kMostLanes);
  const int64_t tile = kPartRows * a.x.rows * lanes();  // sums of kPartRows rows of W
  for (int64_t panel = begin; panel < end; panel += kPanelRows) {
    const int64_t panel_end = std::min<int64_t>(panel + kPanelRows, end);
    std::memset(store.get(), 0, kPanelRows * static_cast<size_t>(a.x.rows * lanes()) * 4);
    for (int64_t col = 0; col < a.w.cols; col += kPartCols)
      for (int64_t m = panel; m < panel_end; m += kPartRows)
        add_parts<W>(a, packed, padded, m, end, col, store.get() + (m - panel) / kPartRows * tile);
    for (int64_t m = panel; m < panel_end; m += kPartRows) {
      const float* sums = store.get() + (m - panel) / kPartRows * tile;
      for (int64_t n = 0; n < a.x.rows; n += kMostTogether) {
        const int64_t count = std::min<int64_t>(kMostTogether, a.x.rows - n);
        finish_tile(a, n, count, m, std::min<int64_t>(kPartRows, panel_end - m), sums);
        sums += kPartRows * count * lanes();
      }
    }
  }
}

/// Columns [begin, end) of y.
template <class W>
void columns(const LinearForward& a, const X* packed, int64_t padded, int64_t begin, int64_t end) {
  if (a.x.rows > kMostTogether) return columns_in_parts<W>(a, packed, padded, begin, end);
  with_count(a.x.rows, [&](auto N) { columns_together<N(), W>(a, packed, begin, end); });
}

/// Packs the rows of x, each to `padded` numbers, in the parts that go through the registers.
void pack_parts(const View& x, Dtype w, int64_t padded, X* packed) {
  for (int64_t n = 0; n < x.rows; n += kMostTogether)
    pack_rows(x.row_range(n, std::min<int64_t>(kMostTogether, x.rows - n)), w, packed + n * padded);
}
