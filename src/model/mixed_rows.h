// Rows of several adapters in one pass: the base's products are made once for all, and what is an adapter's own is
// computed for its rows.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "model/decoder.h"

namespace falconer {

/// What one adapter puts into a decoder.
struct AdapterParts {
  std::vector<const LinearHook*> sites;      // in the order of Decoder::sites(); null: none there
  std::vector<const AttentionHook*> blocks;  // by layer
  std::map<const Param*, View> norms;        // of norms, in the place of their own values
  bool scales = false;                       // RowsOfAdapter::scale may be other than 1
  // Of `blocks`, once they were computed; only passes touch them.
  mutable std::vector<PrefixCache> prefixes;
};

/// Tokens begin .. begin+count-1 of a pass, of which the rows wanted_begin .. are wanted, counted among all wanted ones.
struct RowsOfAdapter {
  const AdapterParts* parts = nullptr;
  int64_t begin = 0, count = 0, wanted_begin = 0, wanted_count = 0;
  float scale = 1;  // of what a LoRA adds
};

/// All rows of a pass, in order, without gaps.
struct MixedRows {
  std::vector<RowsOfAdapter> all;
  int64_t tokens = 0;
  const RowsOfAdapter* only = nullptr;  // whatever the rows are, they are of this one
  /// Calls use(parts of rows, first row, count) for each adapter's share of a tensor of `rows` rows: of all tokens, or
  /// of the wanted ones.
  template <class Use>
  void for_each(int64_t rows, const Use& use) const {
    if (only != nullptr) return use(*only, int64_t{0}, rows);
    for (const RowsOfAdapter& of : all) {
      const int64_t count = rows == tokens ? of.count : of.wanted_count;
      if (count > 0) use(of, rows == tokens ? of.begin : of.wanted_begin, count);
    }
  }
};

/// While it lives, a run's rows are these; after that, also after an error, nobody's.
class RunOfRows {
 public:
  RunOfRows(Run& run, const MixedRows& mixed, bool as_many) : run_(run) {
    run.mixed = &mixed;
    run.as_many = as_many;
  }
  RunOfRows(const RunOfRows&) = delete;
  RunOfRows& operator=(const RunOfRows&) = delete;
  ~RunOfRows() {
    run_.mixed = nullptr;
    run_.as_many = false;
    run_.adapter_scale = 1;
  }

 private:
  Run& run_;
};

/// Hooks for every site and layer of a decoder that hand rows to the hooks of those whose they are (Run::mixed).
class RowRoutes {
 public:
  explicit RowRoutes(Decoder& decoder);
  ~RowRoutes();
  const std::vector<const LinearHook*>& sites() const { return site_hooks_; }
  const std::vector<const AttentionHook*>& blocks() const { return block_hooks_; }

 private:
  class SiteRoute;
  class AttentionRoute;
  std::vector<std::unique_ptr<SiteRoute>> sites_;
  std::vector<std::unique_ptr<AttentionRoute>> blocks_;
  std::vector<const LinearHook*> site_hooks_;
  std::vector<const AttentionHook*> block_hooks_;
};

}  // namespace falconer
