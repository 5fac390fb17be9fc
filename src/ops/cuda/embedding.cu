// Rows of a table by id, and rows gathered by position.
#include <numeric>
#include <vector>

#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

/// y_n = x_{index(n)}
template <class X, class A>
struct TakeEach {
  Mat<const X> x;
  const int32_t* index;
  Mat<A> y;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N];
    load<N>(x.row(index[n]) + c, v);
    store<N>(y.row(n) + c, v);
  }
};

/// x_{index(n)} = y_n
template <class A>
struct PutEach {
  Mat<const A> y;
  const int32_t* index;
  Mat<A> x;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N];
    load<N>(y.row(n) + c, v);
    store<N>(x.row(index[n]) + c, v);
  }
};

/// A block for each id that occurs, which alone adds to its row: tokens[starts[i] ..
/// starts[i + 1] - 1] are the places of id number i, in order.
template <class A>
__global__ void embedding_backward_kernel(Mat<const A> dy, const int32_t* ids,
                                          const int32_t* tokens, const int32_t* starts,
                                          Mat<float> dw) {
  const int32_t begin = starts[blockIdx.x], end = starts[blockIdx.x + 1];
  float* row = dw.row(ids[tokens[begin]]);
  for (int64_t c = threadIdx.x; c < dw.cols; c += blockDim.x) {
    float sum = row[c];
    for (int32_t i = begin; i < end; ++i) sum += float(dy(tokens[i], c));
    row[c] = sum;
  }
}

}  // namespace

void embedding_forward(const EmbeddingForward& a) {
  const int32_t* ids = staged_indices(a.y.device, a.ids);
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    with_type(a.w.dtype, [&]<class W>(Type<W>) {
      each(a.y.device, a.y.rows, a.y.cols, packs(a.y.cols, {a.w, a.y}),
           TakeEach<W, A>{on_gpu<const W>(a.w), ids, on_gpu<A>(a.y)});
    });
  });
}

void embedding_backward(const EmbeddingBackward& a) {
  Device* device = a.dw.device;
  const int32_t* host = a.ids.row<int32_t>(0);
  std::vector<int32_t> tokens(static_cast<size_t>(a.ids.size())), starts;
  std::iota(tokens.begin(), tokens.end(), 0);
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](int32_t i, int32_t j) { return host[i] < host[j]; });
  for (size_t i = 0; i < tokens.size(); ++i)
    if (i == 0 || host[tokens[i]] != host[tokens[i - 1]]) starts.push_back(static_cast<int32_t>(i));
  const int64_t count = std::ssize(starts);
  starts.push_back(static_cast<int32_t>(tokens.size()));
  const auto sent = [&](const std::vector<int32_t>& numbers) {
    return static_cast<const int32_t*>(
        device->staged(numbers.data(), numbers.size() * sizeof(int32_t)));
  };
  with_type(a.dy.dtype, [&]<class A>(Type<A>) {
    launch(device, embedding_backward_kernel<A>, {.x = count}, on_gpu<const A>(a.dy),
           staged_indices(device, a.ids), sent(tokens), sent(starts), on_gpu<float>(a.dw));
  });
}

void gather_forward(const GatherForward& a) {
  const int32_t* index = staged_indices(a.y.device, a.index);
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    each(a.y.device, a.y.rows, a.y.cols, packs(a.y.cols, {a.x, a.y}),
         TakeEach<A, A>{on_gpu<const A>(a.x), index, on_gpu<A>(a.y)});
  });
}

void gather_backward(const GatherBackward& a) {
  set_zero(a.dx);
  const int32_t* index = staged_indices(a.dx.device, a.index);
  with_type(a.dx.dtype, [&]<class A>(Type<A>) {
    each(a.dx.device, a.dy.rows, a.dy.cols, packs(a.dy.cols, {a.dx, a.dy}),
         PutEach<A>{on_gpu<const A>(a.dy), index, on_gpu<A>(a.dx)});
  });
}

}  // namespace falconer::FALCONER_GPU
