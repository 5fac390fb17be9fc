// Sums over rows, and of squares. Parts whose number follows from the shape alone are summed side by
// side and then added in order: the same bytes on every run.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

constexpr int kColumns = 32, kLines = 8;  // of a block: threads
constexpr int64_t kRowsOfPart = 64, kMostParts = 64;

template <class A>
struct Term {
  Mat<const A> x;
  __device__ float operator()(int64_t n, int64_t c) const { return float(x(n, c)); }
};
template <class A>
struct ScaledTerm {
  Mat<const A> x;
  Mat<const float> scale;
  __device__ float operator()(int64_t n, int64_t c) const { return float(x(n, c)) * scale.data[c]; }
};
template <class A, class B>
struct ProductTerm {
  Mat<const A> x;
  Mat<const B> y;
  __device__ float operator()(int64_t n, int64_t c) const {
    return float(x(n, c)) * float(y(n, c));
  }
};
template <class A>
struct NormTerm {
  Mat<const A> dy, x;
  Mat<const float> stats;
  __device__ float operator()(int64_t n, int64_t c) const {
    return float(dy(n, c)) * (float(x(n, c)) - stats(n, 0)) * stats(n, 1);
  }
};

template <class A>
struct RmsTerm {  // row n of the sum is head n % H of row n / H
  HeadsMat<const A> dy, x;
  Mat<const float> stats;
  __device__ float operator()(int64_t n, int64_t c) const {
    const int64_t row = n / stats.cols, h = n - row * stats.cols;
    return float(dy.head(row, h)[c]) * float(x.head(row, h)[c]) * stats(row, h);
  }
};

/// partial (parts, cols): block (x, y) sums rows [y * part_rows, ...) of 32 columns.
template <class F>
__global__ void column_parts_kernel(F term, int64_t rows, int64_t cols, int64_t part_rows,
                                    float* partial) {
  float* room = reinterpret_cast<float*>(shared_memory());
  const int64_t line = threadIdx.x / kColumns, lane = threadIdx.x % kColumns;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kColumns + lane;
  const int64_t begin = static_cast<int64_t>(blockIdx.y) * part_rows;
  const int64_t end = begin + part_rows < rows ? begin + part_rows : rows;
  float sum = 0;
  if (c < cols)
    for (int64_t n = begin + line; n < end; n += kLines) sum += term(n, c);
  room[threadIdx.x] = sum;
  __syncthreads();
  if (line != 0 || c >= cols) return;
  for (int i = 1; i < kLines; ++i) sum += room[i * kColumns + lane];
  partial[static_cast<int64_t>(blockIdx.y) * cols + c] = sum;
}

__global__ void add_parts_kernel(const float* partial, int64_t parts, int64_t cols, float* out) {
  const int64_t c = thread_number();
  if (c >= cols) return;
  float sum = out[c];
  for (int64_t i = 0; i < parts; ++i) sum += partial[i * cols + c];
  out[c] = sum;
}

template <class F>
void add_terms(const F& term, int64_t rows, int64_t cols, const View& out) {
  Device* device = out.device;
  const int64_t room = static_cast<int64_t>(Device::kWorkspaceBytes / sizeof(float)) / cols;
  FALCONER_CHECK(room > 0 && out.contiguous());
  const int64_t parts =
      std::clamp<int64_t>(blocks_of(rows, kRowsOfPart), 1, std::min(kMostParts, room));
  const int64_t part_rows = blocks_of(rows, parts);
  float* partial = reinterpret_cast<float*>(device->workspace());
  launch(device, column_parts_kernel<F>,
         {.x = blocks_of(cols, kColumns),
          .y = parts,
          .threads = kColumns * kLines,
          .shared = kColumns * kLines * sizeof(float)},
         term, rows, cols, part_rows, partial);
  launch(device, add_parts_kernel, {.x = blocks_of(cols, 256)}, partial, parts, cols,
         on_gpu<float>(out).data);
}

constexpr int64_t kSquareParts = 512;

/// parts (gridDim.x): each block sums the squares of its share of the elements.
template <class A>
__global__ void square_parts_kernel(Mat<const A> x, double* parts) {
  double* room = reinterpret_cast<double*>(shared_memory());
  const int64_t total = x.rows * x.cols, step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  double sum = 0;
  for (int64_t i = thread_number(); i < total; i += step) {
    const int64_t n = x.rows == 1 ? 0 : i / x.cols;
    const double value = float(x(n, i - n * x.cols));
    sum += value * value;
  }
  sum = block_sum(sum, room);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

__global__ void sum_kernel(const double* parts, int64_t count, double* out) {
  double* room = reinterpret_cast<double*>(shared_memory());
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum, room);
  if (threadIdx.x == 0) *out = sum;
}

