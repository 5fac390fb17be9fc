// Which files of a repository are wanted.
#pragma once

#include <string>
#include <vector>

namespace falconer::hub {

struct Selection {
  /// What is taken where nothing is named: all that loads a model, and an adapter where there is one;
  /// its config.json alone; that and its tokenizer; an adapter; the rows of a dataset.
  enum class Purpose { kModel, kConfig, kTokenizer, kAdapter, kData };
  Purpose purpose = Purpose::kModel;
  std::vector<std::string> files;    // these and no others
  std::vector<std::string> include;  // patterns in place of the purpose's choice
  std::vector<std::string> exclude;  // patterns of what is left out of all that
};

/// Those of `names` that are wanted, in order. '*' of a pattern stands for any text, folders too; a
/// pattern that ends with '/' for all that is below.
std::vector<std::string> select(const std::vector<std::string>& names, const Selection& selection);

/// The files of a purpose, weights apart, that a cache must either hold or record as absent before it
/// is known to hold all that the hub has.
std::vector<std::string> expected_names(Selection::Purpose purpose);

/// A file of rows that can be read (base/row_file.h), but not what describes the dataset.
bool is_data_file(const std::string& name);

}  // namespace falconer::hub
