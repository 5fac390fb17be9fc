#include <cmath>

#include "base/threads.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/small_product.h"
#include "ops/cpu/tiles.h"

namespace falconer::cpu {
namespace {

/// Token rows of a tile, whatever the heads of a group.
constexpr int64_t kTileRows = 8;
/// Rows that are apart, and few, which may be ends of sequences that are decoded together: a tile for each, so that
/// none depends on the others.
int64_t forward_rows(const PrefixAttentionForward& a) {
  return a.apart || a.out.rows <= kSmallRows ? 1 : kTileRows;
}
/// Gradients of the prompt are summed in so many parts, whatever the threads.
constexpr int64_t kParts = 8;

/// Probabilities of a tile over the prompt's slots, with what they were made from.
struct PrefixTile {
  HeadRange queries;
  std::vector<float> q, p;    // scale q; softmax(scale q k')
  std::vector<float> slopes;  // of the scores by what they were before the cap; none without one

  ScoreTile scores(int64_t slots) { return {p.data(), queries.rows, queries.heads, slots, slots}; }
};

/// Scores s become cap tanh(s / cap).
void bound_scores(PrefixTile& tile, float cap) {
  tile.slopes.resize(tile.p.size());
  for (size_t i = 0; i < tile.p.size(); ++i) {
    const float bounded = std::tanh(tile.p[i] / cap);
    tile.p[i] = cap * bounded;
    tile.slopes[i] = 1 - bounded * bounded;
  }
}

PrefixTile probabilities(const Heads& q, const FloatHeads& keys, int64_t slots, float scale,
                         float cap, int64_t group, int64_t row, int64_t rows) {
  PrefixTile tile{{row, rows, group * q.per_group, q.per_group}, {}, {}, {}};
  const int64_t lines = tile.queries.lines();
  tile.q.resize(static_cast<size_t>(lines * q.size));
  tile.p.resize(static_cast<size_t>(lines * slots));
  gather_heads(q, tile.queries, scale, tile.q.data());
  Tile k = keys.group(group, 0);
  k.transposed = true;
  tile_product(lines, slots, q.size, 1, {tile.q.data(), q.size}, k, 0, tile.p.data(), slots);
  if (cap > 0) bound_scores(tile, cap);
  softmax(tile.scores(slots), nullptr);
  return tile;
}

/// The gate of every line of a tile.
std::vector<float> line_gates(const View& gate, const HeadRange& queries) {
  std::vector<float> gates(static_cast<size_t>(queries.lines()));
  const float* first = gate.row<float>(0) + queries.head;
  for (size_t i = 0; i < gates.size(); ++i)
    gates[i] = first[i % static_cast<size_t>(queries.heads)];
  return gates;
}

Heads plain_heads(const View& rows, const Heads& like, int64_t size) {
  return {rows, like.groups, like.per_group, like.per_group * size, size};
}

/// Sums of one part: dk (P,D), dv (P,D), dgate (heads of the group).
struct PartSums {
  float *dk, *dv, *dgate;
};

void backward_tile(const PrefixAttentionBackward& a, const FloatHeads& keys,
                   const FloatHeads& values, int64_t group, int64_t row, int64_t rows,
                   PartSums sums) {
  const int64_t size = a.q.size, slots = a.k.rows.rows;
  PrefixTile tile = probabilities(a.q, keys, slots, a.scale, a.cap, group, row, rows);
  const int64_t lines = tile.queries.lines();
  std::vector<float> dout(static_cast<size_t>(lines * size)),
      ds(static_cast<size_t>(lines * slots)), c(static_cast<size_t>(lines)), dq(dout.size());
  gather_heads(plain_heads(a.dout, a.q, size), tile.queries, 1, dout.data());
  Tile v = values.group(group, 0);
  v.transposed = true;
  tile_product(lines, slots, size, 1, {dout.data(), size}, v, 0, ds.data(), slots);
  dot_lines(tile.p.data(), ds.data(), lines, slots, c.data());
  softmax_gradient(tile.scores(slots), c.data(), ds.data());
  for (size_t i = 0; i < tile.slopes.size(); ++i) ds[i] *= tile.slopes[i];
  const std::vector<float> gates = line_gates(a.gate, tile.queries);
  scale_lines(ds.data(), lines, slots, gates.data());
  scale_lines(tile.p.data(), lines, slots, gates.data());
  tile_product(slots, size, lines, 1, {tile.p.data(), slots, true}, {dout.data(), size}, 1, sums.dv,
               size);
  tile_product(slots, size, lines, 1, {ds.data(), slots, true}, {tile.q.data(), size}, 1, sums.dk,
               size);
  tile_product(lines, size, slots, a.scale, {ds.data(), slots}, keys.group(group, 0), 0, dq.data(),
               size);
  scatter_heads(dq.data(), tile.queries, a.dq, false);
  for (int64_t line = 0; line < lines; ++line) {
    const int64_t head = line % a.q.per_group;
    sums.dgate[head] += c[line];
    a.delta.row<float>(row + line / a.q.per_group)[group * a.q.per_group + head] -=
        gates[line] * c[line];
  }
}

}  // namespace

void prefix_attention_forward(const PrefixAttentionForward& args) {
  const FloatHeads keys(args.k), values(args.v);
  const int64_t size = args.q.size, slots = args.k.rows.rows;
  const int64_t per_tile = forward_rows(args);
  const int64_t tiles = (args.out.rows + per_tile - 1) / per_tile;
  parallel_for(tiles * args.q.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / args.q.groups * per_tile, group = i % args.q.groups;
      PrefixTile tile = probabilities(args.q, keys, slots, args.scale, args.cap, group, row,
                                      std::min(per_tile, args.out.rows - row));
      const int64_t lines = tile.queries.lines();
      const std::vector<float> gates = line_gates(args.gate, tile.queries);
      scale_lines(tile.p.data(), lines, slots, gates.data());
      std::vector<float> out(static_cast<size_t>(lines * size));
      tile_product(lines, size, slots, 1, {tile.p.data(), slots}, values.group(group, 0), 0,
                   out.data(), size);
      scatter_heads(out.data(), tile.queries, plain_heads(args.out, args.q, size), true);
    }
  });
}

