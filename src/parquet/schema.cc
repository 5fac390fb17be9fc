#include "parquet/schema.h"

#include <algorithm>
#include <set>

#include "base/json_text.h"
#include "parquet/damage.h"

namespace falconer::parquet {
namespace {

constexpr int32_t kLongestDecimal = 32;  // bytes

/// Whether values that are stored so may mean that.
bool can_mean(Logical kind, Physical physical, int32_t length) {
  const bool integer = physical == Physical::kInt32 || physical == Physical::kInt64;
  const bool fixed = physical == Physical::kFixedBytes;
  switch (kind) {
    case Logical::kText:
    case Logical::kJson:
    case Logical::kEnum:
      return physical == Physical::kBytes;
    case Logical::kDecimal:
      return integer || physical == Physical::kBytes || (fixed && length <= kLongestDecimal);
    case Logical::kDate:
      return physical == Physical::kInt32;
    case Logical::kTime:
    case Logical::kInteger:
      return integer;
    case Logical::kTimestamp:
      return physical == Physical::kInt64;
    case Logical::kUuid:
      return fixed && length == 16;
    case Logical::kHalf:
      return fixed && length == 2;
    default:
      return true;
  }
}

class TreeBuilder {
 public:
  TreeBuilder(const std::vector<SchemaElement>& elements, std::vector<Leaf>& leaves)
      : elements_(elements), leaves_(leaves) {}

  Node root() {
    if (elements_.empty() || elements_[0].physical || elements_[0].children <= 0)
      fail_damaged("expected a schema of columns, found none");
    Node made = structure(take(), "", {});
    if (next_ != elements_.size())
      fail_damaged("its schema has {} elements, and {} belong to columns", elements_.size(), next_);
    return made;
  }

 private:
  struct Levels {
    int definition = 0, repetition = 0;
  };

  const SchemaElement& take() {
    if (next_ >= elements_.size()) fail_damaged("its schema breaks off");
    return elements_[next_++];
  }
  const SchemaElement* peek() const {
    return next_ < elements_.size() ? &elements_[next_] : nullptr;
  }

  /// The levels below an element, with its own.
  static Levels within(const SchemaElement& element, Levels levels) {
    levels.definition += element.repetition != Repetition::kRequired;
    levels.repetition += element.repetition == Repetition::kRepeated;
    return levels;
  }

  /// A value, with all that is below it; an element that repeats without being said to be a list is one.
  Node value(const std::string& above, Levels levels) {
    const SchemaElement& element = take();
    if (++depth_ > Schema::kDeepest)
      fail("has columns that nest more than {} deep; write it with a flatter schema",
           Schema::kDeepest);
    const std::string path = above.empty() ? element.name : above + "." + element.name;
    Node made;
    if (element.repetition == Repetition::kRepeated) {
      made = list_around(element.name, levels, within(element, levels),
                         [&](Levels at) { return plain(element, path, at); });
    } else {
      made = plain(element, path, within(element, levels));
    }
    --depth_;
    return made;
  }

  /// `levels` are those below the element.
  Node plain(const SchemaElement& element, const std::string& path, Levels levels) {
    if (element.physical) return leaf(element, path, levels);
    if (element.children <= 0) fail_damaged("\"{}\": a struct without members", printable(path));
    const SchemaElement* child = peek();
    const bool one_repeated =
        element.children == 1 && child != nullptr && child->repetition == Repetition::kRepeated;
    if (element.logical.kind == Logical::kList && one_repeated) return list(element, path, levels);
    if (element.logical.kind == Logical::kMap && one_repeated && is_pair(*child))
      return map(element, path, levels);
    return structure(element, path, levels);
  }

  /// Whether a map's child has keys as maps have them.
  bool is_pair(const SchemaElement& child) const {
    return !child.physical && (child.children == 1 || child.children == 2) &&
           next_ + 1 < elements_.size() && elements_[next_ + 1].repetition != Repetition::kRepeated;
  }

