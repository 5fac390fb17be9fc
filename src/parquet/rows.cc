#include "parquet/rows.h"

#include <cstring>
#include <memory>
#include <set>

#include "base/file.h"
#include "base/json_text.h"
#include "parquet/cell.h"
#include "parquet/column.h"
#include "parquet/damage.h"
#include "parquet/metadata.h"
#include "parquet/schema.h"

namespace falconer::parquet {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kLongestRowBytes = size_t{256} << 20;
constexpr size_t kBytesOfCell = 32;  // of memory, beside what it holds
constexpr std::string_view kMagic = "PAR1", kEncryptedMagic = "PARE";

/// Puts the values of columns together into rows, by their levels: what Dremel's paper calls assembly.
class RowAssembler {
 public:
  RowAssembler(const Schema& schema, const ReadOptions& options)
      : schema_(schema), options_(options) {}

  void begin(std::span<const std::byte> file, const RowGroup& group) {
    columns_.clear();
    for (at_ = 0; at_ < schema_.leaves.size(); ++at_)
      columns_.push_back(
          std::make_unique<ColumnReader>(file, schema_.leaves[at_], group.columns[at_], memory_));
  }

  /// The next row. `wrong` says what is wrong with it, where something is.
  ordered_json row(std::string& wrong) {
    wrong_.clear();
    row_bytes_ = 0;
    ordered_json made = members(schema_.root, {}, true);
    wrong = wrong_;
    return made;
  }

  void end() {
    for (at_ = 0; at_ < columns_.size(); ++at_)
      if (!columns_[at_]->ended()) fail_damaged("has more values than its row group has rows");
    columns_.clear();
  }

  /// Which column was read last, for errors.
  const Leaf* column() const {
    return at_ < schema_.leaves.size() ? &schema_.leaves[at_] : nullptr;
  }

 private:
  /// What all entries below must have: the repetition level of a beginning, and the definition level of
  /// what is known to be there.
  struct Expected {
    int repetition = 0, definition = 0;
  };

  ColumnReader& entry(size_t leaf, Expected expected) {
    at_ = leaf;
    ColumnReader& column = *columns_[leaf];
    if (column.ended()) fail_damaged("ends before its row group's rows do");
    if (column.repetition() != expected.repetition || column.definition() < expected.definition)
      fail_damaged("has levels {} and {}, expected {} and {} or more, as the columns beside it",
                   column.repetition(), column.definition(), expected.repetition,
                   expected.definition);
    row_bytes_ += kBytesOfCell;
    if (row_bytes_ > kLongestRowBytes)
      fail("has a row of more than {} MB; rows may have no more", kLongestRowBytes >> 20);
    return column;
  }

  ordered_json value(const Node& node, Expected expected) {
    switch (node.kind) {
      case Node::Kind::kLeaf:
        return leaf(node, expected);
      case Node::Kind::kStruct:
        if (is_null(node, expected)) return nullptr;
        return members(node, expected, false);
      case Node::Kind::kList:
      case Node::Kind::kMap:
        break;
    }
    if (is_null(node, expected)) return nullptr;
    return node.kind == Node::Kind::kList ? list(node, expected) : map(node, expected);
  }

  ordered_json leaf(const Node& node, Expected expected) {
    ColumnReader& column = entry(node.first_leaf, expected);
    ordered_json made;
    if (column.definition() == node.definition) {
      const Value value = column.value();
      row_bytes_ += value.bytes.size();
      made = cell_of(value, schema_.leaves[node.first_leaf], wrong_);
    }
    column.advance();
    return made;
  }

  /// Passes over what stands for nothing in all columns below, where the first has nothing.
  bool is_null(const Node& node, Expected expected) {
    const int found = entry(node.first_leaf, expected).definition();
    if (found >= node.definition) return false;
    pass(node, {expected.repetition, found});
    return true;
  }
  void pass(const Node& node, Expected expected) {
    for (size_t leaf = node.first_leaf; leaf < node.first_leaf + node.leaves; ++leaf) {
      ColumnReader& column = entry(leaf, expected);
      if (column.definition() != expected.definition)
        fail_damaged("has a value where the columns beside it have none");
      column.advance();
    }
  }

  ordered_json members(const Node& node, Expected expected, bool of_row) {
    if (!of_row) expected.definition = node.definition;
    ordered_json made = ordered_json::object();
    auto& members = made.get_ref<ordered_json::object_t&>();
    members.reserve(node.children.size());
    for (const Node& child : node.children) {
      ordered_json member = value(child, expected);
      if (!of_row && !options_.nested_nulls && member.is_null()) continue;
      row_bytes_ += child.name.size();
      members.push_back({child.name, std::move(member)});
    }
    return made;
  }

  /// Calls `element` for each that a list or a map has.
  template <class OnElement>
  void elements(const Node& node, Expected expected, OnElement&& element) {
    const ColumnReader& first = *columns_[node.first_leaf];
    if (first.definition() < node.element_definition)
      return pass(node, {expected.repetition, first.definition()});
    expected.definition = node.element_definition;
    do {
      element(expected);
      expected.repetition = node.repetition;
    } while (first.repetition() == node.repetition);
  }

  ordered_json list(const Node& node, Expected expected) {
    ordered_json made = ordered_json::array();
    elements(node, expected, [&](Expected at) { made.push_back(value(node.children[0], at)); });
    return made;
  }

