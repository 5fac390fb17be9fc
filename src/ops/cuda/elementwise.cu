// Kernels that go element by element: a thread for eight elements of a row, or for one where rows
// do not begin on 16 bytes.
#include "ops/cuda/launchers.h"

namespace falconer::FALCONER_GPU {
namespace {

template <class From, class To>
struct ConvertEach {
  Mat<const From> x;
  Mat<To> y;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N];
    load<N>(x.row(n) + c, v);
    store<N>(y.row(n) + c, v);
  }
};

template <class A>
struct ZeroEach {
  Mat<A> x;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    const float v[N] = {};
    store<N>(x.row(n) + c, v);
  }
};

template <class A>
struct FactorEach {
  Mat<A> x;
  float factor;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N];
    load<N>(x.row(n) + c, v);
    for (int i = 0; i < N; ++i) v[i] *= factor;
    store<N>(x.row(n) + c, v);
  }
};

template <class A>
struct ResidualEach {
  Mat<const A> x, a, b;
  Mat<A> y;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], w[N];
    load<N>(x.row(n) + c, v);
    load<N>(a.row(n) + c, w);
    for (int i = 0; i < N; ++i) v[i] += w[i];
    if (b) {
      load<N>(b.row(n) + c, w);
      for (int i = 0; i < N; ++i) v[i] += w[i];
    }
    store<N>(y.row(n) + c, v);
  }
};

template <class A, class K>
struct AffineEach {
  Mat<A> y;
  Mat<const float> scale, bias, about;
  Mat<K> kept;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], s[N], b[N], r[N];
    load<N>(y.row(n) + c, v);
    load<N>(scale.data + c, s);
    for (int i = 0; i < N; ++i) b[i] = r[i] = 0;
    if (bias) load<N>(bias.data + c, b);
    if (about) load<N>(about.data + c, r);
    for (int i = 0; i < N; ++i) v[i] = v[i] + b[i] - r[i];
    if (kept) store<N>(kept.row(n) + c, v);
    for (int i = 0; i < N; ++i) v[i] = s[i] * v[i] + r[i];
    store<N>(y.row(n) + c, v);
  }
};

template <class A>
struct ScaleEach {
  Mat<A> d;
  Mat<const float> scale;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    float v[N], s[N];
    load<N>(d.row(n) + c, v);
    load<N>(scale.data + c, s);
    for (int i = 0; i < N; ++i) v[i] *= s[i];
    store<N>(d.row(n) + c, v);
  }
};

struct DivideEach {
  Mat<const float> a, b;
  Mat<float> out;
  bool add;
  template <int N>
  __device__ void run(int64_t, int64_t c) const {
    const float quotient = a.data[c] / b.data[c];
    out.data[c] = add ? out.data[c] + quotient : quotient;
  }
};

// A thread for each block of four random words: elements 4 i .. 4 i + 3 of the stream.
template <class A>
struct DropoutEach {
  Mat<const A> x;
  Mat<A> y;
  float p, scale;
  RandomStream stream;
  uint64_t first;
  bool add;
  template <int N>
  __device__ void run(int64_t, int64_t i) const {
    const uint64_t number = first / 4 + static_cast<uint64_t>(i);
    const PhiloxBlock words = stream.block(number);
    const int64_t begin = static_cast<int64_t>(4 * number - first);  // of the elements; may be < 0
    const int64_t start = begin < 0 ? 0 : begin;
    int64_t n = start / y.cols, c = start - n * y.cols;
    for (int64_t at = start; at < begin + 4 && n < y.rows; ++at) {
      // As RandomStream::uniform has it.
      const float uniform = static_cast<float>(words[at - begin] >> 8) * 0x1p-24f;
      const float kept = uniform >= p ? float(x(n, c)) * scale : 0.0f;
      A& out = y(n, c);
      out = A(add ? float(out) + kept : kept);
      if (++c == y.cols) {
        c = 0;
        ++n;
      }
    }
  }
};