  Node leaf(const SchemaElement& element, const std::string& path, Levels levels) {
    const Physical physical = *element.physical;
    if (physical == Physical::kFixedBytes && element.length <= 0)
      fail_damaged("\"{}\": values of {} bytes", printable(path), element.length);
    LogicalType logical = element.logical;
    if (!can_mean(logical.kind, physical, element.length)) logical = {};
    if (logical.kind == Logical::kDecimal && (logical.scale < 0 || logical.scale > 1000))
      fail_damaged("\"{}\": a decimal with {} digits behind its point", printable(path),
                   logical.scale);
    leaves_.push_back({.path = path,
                       .physical = physical,
                       .length = element.length,
                       .logical = logical,
                       .max_definition = levels.definition,
                       .max_repetition = levels.repetition});
    return {.name = element.name,
            .kind = Node::Kind::kLeaf,
            .definition = levels.definition,
            .first_leaf = leaves_.size() - 1};
  }

  Node structure(const SchemaElement& element, const std::string& path, Levels levels) {
    if (static_cast<size_t>(element.children) > kMostJsonMembers)
      fail("has {} columns{}, at most {} are read; write those that are needed", element.children,
           path.empty() ? "" : " in \"" + printable(path) + "\"", kMostJsonMembers);
    Node made{.name = element.name,
              .kind = Node::Kind::kStruct,
              .definition = levels.definition,
              .first_leaf = leaves_.size()};
    std::set<std::string> names;
    for (int32_t i = 0; i < element.children; ++i) {
      made.children.push_back(value(path, levels));
      if (!names.insert(made.children.back().name).second)
        fail("has the column \"{}{}{}\" twice; rename one of them", printable(path),
             path.empty() ? "" : ".", printable(made.children.back().name));
    }
    made.leaves = leaves_.size() - made.first_leaf;
    return made;
  }

  template <class MakeElement>
  Node list_around(const std::string& name, Levels outer, Levels inner, MakeElement&& element) {
    Node made{.name = name,
              .kind = Node::Kind::kList,
              .definition = outer.definition,
              .element_definition = inner.definition,
              .repetition = inner.repetition,
              .first_leaf = leaves_.size()};
    made.children.push_back(element(inner));
    made.leaves = leaves_.size() - made.first_leaf;
    return made;
  }

  /// The repeated child is the element itself in files of old writers: where it is no group, where it has
  /// several members or one that repeats, and where it has one of the two names that they gave it.
  Node list(const SchemaElement& element, const std::string& path, Levels levels) {
    const SchemaElement& repeated = take();
    const std::string below = path + "." + repeated.name;
    const SchemaElement* child = peek();
    const bool itself = repeated.physical || repeated.children != 1 || child == nullptr ||
                        child->repetition == Repetition::kRepeated || repeated.name == "array" ||
                        repeated.name == element.name + "_tuple";
    return list_around(element.name, levels, within(repeated, levels), [&](Levels inner) {
      return itself ? plain(repeated, below, inner) : value(below, inner);
    });
  }

  Node map(const SchemaElement& element, const std::string& path, Levels levels) {
    const SchemaElement& pair = take();
    const std::string below = path + "." + pair.name;
    Node made = list_around(element.name, levels, within(pair, levels),
                            [&](Levels inner) { return value(below, inner); });
    made.kind = Node::Kind::kMap;
    if (pair.children == 2) made.children.push_back(value(below, within(pair, levels)));
    made.leaves = leaves_.size() - made.first_leaf;
    return made;
  }

  const std::vector<SchemaElement>& elements_;
  std::vector<Leaf>& leaves_;
  size_t next_ = 0;
  int depth_ = 0;
};

}  // namespace

Schema::Schema(const std::vector<SchemaElement>& elements) {
  root = TreeBuilder(elements, leaves).root();
}

}  // namespace falconer::parquet
