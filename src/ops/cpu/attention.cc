#include "ops/cpu/attention.h"

#include <bit>

#include "base/threads.h"
#include "ops/cpu/decode_attention.h"
#include "ops/cpu/tiles.h"
#include "ops/scalar/attention.h"

namespace falconer::cpu {
namespace {

/// Lines (query, head) of a tile. The scores of a tile are that many times the keys seen.
constexpr int64_t kTileLines = 128;
/// Queries of a forward tile: a part of a page, so that parts of a prompt that begin at one have the tiles that the
/// whole has, and so its very numbers.
int64_t forward_queries(int64_t per_group) {
  const auto most = std::clamp<int64_t>(kTileLines / per_group, 1, kPageRows);
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(most)));
}
/// The gradients of keys and values of a sequence are summed in so many parts, whatever the
/// threads.
constexpr int64_t kParts = 8;

/// Queries first .. first+count-1 of a span, all heads of a group.
struct QueryTile {
  const AttentionSpan* span;
  int64_t group, first, count, heads, window;

  HeadRange queries() const { return {span->q_begin + first, count, group * heads, heads}; }
  int64_t lines() const { return count * heads; }
  /// Keys that one of them sees are those from first_key() on, keys() of them; the first of them sees
  /// seen().
  int64_t first_key() const { return seen_keys(*span, first, window).first; }
  int64_t seen() const { return seen_keys(*span, first, window).end - first_key(); }
  int64_t keys() const { return seen() + count - 1; }
};

int64_t tile_count(const AttentionSpan& span, int64_t per_tile) {
  return (span.q_count + per_tile - 1) / per_tile;
}

/// Early tiles see few keys and late ones many: paired, every share of the list costs the same.
int64_t paired(int64_t i, int64_t count) { return i % 2 == 0 ? i / 2 : count - 1 - i / 2; }

/// Per thread, kept from call to call.
struct Work {
  std::vector<float> q, s, slopes, out, dout, dp, bias, lse, delta;
  static Work& mine() {
    thread_local Work work;
    return work;
  }
};

float* room(std::vector<float>& store, int64_t size) {
  if (static_cast<int64_t>(store.size()) < size) store.resize(static_cast<size_t>(size));
  return store.data();
}

/// A view (N,H*D) or (N,H) as heads of `size` without gaps.
Heads plain_heads(const View& rows, const Heads& like, int64_t size) {
  return {rows, like.groups, like.per_group, like.per_group * size, size};
}

/// What all tiles of a call share.
struct Scoring {
  const Heads& q;
  const View& alibi;
  float scale, cap;
  int64_t first_row;  // where the span's first key lies in what keys are read from
};

/// scale (q k' + alibi) of a tile, capped; work.slopes with it where they are wanted.
ScoreTile scores(const QueryTile& tile, const Scoring& of, const FloatHeads& keys, bool slopes,
                 Work& work) {
  const Heads& q = of.q;
  const ScoreTile score{room(work.s, tile.lines() * tile.keys()),
                        tile.count,
                        tile.heads,
                        tile.keys(),
                        tile.seen(),
                        tile.window};
  float* queries = room(work.q, tile.lines() * q.size);
  gather_heads(q, tile.queries(), of.scale, queries);
  const int64_t first_key = tile.first_key();
  Tile k = keys.group(tile.group, of.first_row + first_key);
  k.transposed = true;
  tile_product(tile.lines(), score.cols, q.size, 1, {queries, q.size}, k, 0, score.s, score.cols);
  if (of.alibi) {
    float* bias = room(work.bias, tile.heads * score.cols);
    for (int64_t h = 0; h < tile.heads; ++h)
      for (int64_t j = 0; j < score.cols; ++j)
        bias[h * score.cols + j] =
            of.scale *
            scalar::alibi_bias(of.alibi.row<float>(0)[tile.group * tile.heads + h], first_key + j);
    add_bias(score, bias);
  }
  if (of.cap > 0)
    cap_scores(score, of.cap, slopes ? room(work.slopes, tile.lines() * score.cols) : nullptr);
  return score;
}

void forward_tile(const AttentionForward& a, const QueryTile& tile, const FloatHeads& keys,
                  const FloatHeads& values) {
  Work& work = Work::mine();
  const int64_t size = a.q.size;
  const ScoreTile score = scores(tile, {a.q, a.alibi, a.scale, a.cap, 0}, keys, false, work);
  float* lse = room(work.lse, tile.lines());
  softmax(score, lse);
  float* out = room(work.out, tile.lines() * size);
  tile_product(tile.lines(), size, score.cols, 1, {score.s, score.cols},
               values.group(tile.group, tile.first_key()), 0, out, size);
  scatter_heads(out, tile.queries(), plain_heads(a.out, a.q, size), false);
  if (a.lse) scatter_heads(lse, tile.queries(), plain_heads(a.lse, a.q, 1), false);
}