/// A warp for each row.
template <class A>
__global__ void row_squares_kernel(Mat<const A> w, float* out) {
  const int64_t n = thread_number() / kWarp;
  if (n >= w.rows) return;
  double sum = 0;
  for (int64_t c = threadIdx.x % kWarp; c < w.cols; c += kWarp) {
    const double value = float(w(n, c));
    sum += value * value;
  }
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) out[n] = static_cast<float>(sum);
}

__global__ void dora_norms_kernel(const float* w_squares, Mat<const float> u, Mat<const float> gram,
                                  Mat<const float> b, double scale, float* norms) {
  const int64_t m = thread_number();
  if (m >= b.rows) return;
  double linear = 0, square = 0;
  for (int64_t i = 0; i < b.cols; ++i) {
    const double own = b(m, i);
    linear += own * u(i, m);
    for (int64_t j = 0; j < b.cols; ++j) square += own * gram(i, j) * b(m, j);
  }
  norms[m] = static_cast<float>(sqrt(w_squares[m] + 2 * scale * linear + scale * scale * square));
}

}  // namespace

void add_columns(const View& x, const View& out) {
  with_type(x.dtype,
            [&]<class A>(Type<A>) { add_terms(Term<A>{on_gpu<const A>(x)}, x.rows, x.cols, out); });
}

void add_scaled_columns(const View& x, const View& scale, const View& out) {
  with_type(x.dtype, [&]<class A>(Type<A>) {
    add_terms(ScaledTerm<A>{on_gpu<const A>(x), on_gpu<const float>(scale)}, x.rows, x.cols, out);
  });
}

void add_products(const View& x, const View& y, const View& out) {
  with_type(x.dtype, [&]<class A>(Type<A>) {
    with_type(y.dtype, [&]<class B>(Type<B>) {
      add_terms(ProductTerm<A, B>{on_gpu<const A>(x), on_gpu<const B>(y)}, x.rows, x.cols, out);
    });
  });
}

void add_norm_products(const View& dy, const View& x, const View& stats, const View& out) {
  with_type(x.dtype, [&]<class A>(Type<A>) {
    add_terms(NormTerm<A>{on_gpu<const A>(dy), on_gpu<const A>(x), on_gpu<const float>(stats)},
              x.rows, x.cols, out);
  });
}

void add_rms_products(const Heads& dy, const Heads& x, const View& stats, const View& out) {
  with_type(x.rows.dtype, [&]<class A>(Type<A>) {
    add_terms(RmsTerm<A>{on_gpu<const A>(dy), on_gpu<const A>(x), on_gpu<const float>(stats)},
              x.rows.rows * x.count(), x.size, out);
  });
}

double sum_of_squares(const View& x) {
  constexpr int kThreads = 256;
  Device* device = x.device;
  double* parts = reinterpret_cast<double*>(device->workspace());
  const int64_t count = std::clamp<int64_t>(blocks_of(x.size(), 8 * kThreads), 1, kSquareParts);
  const size_t room = kThreads / kWarp * sizeof(double);
  with_type(x.dtype, [&]<class A>(Type<A>) {
    launch(device, square_parts_kernel<A>, {.x = count, .threads = kThreads, .shared = room},
           on_gpu<const A>(x), parts);
  });
  launch(device, sum_kernel, {.threads = kThreads, .shared = room}, parts, count,
         parts + kSquareParts);
  double sum = 0;
  device->copy_out(&sum, parts + kSquareParts, sizeof sum);
  return sum;
}

void row_squares(const RowSquares& a) {
  FALCONER_CHECK(a.out.contiguous());
  with_type(a.w.dtype, [&]<class A>(Type<A>) {
    launch(a.w.device, row_squares_kernel<A>, {.x = blocks_of(a.w.rows, 8), .threads = 8 * kWarp},
           on_gpu<const A>(a.w), on_gpu<float>(a.out).data);
  });
}

void dora_norms(const DoraNorms& a) {
  FALCONER_CHECK(a.norms.contiguous() && a.w_squares.contiguous());
  launch(a.norms.device, dora_norms_kernel, {.x = blocks_of(a.b.rows, 128), .threads = 128},
         on_gpu<const float>(a.w_squares).data, on_gpu<const float>(a.u),
         on_gpu<const float>(a.gram), on_gpu<const float>(a.b), static_cast<double>(a.scale),
         on_gpu<float>(a.norms).data);
}

}  // namespace falconer::FALCONER_GPU
