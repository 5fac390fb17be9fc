// A Parquet file's columns as the tree that rows are made by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parquet/metadata.h"

namespace falconer::parquet {

/// A column that is stored.
struct Leaf {
  std::string path;  // "messages.list.element.role"
  Physical physical = Physical::kBytes;
  int32_t length = 0;  // of kFixedBytes
  LogicalType logical;
  int max_definition = 0, max_repetition = 0;
};

/// A value of a row: one of a column, a struct of members, a list of one child, a map of a key and, where it
/// has one, a value.
struct Node {
  enum class Kind { kLeaf, kStruct, kList, kMap };
  std::string name;
  Kind kind = Kind::kLeaf;
  int definition = 0;          // the level from which it is there and not null
  int element_definition = 0;  // of lists and maps: the level from which they have an element
  int repetition = 0;          // of lists and maps: the level of all elements but the first
  size_t first_leaf = 0, leaves = 1;  // below it
  std::vector<Node> children;
};

struct Schema {
  Node root;
  std::vector<Leaf> leaves;

  /// Lists and maps by all forms that the format knows, those of old writers too. Errors: it is no tree of
  /// columns; a type that cannot be; a name twice in one struct; nested or wide beyond all bounds.
  explicit Schema(const std::vector<SchemaElement>& elements);

  static constexpr int kDeepest = 100;  // elements within each other
};

}  // namespace falconer::parquet