void prefix_attention_backward(const PrefixAttentionBackward& args) {
  const FloatHeads keys(args.k), values(args.v);
  const int64_t size = args.q.size, slots = args.k.rows.rows, heads = args.q.per_group;
  const int64_t tiles = (args.dout.rows + kTileRows - 1) / kTileRows;
  const int64_t half = slots * size, step = 2 * half + heads;
  std::vector<float> sums(static_cast<size_t>(args.q.groups * kParts * step), 0);
  parallel_for(args.q.groups * kParts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      float* part = sums.data() + unit * step;
      for (int64_t tile = unit % kParts; tile < tiles; tile += kParts)
        backward_tile(args, keys, values, unit / kParts, tile * kTileRows,
                      std::min(kTileRows, args.dout.rows - tile * kTileRows),
                      {part, part + half, part + 2 * half});
    }
  });
  for (int64_t group = 0; group < args.q.groups; ++group) {
    float* whole = sums.data() + group * kParts * step;
    for (int64_t part = 1; part < kParts; ++part)
      for (int64_t i = 0; i < step; ++i) whole[i] += whole[part * step + i];
    const HeadRange range{0, slots, group, 1};
    scatter_heads(whole, range, args.dk, false);
    scatter_heads(whole + half, range, args.dv, false);
    if (!args.dgate) continue;
    for (int64_t head = 0; head < heads; ++head)
      args.dgate.row<float>(0)[group * heads + head] += whole[2 * half + head];
  }
}

}  // namespace falconer::cpu