  /// An object where keys are texts, else a list of pairs.
  ordered_json map(const Node& node, Expected expected) {
    const Logical of_keys = node.children[0].kind == Node::Kind::kLeaf
                                ? schema_.leaves[node.first_leaf].logical.kind
                                : Logical::kNone;
    const bool named = of_keys == Logical::kText || of_keys == Logical::kEnum;
    ordered_json made = named ? ordered_json::object() : ordered_json::array();
    std::set<std::string> names;
    elements(node, expected, [&](Expected at) {
      ordered_json key = value(node.children[0], at);
      ordered_json of_key;
      if (node.children.size() == 2) of_key = value(node.children[1], at);
      if (!named) {
        made.push_back(ordered_json::array({std::move(key), std::move(of_key)}));
        return;
      }
      if (!key.is_string()) fail_damaged("has a map with a key that is null");
      auto& name = key.get_ref<std::string&>();
      if (!names.insert(name).second) return say(repeated_key_text(name));
      if (names.size() > kMostJsonMembers)
        return say(fmt::format("has a map of more than {} keys", kMostJsonMembers));
      made.get_ref<ordered_json::object_t&>().push_back({std::move(name), std::move(of_key)});
    });
    return made;
  }

  void say(const std::string& what) {
    if (wrong_.empty())
      wrong_ = fmt::format("\"{}\": {}", printable(schema_.leaves[at_].path), what);
  }

  const Schema& schema_;
  const ReadOptions& options_;
  PageMemory memory_;
  std::vector<std::unique_ptr<ColumnReader>> columns_;
  size_t at_ = 0;
  size_t row_bytes_ = 0;
  std::string wrong_;
};

std::string_view text_at(std::span<const std::byte> bytes, size_t at, size_t size) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, size};
}

/// The bytes of the footer, which stands at the end with its size and a mark behind it.
std::span<const std::byte> footer_of(const std::string& name, std::span<const std::byte> bytes) {
  constexpr size_t kMark = 4, kTail = 8;
  const bool begins = bytes.size() >= kMark && text_at(bytes, 0, kMark) == kMagic;
  const std::string_view end = bytes.size() >= kTail + kMark
                                   ? text_at(bytes, bytes.size() - kMark, kMark)
                                   : std::string_view();
  if (end == kEncryptedMagic ||
      (bytes.size() >= kMark && text_at(bytes, 0, kMark) == kEncryptedMagic))
    fail("{}: is encrypted, and encrypted Parquet is not read here; write it without encryption",
         name);
  if (bytes.size() >= 24 && text_at(bytes, 0, 24) == "version https://git-lfs.")
    fail("{}: is a Git LFS pointer, not the rows; run \"git lfs pull\" in its folder", name);
  if (!begins)
    fail("{}: is no Parquet file: expected {} as its first bytes, found {}", name, kMagic,
         bytes.empty() ? "none"
                       : "\"" + printable(text_at(bytes, 0, std::min(bytes.size(), kMark))) + "\"");
  if (end != kMagic)
    fail(
        "{}: is a part of a Parquet file: expected {} as its last bytes, found \"{}\"; fetch or "
        "write it again",
        name, kMagic, printable(end));
  uint32_t size;
  std::memcpy(&size, bytes.data() + bytes.size() - kTail, sizeof size);
  if (size > bytes.size() - kTail - kMark)
    fail("{}: its footer has {} bytes, and the file {}; it is damaged: fetch or write it again",
         name, size, bytes.size());
  return bytes.subspan(bytes.size() - kTail - size, size);
}

/// Calls `work`; its errors are told where they are from.
template <class Where, class Work>
auto located(Where&& where, Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    fail("{}: {}", where(), error.what());
  }
}

}  // namespace

void read_rows(const fs::path& path, const RowReaders& readers, const ReadOptions& options) {
  const MappedFile file(path);
  const std::string name = path.string();
  const auto footer_bytes = footer_of(name, file.bytes());
  const auto of_file = [&] { return name; };
  const Footer footer = located(of_file, [&] { return Footer(footer_bytes); });
  const Schema schema = located(of_file, [&] { return Schema(footer.schema()); });
  const auto data = file.bytes().first(static_cast<size_t>(footer_bytes.data() - file.data()));
  RowAssembler rows(schema, options);
  int64_t number = 0;
  for (size_t g = 0; g < footer.row_groups(); ++g) {
    const auto of_group = [&] { return fmt::format("{}: row group {}", name, g); };
    const auto of_column = [&] {
      return rows.column() == nullptr
                 ? of_group()
                 : fmt::format("{}: column \"{}\"", of_group(), printable(rows.column()->path));
    };
    const RowGroup group =
        located(of_group, [&] { return footer.row_group(g, schema.leaves.size()); });
    if (group.rows == 0) continue;
    located(of_column, [&] { rows.begin(data, group); });
    std::string wrong;
    for (int64_t i = 0; i < group.rows; ++i) {
      const ordered_json row = located(of_column, [&] { return rows.row(wrong); });
      ++number;
      if (wrong.empty())
        readers.row(row, number);
      else
        readers.bad(number, wrong);
    }
    located(of_column, [&] { rows.end(); });
  }
  if (number != footer.rows())
    fail("{}: has {} rows, and its footer says {}; it is damaged: fetch or write it again", name,
         number, footer.rows());
}

}  // namespace falconer::parquet
