#include "ops/cpu/conv1d.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/conv1d.cc"
// These two come before all of Highway's.
// clang-format off
#include "ops/cpu/targets.h"
#include <hwy/foreach_target.h>
// clang-format on
#include <vector>

#include "ops/cpu/sigmoid-inl.h"

#ifndef FALCONER_OPS_CPU_CONV1D_TASK_
#define FALCONER_OPS_CPU_CONV1D_TASK_
namespace falconer::cpu {

/// Channels that go through a sequence together on the way back.
constexpr int64_t kConvChannels = 64;
/// Rows that threads take at least on the way back, of which K - 1 are made twice.
constexpr int64_t kConvRows = 32;

/// Row t of a span, which may be one of the K - 1 before it; null: zeros.
inline const std::byte* conv_row(const View& x, const View& tails, int64_t taps,
                                 const StateSpan& span, int64_t t) {
  if (t >= 0) return x.at(span.begin + t);
  return span.continues() ? tails.at(span.slot, (taps - 1 + t) * x.cols) : nullptr;
}

/// Rows [begin, end) of one span; `w` is (K,C).
struct ConvRows {
  const Conv1dForward& args;
  const StateSpan& span;
  const float* w;
  int64_t begin, end;
};

/// Rows [begin, end) of one span whose dx is wanted and nothing else; `w` is (K,C).
struct ConvBackRows {
  const Conv1dBackward& args;
  const StateSpan& span;
  const float* w;
  int64_t begin, end;
};

/// Channels [begin, end) of all spans; `w` is (K,C).
struct ConvChannels {
  const Conv1dBackward& args;
  const float* w;
  int64_t begin, end;
};

}  // namespace falconer::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace falconer::cpu::HWY_NAMESPACE {

/// b + the taps of a row at `at`; `w` is (K, stride). Rows that are zeros are null.
template <class A, class Access>
HWY_INLINE VecF convolved(const A* const* rows, const float* w, int64_t stride, const float* b,
                          int64_t taps, int64_t at, Access access) {
  VecF a = b != nullptr ? access(b, at) : hn::Zero(F32());
  for (int64_t k = 0; k < taps; ++k)
    if (rows[k] != nullptr) a = hn::MulAdd(access(w + k * stride, at), access(rows[k], at), a);
  return a;
}

void conv_forward_rows(const ConvRows& task) {
  const Conv1dForward& args = task.args;
  const int64_t taps = args.w.cols, channels = args.x.cols;
  const float* b = row_or_null<float>(args.b, 0);
  with_type(args.x.dtype, [&]<class A>(Type<A>) {
    std::vector<const A*> rows(static_cast<size_t>(taps));
    for (int64_t t = task.begin; t < task.end; ++t) {
      for (int64_t k = 0; k < taps; ++k)
        rows[static_cast<size_t>(k)] = reinterpret_cast<const A*>(
            conv_row(args.x, args.tails, taps, task.span, t - taps + 1 + k));
      A* const y = args.y.row<A>(task.span.begin + t);
      for_vectors(channels, [&](int64_t at, auto access) {
        const VecF a = convolved(rows.data(), task.w, channels, b, taps, at, access);
        access.put(hn::Mul(a, sigmoid(a)), y, at);
      });
    }
  });
}

/// e of what a row's taps gave, and dy there.
HWY_INLINE VecF conv_gradient(VecF a, VecF dy) {
  const VecF one = hn::Set(F32(), 1.0f), s = sigmoid(a);
  return hn::Mul(dy, hn::Mul(s, hn::MulAdd(a, hn::Sub(one, s), one)));
}