// As RandomStream::normal has it; the device's logarithm and cosine may differ in the last place.
template <class A>
struct NormalEach {
  Mat<A> x;
  RandomStream stream;
  float std;
  template <int N>
  __device__ void run(int64_t n, int64_t c) const {
    const uint64_t i = static_cast<uint64_t>(n * x.cols + c);
    const PhiloxBlock words = stream.block(i / 2);
    const uint32_t first = words[2 * (i % 2)], second = words[2 * (i % 2) + 1];
    const double radius = sqrt(-2.0 * log((first + 1.0) * 0x1p-32));
    const double angle = 2.0 * 3.14159265358979323846 * (second * 0x1p-32);
    x(n, c) = A(std * static_cast<float>(radius * cos(angle)));
  }
};

}  // namespace

void convert(const View& from, const View& to) {
  with_type(from.dtype, [&]<class From>(Type<From>) {
    with_type(to.dtype, [&]<class To>(Type<To>) {
      each(to.device, to.rows, to.cols, packs(to.cols, {from, to}),
           ConvertEach<From, To>{on_gpu<const From>(from), on_gpu<To>(to)});
    });
  });
}

void set_zero(const View& x) {
  if (x.contiguous()) return x.device->set_zero(x.data, x.bytes());
  with_type(x.dtype, [&]<class A>(Type<A>) {
    each(x.device, x.rows, x.cols, packs(x.cols, {x}), ZeroEach<A>{on_gpu<A>(x)});
  });
}

void scale(const Scale& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    each(a.x.device, a.x.rows, a.x.cols, packs(a.x.cols, {a.x}),
         FactorEach<A>{on_gpu<A>(a.x), a.factor});
  });
}

void residual(const Residual& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    each(a.y.device, a.y.rows, a.y.cols, packs(a.y.cols, {a.x, a.a, a.b, a.y}),
         ResidualEach<A>{on_gpu<const A>(a.x), on_gpu<const A>(a.a), on_gpu<const A>(a.b),
                         on_gpu<A>(a.y)});
  });
}

void affine_forward(const AffineForward& a) {
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    with_type(a.a ? a.a.dtype : a.y.dtype, [&]<class K>(Type<K>) {
      each(a.y.device, a.y.rows, a.y.cols, packs(a.y.cols, {a.y, a.scale, a.bias, a.about, a.a}),
           AffineEach<A, K>{on_gpu<A>(a.y), on_gpu<const float>(a.scale),
                            on_gpu<const float>(a.bias), on_gpu<const float>(a.about),
                            on_gpu<K>(a.a)});
    });
  });
}

void affine_backward(const AffineBackward& a) {
  // Both sums read dy as it came.
  if (a.dscale) add_products(a.d, a.a, a.dscale);
  if (a.dbias) add_scaled_columns(a.d, a.scale, a.dbias);
  with_type(a.d.dtype, [&]<class A>(Type<A>) {
    each(a.d.device, a.d.rows, a.d.cols, packs(a.d.cols, {a.d, a.scale}),
         ScaleEach<A>{on_gpu<A>(a.d), on_gpu<const float>(a.scale)});
  });
}

void dropout(const Dropout& a) {
  const int64_t elements = a.y.size();
  const int64_t blocks =
      static_cast<int64_t>((a.first + static_cast<uint64_t>(elements) - 1) / 4 - a.first / 4) + 1;
  with_type(a.y.dtype, [&]<class A>(Type<A>) {
    each(a.y.device, 1, blocks, false,
         DropoutEach<A>{on_gpu<const A>(a.x), on_gpu<A>(a.y), a.p,
                        static_cast<float>(1.0 / (1.0 - static_cast<double>(a.p))), a.stream,
                        a.first, a.add});
  });
}

void fill_normal(const NormalFill& a) {
  with_type(a.x.dtype, [&]<class A>(Type<A>) {
    each(a.x.device, a.x.rows, a.x.cols, false,
         NormalEach<A>{on_gpu<A>(a.x), a.stream, static_cast<float>(a.std)});
  });
}

void divide(const Divide& a) {
  FALCONER_CHECK(a.a.contiguous() && a.b.contiguous() && a.out.contiguous());
  each(a.out.device, 1, a.out.size(), false,
       DivideEach{on_gpu<const float>(a.a), on_gpu<const float>(a.b), on_gpu<float>(a.out), a.add});
}

}  // namespace falconer::FALCONER_GPU
