#include "model/mixed_rows.h"

namespace falconer {
namespace {

Heads rows_of(const Heads& heads, int64_t begin, int64_t count) {
  Heads some = heads;
  some.rows = heads.rows.row_range(begin, count);
  return some;
}

}  // namespace

class RowRoutes::SiteRoute : public LinearHook {
 public:
  explicit SiteRoute(size_t number) : number_(number) {}
  bool trainable() const override { return false; }
  bool needs_x() const override { return false; }
  bool edits_dy() const override { return false; }

  void forward(Run& run, const View& x, const View& y, HookKept&) const override {
    FALCONER_CHECK(run.mixed != nullptr);
    const float scale_before = run.adapter_scale;
    run.mixed->for_each(x.rows, [&](const RowsOfAdapter& of, int64_t begin, int64_t count) {
      const LinearHook* hook = of.parts->sites[number_];
      if (hook == nullptr) return;
      const ArenaScope scope(*run.scratch);
      HookKept kept;
      run.adapter_scale = of.scale;
      hook->forward(run, x.row_range(begin, count), y.row_range(begin, count), kept);
    });
    run.adapter_scale = scale_before;
  }
  void backward_out(Run&, const View&, HookKept&) const override { FALCONER_CHECK(false); }
  void backward_in(Run&, const View&, HookKept&) const override { FALCONER_CHECK(false); }

 private:
  size_t number_;
};

class RowRoutes::AttentionRoute : public AttentionHook {
 public:
  explicit AttentionRoute(size_t layer) : layer_(layer) {}
  bool trainable() const override { return false; }

  void forward(Run& run, const QkvProjection& qkv, const Heads& q, const View& out, PrefixKept&,
               PrefixCache*) const override {
    FALCONER_CHECK(run.mixed != nullptr);
    const MixedRows* const mixed = run.mixed;
    const bool as_many = run.as_many;
    mixed->for_each(out.rows, [&](const RowsOfAdapter& of, int64_t begin, int64_t count) {
      const AttentionHook* hook = of.parts->blocks[layer_];
      if (hook == nullptr) return;
      const ArenaScope scope(*run.scratch);
      // What it computes of its own are this adapter's rows, and the same whatever the pass is.
      MixedRows own;
      own.only = &of;
      run.mixed = &own;
      run.as_many = true;
      of.parts->prefixes.resize(of.parts->blocks.size());
      PrefixKept kept;
      hook->forward(run, qkv, rows_of(q, begin, count), out.row_range(begin, count), kept,
                    &of.parts->prefixes[layer_]);
      run.mixed = mixed;
      run.as_many = as_many;
    });
  }
  void backward(Run&, const QkvProjection&, const Heads&, const View&, const View&, const Heads&,
                PrefixKept&) const override {
    FALCONER_CHECK(false);
  }

 private:
  size_t layer_;
};

RowRoutes::RowRoutes(Decoder& decoder) {
  for (size_t i = 0; i < decoder.sites().size(); ++i)
    site_hooks_.push_back(sites_.emplace_back(std::make_unique<SiteRoute>(i)).get());
  for (size_t i = 0; i < decoder.blocks().size(); ++i)
    block_hooks_.push_back(blocks_.emplace_back(std::make_unique<AttentionRoute>(i)).get());
}

RowRoutes::~RowRoutes() = default;

}  // namespace falconer