// Of each row e, and with it dx of the row K - 1 before: whole rows, as they lie. The K - 1 rows behind the task's are
// made once more by the next one's.
void conv_backward_rows(const ConvBackRows& task) {
  const Conv1dBackward& args = task.args;
  const int64_t taps = args.w.cols, channels = args.x.cols;
  const float* const b = row_or_null<float>(args.b, 0);
  std::vector<float> made(static_cast<size_t>(taps * channels));  // e of the last K rows
  const auto e_of = [&](int64_t t) { return made.data() + t % taps * channels; };
  with_type(args.x.dtype, [&]<class A>(Type<A>) {
    std::vector<const A*> rows(static_cast<size_t>(taps));
    for (int64_t t = task.begin; t < task.end + taps - 1; ++t) {
      const int64_t row = task.span.begin + t;
      if (t < task.span.count) {
        for (int64_t k = 0; k < taps; ++k)
          rows[static_cast<size_t>(k)] =
              t - taps + 1 + k < 0 ? nullptr : args.x.row<A>(row - taps + 1 + k);
        const A* const dy = args.dy.row<A>(row);
        float* const e = e_of(t);
        for_vectors(channels, [&](int64_t at, auto access) {
          const VecF a = convolved(rows.data(), task.w, channels, b, taps, at, access);
          access.put(conv_gradient(a, access(dy, at)), e, at);
        });
      }
      const int64_t wanted = t - taps + 1;
      if (wanted < task.begin) continue;
      A* const dx = args.dx.row<A>(task.span.begin + wanted);
      for_vectors(channels, [&](int64_t at, auto access) {
        VecF sum = hn::Zero(F32());
        for (int64_t k = 0; k < taps; ++k)
          if (const int64_t later = wanted + taps - 1 - k; later < task.span.count)
            sum = hn::MulAdd(access(task.w + k * channels, at), access(e_of(later), at), sum);
        access.put(sum, dx, at);
      });
    }
  });
}

/// What a block of channels keeps on the way back through a span: the last K rows of e, and its sums.
struct ConvBack {
  std::vector<float> e, dw;         // (K, block)
  std::vector<const float*> later;  // e of row t + K - 1 - k, or null
  alignas(64) float db[kConvChannels] = {};

  explicit ConvBack(int64_t taps)
      : e(static_cast<size_t>(taps * kConvChannels)),
        dw(static_cast<size_t>(taps * kConvChannels)),
        later(static_cast<size_t>(taps)) {}
};

/// Row t of a span: e, what it adds to the sums, and dx.
template <class A>
void conv_backward_row(const ConvChannels& task, const StateSpan& span, int64_t t,
                       const A* const* rows, ConvBack& back) {
  const Conv1dBackward& args = task.args;
  const int64_t taps = args.w.cols, channels = args.x.cols, row = span.begin + t;
  const float* const w = task.w + task.begin;
  const float* const b = args.b ? args.b.row<float>(0) + task.begin : nullptr;
  const A* const dy = args.dy.row<A>(row) + task.begin;
  A* const dx = args.dx ? args.dx.row<A>(row) + task.begin : nullptr;
  float* const mine = back.e.data() + t % taps * kConvChannels;
  const bool learns = args.dw || args.db;
  for (int64_t k = 0; k < taps; ++k) {
    const int64_t later = t + taps - 1 - k;
    back.later[static_cast<size_t>(k)] =
        later < span.count ? back.e.data() + later % taps * kConvChannels : nullptr;
  }
  for_vectors(task.end - task.begin, [&](int64_t at, auto access) {
    const VecF a = convolved(rows, w, channels, b, taps, at, access);
    const VecF e = conv_gradient(a, access(dy, at));
    access.put(e, mine, at);
    if (learns) access.put(hn::Add(access(back.db, at), e), back.db, at);
    VecF sum = hn::Zero(F32());
    for (int64_t k = 0; k < taps; ++k) {
      float* const dw = back.dw.data() + k * kConvChannels;
      if (learns && rows[k] != nullptr)
        access.put(hn::MulAdd(e, access(rows[k], at), access(dw, at)), dw, at);
      if (const float* const later = back.later[static_cast<size_t>(k)])
        sum = hn::MulAdd(access(w + k * channels, at), access(later, at), sum);
    }
    if (dx != nullptr) access.put(sum, dx, at);
  });
}

