// Whose the pages of a cache are: sequences', shared where they begin alike, or nobody's; and what is kept of
// beginnings that nobody has any more, until a page is needed. Of models whose mixers carry a state, also whose the
// states are: a beginning can be shared up to where a state of it was kept.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ops/attention.h"

namespace falconer {

class PageTable {
 public:
  /// `states`: 0 where keys and values are all that there is.
  explicit PageTable(int64_t pages, int64_t states = 0);
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;
  ~PageTable();

  /// A page for one holder. Where none is free, the kept one that was used longest ago is forgotten; nothing where all
  /// have holders.
  std::optional<int32_t> take();
  /// One holder less.
  void release(int32_t page);
  /// What find() found.
  struct Beginning {
    std::vector<int32_t> pages;
    int32_t state =
        -1;  // that stands behind these pages; stays the table's, until the next take_state()
    int64_t known = 0;  // pages of `ids` that are kept, those without a state behind them included
  };
  /// The pages that hold the first whole pages of `ids`, at most `most`, as they were kept under `key`: their caller is
  /// one more holder of each.
  Beginning find(const std::string& key, std::span<const int32_t> ids, int64_t most);
  /// Remembers that `pages` hold the first pages.size() whole pages of `ids`. What is known already stays.
  void keep(const std::string& key, std::span<const int32_t> ids, std::span<const int32_t> pages);
  /// A state for one holder. Where none is free, the kept one that was used longest ago is forgotten; nothing where there
  /// is none.
  std::optional<int32_t> take_state();
  void release_state(int32_t state);
  /// `state`, of which the caller lets go, stands behind the first `count` whole pages of `ids`. It is kept where these
  /// are, and where none of them is known yet.
  void keep_state(const std::string& key, std::span<const int32_t> ids, int64_t count,
                  int32_t state);
  /// Forgets what was kept under keys that begin so.
  void forget(const std::string& beginning);

  int64_t pages() const { return static_cast<int64_t>(holders_.size()); }
  /// Pages that take() can give.
  int64_t available() const { return std::ssize(free_) + std::ssize(idle_); }
  int64_t kept() const { return kept_; }

 private:
  using Ids = std::array<int32_t, kPageRows>;
  struct Node {
    Node* parent = nullptr;
    Ids ids{};
    int32_t page = -1;
    int32_t state = -1;
    uint64_t used = 0;  // later than of all that follow it
    std::map<Ids, std::unique_ptr<Node>> after;
  };
  static Ids ids_of(std::span<const int32_t> ids, size_t page);
  void touch(Node* last);
  void add_holder(int32_t page);
  void forget(Node& node);
  /// Of the first whole pages of `ids`, at most `most`, as far as they are kept.
  std::vector<Node*> nodes_of(const std::string& key, std::span<const int32_t> ids, int64_t most);

  std::vector<int32_t> holders_, free_;
  std::vector<Node*> node_of_;  // of pages that are kept; null
  std::set<std::pair<uint64_t, int32_t>>
      idle_;  // kept pages without a holder, by when they were used
  std::vector<int32_t> free_states_;
  std::vector<Node*> node_of_state_;  // of states that are kept; null
  std::map<std::string, Node> roots_;
  uint64_t clock_ = 0;
  int64_t kept_ = 0;
};

}  // namespace falconer