/// Adds to dk and dv (keys, D) of the tile's sequence and group.
void backward_tile(const AttentionBackward& a, const QueryTile& tile, const FloatHeads& keys,
                   const FloatHeads& values, float* dk, float* dv) {
  Work& work = Work::mine();
  const int64_t size = a.q.size, lines = tile.lines();
  const HeadRange queries = tile.queries();
  const ScoreTile p =
      scores(tile, {a.q, a.alibi, a.scale, a.cap, tile.span->kv_begin}, keys, true, work);
  float* lse = room(work.lse, lines);
  float* delta = room(work.delta, lines);
  float* dout = room(work.dout, lines * size);
  gather_heads(plain_heads(a.lse, a.q, 1), queries, 1, lse);
  gather_heads(plain_heads(a.delta, a.q, 1), queries, 1, delta);
  gather_heads(plain_heads(a.dout, a.q, size), queries, 1, dout);
  exp_minus(p, lse);
  float* ds = room(work.dp, lines * p.cols);
  const int64_t first_key = tile.span->kv_begin + tile.first_key();
  Tile v = values.group(tile.group, first_key);
  v.transposed = true;
  tile_product(lines, p.cols, size, 1, {dout, size}, v, 0, ds, p.cols);
  softmax_gradient(p, delta, ds, a.cap > 0 ? work.slopes.data() : nullptr);
  dk += tile.first_key() * size;
  dv += tile.first_key() * size;
  tile_product(p.cols, size, lines, 1, {p.s, p.cols, true}, {dout, size}, 1, dv, size);
  // work.q still holds scale q, and dk = scale ds' q.
  tile_product(p.cols, size, lines, 1, {ds, p.cols, true}, {work.q.data(), size}, 1, dk, size);
  float* dq = room(work.out, lines * size);
  tile_product(lines, size, p.cols, a.scale, {ds, p.cols}, keys.group(tile.group, first_key), 0, dq,
               size);
  scatter_heads(dq, queries, a.dq, a.add_dq);
}

}  // namespace

void attention_forward(const AttentionForward& args) {
  if (!args.as_many) decode_attention(args);
  const int64_t per_tile = forward_queries(args.q.per_group);
  for (const AttentionSpan& span : args.spans) {
    if (span.q_count < (args.as_many ? 1 : 2)) continue;
    // What a cache holds beyond is not converted.
    const SpanKeys seen{span, args.pages, seen_keys(span, 0, args.window).first};
    const FloatHeads keys(args.k, seen), values(args.v, seen);
    const int64_t tiles = tile_count(span, per_tile);
    parallel_for(tiles * args.q.groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = paired(i, tiles * args.q.groups) / args.q.groups * per_tile;
        const int64_t group = paired(i, tiles * args.q.groups) % args.q.groups;
        forward_tile(args,
                     {&span, group, first, std::min(per_tile, span.q_count - first),
                      args.q.per_group, args.window},
                     keys, values);
      }
    });
  }
}

void attention_delta(const AttentionDelta& args) {
  const int64_t size = args.out.cols / args.heads;
  const Heads out{args.out, 1, args.heads, 0, size}, dout{args.dout, 1, args.heads, 0, size};
  parallel_for(args.out.rows, 4, [&](int64_t begin, int64_t end) {
    Work& work = Work::mine();
    float* a = room(work.out, args.out.cols);
    float* b = room(work.dout, args.out.cols);
    for (int64_t t = begin; t < end; ++t) {
      gather_heads(out, {t, 1, 0, args.heads}, 1, a);
      gather_heads(dout, {t, 1, 0, args.heads}, 1, b);
      dot_lines(a, b, args.heads, size, args.delta.row<float>(t));
    }
  });
}

void attention_backward(const AttentionBackward& args) {
  const FloatHeads keys(args.k), values(args.v);
  const int64_t size = args.q.size, groups = args.q.groups;
  const int64_t per_tile = std::max<int64_t>(1, kTileLines / args.q.per_group);
  std::vector<float> sums;
  for (const AttentionSpan& span : args.spans) {
    const int64_t tiles = tile_count(span, per_tile);
    const int64_t parts = std::clamp<int64_t>(kParts / groups, 1, tiles);
    const int64_t half = span.kv_count * size;  // dk, then dv
    sums.assign(static_cast<size_t>(groups * parts * 2 * half), 0);
    parallel_for(groups * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit)
        for (int64_t tile = unit % parts; tile < tiles; tile += parts) {
          const int64_t first = tile * per_tile;
          float* dk = sums.data() + unit * 2 * half;
          backward_tile(args,
                        {&span, unit / parts, first, std::min(per_tile, span.q_count - first),
                         args.q.per_group, args.window},
                        keys, values, dk, dk + half);
        }
    });
    parallel_for(groups * span.kv_count, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / span.kv_count, key = i % span.kv_count;
        float* whole = sums.data() + group * parts * 2 * half + key * size;
        for (int64_t part = 1; part < parts; ++part)
          for (int64_t d = 0; d < size; ++d) {
            whole[d] += whole[part * 2 * half + d];
            whole[half + d] += whole[part * 2 * half + half + d];
          }
        const HeadRange range{span.kv_begin + key, 1, group, 1};
        scatter_heads(whole, range, args.dk, false);
        scatter_heads(whole + half, range, args.dv, false);
      }
    });
  }
}

}  // namespace falconer::cpu