void conv_backward_channels(const ConvChannels& task) {
  const Conv1dBackward& args = task.args;
  const int64_t taps = args.w.cols;
  ConvBack back(taps);
  with_type(args.x.dtype, [&]<class A>(Type<A>) {
    std::vector<const A*> rows(static_cast<size_t>(taps));
    for (const StateSpan& span : args.spans)
      for (int64_t t = span.count - 1; t >= 0; --t) {
        for (int64_t k = 0; k < taps; ++k) {
          const int64_t from = t - taps + 1 + k;
          rows[static_cast<size_t>(k)] =
              from < 0 ? nullptr : args.x.row<A>(span.begin + from) + task.begin;
        }
        conv_backward_row<A>(task, span, t, rows.data(), back);
      }
  });
  for (int64_t c = task.begin; c < task.end; ++c) {
    if (args.db) args.db.row<float>(0)[c] += back.db[c - task.begin];
    if (!args.dw) continue;
    for (int64_t k = 0; k < taps; ++k)
      args.dw.row<float>(c)[k] += back.dw[static_cast<size_t>(k * kConvChannels + c - task.begin)];
  }
}

}  // namespace falconer::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cstring>

#include "base/threads.h"
#include "ops/cpu/elementwise.h"

namespace falconer::cpu {

HWY_EXPORT(conv_forward_rows);
HWY_EXPORT(conv_backward_rows);
HWY_EXPORT(conv_backward_channels);

namespace {

/// (C,K) as (K,C).
std::vector<float> turned_weights(const View& w) {
  std::vector<float> out(static_cast<size_t>(w.size()));
  for (int64_t c = 0; c < w.rows; ++c)
    for (int64_t k = 0; k < w.cols; ++k)
      out[static_cast<size_t>(k * w.rows + c)] = w.row<float>(c)[k];
  return out;
}

/// Calls work(span, begin, end) for rows of spans, in parallel.
template <class Work>
void for_span_rows(std::span<const StateSpan> spans, int64_t grain, Work&& work) {
  std::vector<int64_t> ends;  // of the spans, in rows of all of them
  for (const StateSpan& span : spans) ends.push_back((ends.empty() ? 0 : ends.back()) + span.count);
  parallel_for(ends.empty() ? 0 : ends.back(), grain, [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < ends.size(); ++i) {
      const int64_t first = ends[i] - spans[i].count;
      const int64_t from = std::max(begin, first) - first, to = std::min(end, ends[i]) - first;
      if (from < to) work(spans[i], from, to);
    }
  });
}

/// What stands behind the first `rows` rows of a span. Oldest first: what is written was read before.
void keep_tail(const Conv1dForward& args, const StateSpan& span, int64_t rows, int64_t slot) {
  const int64_t taps = args.w.cols;
  const size_t bytes = bytes_of(args.x.dtype, args.x.cols);
  for (int64_t j = 0; j < taps - 1; ++j) {
    std::byte* const to = args.tails.at(slot, j * args.x.cols);
    if (const auto* from = conv_row(args.x, args.tails, taps, span, rows - taps + 1 + j);
        from == nullptr)
      std::memset(to, 0, bytes);
    else
      std::memmove(to, from, bytes);
  }
}

}  // namespace

void conv1d_forward(const Conv1dForward& args) {
  const std::vector<float> w = turned_weights(args.w);
  for_span_rows(args.spans, grain_of(args.x.cols),
                [&](const StateSpan& span, int64_t begin, int64_t end) {
                  HWY_DYNAMIC_DISPATCH(conv_forward_rows)({args, span, w.data(), begin, end});
                });
  parallel_for(std::ssize(args.spans), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const StateSpan& span = args.spans[static_cast<size_t>(i)];
      if (span.copy_slot >= 0) keep_tail(args, span, span.copy_after, span.copy_slot);
      if (span.slot >= 0) keep_tail(args, span, span.count, span.slot);
    }
  });
}

// Sums over rows are a thread's own for each channel; where there are none, threads take rows.
void conv1d_backward(const Conv1dBackward& args) {
  const std::vector<float> w = turned_weights(args.w);
  if (!args.dw && !args.db && args.dx)
    return for_span_rows(args.spans, kConvRows,
                         [&](const StateSpan& span, int64_t begin, int64_t end) {
                           HWY_DYNAMIC_DISPATCH(conv_backward_rows)
                           ({args, span, w.data(), begin, end});
                         });
  const int64_t blocks = (args.x.cols + kConvChannels - 1) / kConvChannels;
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * kConvChannels;
      const ConvChannels task{args, w.data(), first, std::min(first + kConvChannels, args.x.cols)};
      HWY_DYNAMIC_DISPATCH(conv_backward_channels)(task);
    }
  });
}

}  // namespace falconer::cpu
#endif  // HWY_ONCE
