#include "data/load.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/joined.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/plural.h"
#include "base/row_file.h"
#include "data/prepared.h"
#include "data/raw_rows.h"
#include "data/split.h"
#include "data/splits.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

void refuse_empty(const fs::path& file, const DataReport& report) {
  if (report.rows == 0)
    fail("{}: holds no rows{}", file.string(),
         report.bad > 0 ? fmt::format(" ({} {} bad, the first: {})", report.bad,
                                      plural(report.bad, "was", "were"), report.first_bad)
                        : "");
  if (report.targets == 0)
    fail(
        "{}: none of its {} {} has a token to learn: all labels are -100, or every row was cut "
        "before its answer. Check the labels, or give a larger --max-seq-length",
        file.string(), report.rows, plural(report.rows, "row"));
}

/// What prepare.json says of a folder's rows.
RenderedAs read_prepared(const fs::path& folder) {
  const fs::path path = folder / "prepare.json";
  if (!is_there(path)) return {};
  PrepareRecord record = read_prepare_record(path);
  return {.format = {},
          .prompt_style = std::move(record.prompt_style),
          .prompt_template = std::move(record.prompt_template)};
}

RowPart whole(std::unique_ptr<RowStore> store) {
  RowPart part{.store = std::move(store)};
  part.rows = part.store.get();
  return part;
}

/// Of the rows to train on, which are all.
void hold_out(const fs::path& path, int64_t test, const LoadOptions& options, LoadedData& data) {
  const int64_t n = data.train.rows->size();
  if (n == 0) return;
  if (test < 0 || test >= n)
    fail_usage(
        "{}: a test size of {} leaves nothing to train on: it has {} {}; give a smaller "
        "--test-size",
        path.string(), test, n, plural(n, "row"));
  if (test == 0) return;
  const std::vector<int64_t> order = torch_randperm(n, options.split_seed);
  const auto middle = order.end() - test;
  data.train.order.emplace(order.begin(), middle);
  data.test.rows = data.train.rows;
  data.test.order.emplace(middle, order.end());
}

void load_folder(const fs::path& path, const Tokenizer* tokenizer, const LoadOptions& options,
                 LoadedData& data) {
  const SplitFiles splits = find_splits(path);
  if (splits.train.empty())
    fail("{}: expected {} in this folder or in its folder data{}", path.string(),
         expected_train_files(),
         splits.unread.empty()
             ? ""
             : fmt::format("; it has {}, which you can name itself", joined(splits.unread, ", ")));
  const bool held_out = std::any_of(splits.held_out.begin(), splits.held_out.end(),
                                    [](const fs::path& file) { return fs::file_size(file) > 0; });
  const bool asked = options.test_size.value_or(0) > 0;
  if (asked && held_out)
    fail_usage(
        "--test-size is {}, and {} has rows that are held out, {}; leave it out, or give {} as the "
        "data to hold out "
        "rows of its own",
        *options.test_size, path.string(), name_of_split(splits.held_out).filename().string(),
        name_of_split(splits.train).string());
  if (options.test_size && held_out)
    log_warning("--test-size 0 does not count: the rows of {} are held out",
                name_of_split(splits.held_out).string());
  data.train = whole(load_files(splits.train, tokenizer, options, data.report, &data.rendered));
  if (options.must_teach) refuse_empty(name_of_split(splits.train), data.report);
  if (asked)
    hold_out(name_of_split(splits.train), *options.test_size, options, data);
  else if (!splits.held_out.empty())
    data.test = whole(load_files(splits.held_out, tokenizer, options, data.held_out_report));
  if (!splits.held_out.empty() && data.test.view().empty() && !is_there(path / "prepare.json"))
    log_warning("{}: holds no rows: nothing is held out", name_of_split(splits.held_out).string());
  // Of a column that the rows to train on do not have either nobody would hear.
  data.report.unread.insert(data.held_out_report.unread.begin(), data.held_out_report.unread.end());
  data.report.unread_files = splits.unread;
  if (data.rendered.prompt_style.empty()) data.rendered = read_prepared(path);
}

void load_single(const fs::path& path, const Tokenizer* tokenizer, const LoadOptions& options,
                 LoadedData& data) {
  data.train = whole(load_rows(path, tokenizer, options, data.report, &data.rendered));
  if (options.must_teach) refuse_empty(path, data.report);
  const int64_t usual = default_test_size(data.train.rows->size());
  hold_out(path, options.test_size.value_or(usual), options, data);
}

}  // namespace

RowView RowPart::view() const {
  if (rows == nullptr) return {};
  return order ? RowView(*rows, *order) : RowView(*rows);
}

LoadedData load_dataset(const fs::path& path, const Tokenizer* tokenizer,
                        const LoadOptions& options) {
  if (!options.text) refuse_standard_input(path);
  if (!options.text && !is_there(path))
    fail("{}: {}", path.string(),
         not_found_text(
             path, fmt::format("rows ({}), text (.txt) or a folder with train.*", kRowEndings)));
  if (options.encode.max_seq_length < 2)
    fail_usage("--max-seq-length is {}, expected 2 or more", options.encode.max_seq_length);
  LoadedData data;
  if (!options.text && is_folder(path))
    load_folder(path, tokenizer, options, data);
  else
    load_single(path, tokenizer, options, data);
  return data;
}

}  // namespace falconer
