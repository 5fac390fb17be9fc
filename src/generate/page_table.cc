#include "generate/page_table.h"

#include <algorithm>

#include "base/error.h"

namespace falconer {

PageTable::PageTable(int64_t pages, int64_t states)
    : holders_(static_cast<size_t>(pages)),
      node_of_(static_cast<size_t>(pages)),
      node_of_state_(static_cast<size_t>(states)) {
  for (int64_t state = states; state-- > 0;) free_states_.push_back(static_cast<int32_t>(state));
  for (int64_t page = pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

PageTable::~PageTable() = default;

PageTable::Ids PageTable::ids_of(std::span<const int32_t> ids, size_t page) {
  Ids own;
  std::copy_n(ids.begin() + static_cast<int64_t>(page) * kPageRows, kPageRows, own.begin());
  return own;
}

std::optional<int32_t> PageTable::take() {
  if (free_.empty()) {
    if (idle_.empty()) return {};
    // Whoever holds a page holds those before it, and they were used later: this one has none behind it.
    Node* const node = node_of_[static_cast<size_t>(idle_.begin()->second)];
    FALCONER_CHECK(node->after.empty());
    if (node->state >= 0) release_state(node->state);
    node->parent->after.erase(Ids(node->ids));
    const int32_t page = idle_.begin()->second;
    idle_.erase(idle_.begin());
    node_of_[static_cast<size_t>(page)] = nullptr;
    --kept_;
    free_.push_back(page);
  }
  const int32_t page = free_.back();
  free_.pop_back();
  holders_[static_cast<size_t>(page)] = 1;
  return page;
}

void PageTable::add_holder(int32_t page) {
  if (holders_[static_cast<size_t>(page)]++ > 0) return;
  idle_.erase({node_of_[static_cast<size_t>(page)]->used, page});
}

void PageTable::release(int32_t page) {
  FALCONER_CHECK(holders_[static_cast<size_t>(page)] > 0);
  if (--holders_[static_cast<size_t>(page)] > 0) return;
  if (const Node* node = node_of_[static_cast<size_t>(page)])
    idle_.emplace(node->used, page);
  else
    free_.push_back(page);
}

// A page is used later than those behind it, so that the one used longest ago is always a last one.
void PageTable::touch(Node* last) {
  for (Node* node = last; node->parent != nullptr; node = node->parent) {
    const bool idle = holders_[static_cast<size_t>(node->page)] == 0;
    if (idle) idle_.erase({node->used, node->page});
    node->used = ++clock_;
    if (idle) idle_.emplace(node->used, node->page);
  }
}

std::vector<PageTable::Node*> PageTable::nodes_of(const std::string& key,
                                                  std::span<const int32_t> ids, int64_t most) {
  std::vector<Node*> nodes;
  const auto root = roots_.find(key);
  if (root == roots_.end()) return nodes;
  Node* node = &root->second;
  most = std::min(most, std::ssize(ids) / kPageRows);
  while (std::ssize(nodes) < most) {
    const auto next = node->after.find(ids_of(ids, nodes.size()));
    if (next == node->after.end()) break;
    node = next->second.get();
    nodes.push_back(node);
  }
  return nodes;
}

PageTable::Beginning PageTable::find(const std::string& key, std::span<const int32_t> ids,
                                     int64_t most) {
  std::vector<Node*> nodes = nodes_of(key, ids, most);
  Beginning found{.pages = {}, .known = std::ssize(nodes)};
  if (!node_of_state_.empty())
    while (!nodes.empty() && nodes.back()->state < 0) nodes.pop_back();
  if (nodes.empty()) return found;
  found.state = nodes.back()->state;
  touch(nodes.back());
  for (const Node* node : nodes) {
    found.pages.push_back(node->page);
    add_holder(node->page);
  }
  return found;
}

std::optional<int32_t> PageTable::take_state() {
  if (free_states_.empty()) {
    Node* oldest = nullptr;
    for (Node* const node : node_of_state_)
      if (node != nullptr && (oldest == nullptr || node->used < oldest->used)) oldest = node;
    if (oldest == nullptr) return {};
    release_state(oldest->state);
  }
  const int32_t state = free_states_.back();
  free_states_.pop_back();
  return state;
}

void PageTable::release_state(int32_t state) {
  Node*& node = node_of_state_[static_cast<size_t>(state)];
  if (node != nullptr) node->state = -1;
  node = nullptr;
  free_states_.push_back(state);
}

void PageTable::keep_state(const std::string& key, std::span<const int32_t> ids, int64_t count,
                           int32_t state) {
  const std::vector<Node*> nodes = nodes_of(key, ids, count);
  if (nodes.empty() || std::ssize(nodes) < count || nodes.back()->state >= 0)
    return release_state(state);
  Node* const node = nodes.back();
  node->state = state;
  node_of_state_[static_cast<size_t>(state)] = node;
}

void PageTable::keep(const std::string& key, std::span<const int32_t> ids,
                     std::span<const int32_t> pages) {
  FALCONER_CHECK(std::ssize(pages) * kPageRows <= std::ssize(ids));
  Node* node = &roots_[key];
  for (size_t i = 0; i < pages.size(); ++i) {
    const auto [at, added] = node->after.try_emplace(ids_of(ids, i));
    if (added) {
      FALCONER_CHECK(node_of_[static_cast<size_t>(pages[i])] == nullptr);
      at->second = std::make_unique<Node>();
      *at->second = {.parent = node, .ids = at->first, .page = pages[i]};
      node_of_[static_cast<size_t>(pages[i])] = at->second.get();
      ++kept_;
    }
    node = at->second.get();
    // Another's page with the same: what follows is kept behind pages that its holder has.
    if (node->page != pages[i]) break;
  }
  touch(node);
}

void PageTable::forget(Node& node) {
  for (auto& [_, next] : node.after) forget(*next);
  node.after.clear();
  if (node.parent == nullptr) return;
  if (node.state >= 0) release_state(node.state);
  const auto page = static_cast<size_t>(node.page);
  node_of_[page] = nullptr;
  --kept_;
  if (holders_[page] > 0) return;
  idle_.erase({node.used, node.page});
  free_.push_back(node.page);
}

void PageTable::forget(const std::string& beginning) {
  for (auto at = roots_.lower_bound(beginning);
       at != roots_.end() && at->first.starts_with(beginning);) {
    forget(at->second);
    at = roots_.erase(at);
  }
}

}  // namespace falconer
