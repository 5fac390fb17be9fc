#include "method/token_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "method/peft_config.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/residual.h"
#include "tensor/row_bands.h"

namespace falconer {
namespace {

constexpr const char* kIdsKey = "trainable_token_indices";
constexpr WholeRange kTokenId{0, (int64_t{1} << 31) - 2};
// A table as a whole, as PEFT saves it where the model was resized, and with rows that learn in it.
constexpr std::string_view kWholeTable = ".weight",
                           kTableBelow = ".token_adapter.base_layer.weight";

std::string delta_name(const std::string& module) {
  return std::string(kPeftPrefix) + module + ".token_adapter.trainable_tokens_delta";
}

}  // namespace

std::vector<float> grow_table(Param& table, int64_t rows, Dtype dtype, Arena& fixed) {
  const View base = table.value;
  const int64_t had = table.rows(), cols = table.cols();
  table.shape[0] = rows;
  if (!base) return {};
  const View value = fixed.push(rows, cols, dtype);
  std::vector<float> mean;
  if (!fixed.measuring()) {
    std::vector<double> sums(static_cast<size_t>(cols), 0);
    const auto add = [&](int64_t row, int64_t count) {
      const Tensor band(count, cols, Dtype::kF32);
      const View part = band.view(), from = base.row_range(row, count);
      copy_converted(from, part);
      copy_converted(part, value.row_range(row, part.rows));
      for (int64_t i = 0; i < part.rows; ++i)
        for (int64_t j = 0; j < cols; ++j) sums[static_cast<size_t>(j)] += part.row<float>(i)[j];
      if (table.mapped) forget_pages({static_cast<const std::byte*>(from.data), from.bytes()});
    };
    for_bands(had, cols, add, 1 << 20);
    for (const double sum : sums)
      mean.push_back(static_cast<float>(sum / static_cast<double>(had)));
    const View one{mean.data(), 1, cols, cols, Dtype::kF32};
    for (int64_t row = had; row < rows; ++row) copy_converted(one, value.row_range(row, 1));
  }
  table.value = value;
  table.in_arena = true;
  table.mapped = false;  // or its pages, now our own, would be forgotten for good
  return mean;
}

std::vector<int64_t> TokenRows::ids_of(const std::string& module) const {
  std::vector<int64_t> ids;
  for (const auto& [name, said] : said_.ids)
    if (name.empty() ? module == embedding_ : names_module(module, name)) ids = said;
  std::vector<int64_t> sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    fail("{}: \"{}\" names the token {} twice; expected each once", said_.where, kIdsKey, *twice);
  return ids;
}

void TokenRows::check_modules(const std::string& embedding, const std::string& head,
                              bool tied) const {
  for (const auto& [name, ids] : said_.ids)
    if (!name.empty() && !names_module(embedding, name) && !names_module(head, name))
      fail("{}: \"{}\" is for \"{}\"; expected rows of {} or {}: is the adapter for another model?",
           said_.where, kIdsKey, printable(name), embedding, head);
  if (!tied) return;
  const std::vector<int64_t> of_head = ids_of(head);
  if (!of_head.empty() && of_head != ids_of(embedding))
    fail(
        "{}: \"{}\" has other tokens for {} than for {}, which are one matrix in this model: PEFT "
        "unties them, which is not supported; merge the adapter with PEFT",
        said_.where, kIdsKey, head, embedding);
}

// As many as the tokens that are named, and the tables that are there as a whole, have.
int64_t TokenRows::rows_with(int64_t had) const {
  int64_t rows = std::max(had, vocab_);
  for (const auto& [name, ids] : said_.ids)
    for (const int64_t id : ids) rows = std::max(rows, id + 1);
  for (const auto& [module, stored] : said_.stored)
    if (module == embedding_ || module == head_) rows = std::max(rows, stored);
  return rows;
}

void TokenRows::make(Run& run, Param& whole, std::string module, int64_t had, Arena& fixed,
                     bool training) {
  auto table = std::make_unique<Table>();
  table->ids = ids_of(module);
  table->said = std::ssize(table->ids);
  const std::set<int64_t> named(table->ids.begin(), table->ids.end());
  for (int64_t id = had; id < vocab_; ++id)
    if (!named.contains(id)) table->ids.push_back(id);
  const int64_t count = std::ssize(table->ids);
  if (count == 0) return;
  for (int64_t row = 0; row < count; ++row) {
    const int64_t id = table->ids[static_cast<size_t>(row)];
    if (!table->stretches.empty() &&
        table->stretches.back().id + table->stretches.back().count == id)
      ++table->stretches.back().count;
    else
      table->stretches.push_back({.id = id, .row = row, .count = 1});
  }
  table->mean = grow_table(whole, vocab_, run.activation, fixed);
  table->whole = &whole;
  table->value = whole.value;
  table->rows = {.name = delta_name(module), .shape = {count, whole.cols()}};
  table->rows.value = fixed.push(count, whole.cols(), Dtype::kF32);
  table->rows.in_arena = true;
  if (!fixed.measuring()) clear(table->rows.value);
  if (training) make_trainable(table->rows, fixed);
  table->module = std::move(module);
  tables_.push_back(std::move(table));
}

void TokenRows::attach(Run& run, Decoder& decoder, Weights& weights, Arena& fixed, bool training) {
  run_ = &run;
  tied_ = weights.head().w == weights.embedding;
  embedding_ = module_of(weights.embedding->name);
  head_ = weights.head().name;
  check_modules(embedding_, head_, tied_);
  const int64_t had = weights.embedding->rows();
  base_rows_ = had;
  vocab_ = rows_with(had);
  grew_ = vocab_ > had;
  make(run, *weights.embedding, embedding_, had, fixed, training);
  if (!tables_.empty()) {
    of_embedding_ = tables_.front().get();
    for (size_t row = 0; row < of_embedding_->ids.size(); ++row)
      row_of_[static_cast<int32_t>(of_embedding_->ids[row])] = static_cast<int32_t>(row);
  }
  if (!tied_) make(run, *weights.head().w, head_, had, fixed, training);
  if (tables_.empty()) return;
  decoder.attach(this);
  const Table& last = *tables_.back();
  if (last.whole != weights.head().w) return;
  if (decoder.head().hook() != nullptr && said_.where.empty())
    fail_usage(
        "--lora-targets has the head, and with --resize-embeddings rows of the head learn "
        "themselves; leave \"head\" out");
  if (decoder.head().hook() != nullptr)
    fail("{}: has a LoRA on {} and rows of it of their own, which PEFT cannot compute either",
         said_.where, head_);
  if (!training) return;
  head_hook_ = std::make_unique<HeadHook>(last);
  decoder.head().attach(head_hook_.get());
}

void TokenRows::initialise() {
  for (const auto& table : tables_) {
    std::vector<float> values;
    for (size_t row = 0; row < table->ids.size(); ++row)
      values.insert(values.end(), table->mean.begin(), table->mean.end());
    if (!values.empty()) set_values(table->rows.value, values);
  }
}

// Rows that the file has as a part of the table alone.
void TokenRows::read_the_rest(AdapterReader& reader, const Table& table,
                              std::vector<float>& values) const {
  const StoredTensor* stored = nullptr;
  for (const std::string& module : {table.module, tied_ ? head_ : table.module})
    for (const std::string_view end : {kTableBelow, kWholeTable})
      if (stored == nullptr)
        stored = reader.find(std::string(kPeftPrefix) + module + std::string(end));
  for (size_t i = static_cast<size_t>(table.said); i < table.ids.size(); ++i) {
    if (stored == nullptr || stored->rows() <= table.ids[i])
      fail(
          "{}: has no row of {} for the token {}, and rows for others up to {}; expected one for "
          "each token that the base has not: save it with PEFT's save_embedding_layers=True",
          said_.where, table.module, table.ids[i], vocab_ - 1);
    const Tensor row(1, stored->cols(), Dtype::kF32);
    stored->copy_rows_to(table.ids[i], row.view());
    const std::vector<float> numbers = host_values(row.view());
    values.insert(values.end(), numbers.begin(), numbers.end());
  }
}

std::vector<float> TokenRows::read(AdapterReader& reader, const Table& table) const {
  std::vector<float> values;
  if (table.said > 0)
    values = reader.read(delta_name(table.module), {table.said, table.rows.cols()});
  if (std::ssize(table.ids) > table.said) read_the_rest(reader, table, values);
  // PEFT saves the rows of a tied head under its name as well.
  if (!tied_ || table.said == 0) return values;
  const StoredTensor* again = reader.find(delta_name(head_));
  if (again == nullptr) return values;
  std::vector<float> same = reader.read(*again, {table.said, table.rows.cols()});
  if (!std::equal(same.begin(), same.end(), values.begin()))
    fail("{}: has other rows for {} than for {}, which are one matrix in this model", said_.where,
         head_, table.module);
  return values;
}

void TokenRows::load(AdapterReader& reader) {
  for (const auto& table : tables_) set_values(table->rows.value, read(reader, *table));
  if (!learns()) write(*run_);
}

void TokenRows::add_to(std::vector<Param*>& params) {
  for (const auto& table : tables_) params.push_back(&table->rows);
}

void TokenRows::add_to(SavedAdapter& saved) const {
  if (tables_.empty()) return;
  auto config = nlohmann::ordered_json::parse(saved.config_json);
  if (tables_.size() == 1 && of_embedding_ != nullptr)
    config[kIdsKey] = of_embedding_->ids;
  else
    for (const auto& table : tables_) config[kIdsKey][last_name(table->module)] = table->ids;
  saved.config_json = json_text(config, 2) + "\n";
  for (const auto& table : tables_)
    saved.tensors.push_back({table->rows.name, table->rows.shape, host_values(table->rows.value)});
  std::sort(saved.tensors.begin(), saved.tensors.end(),
            [](const SavedTensor& a, const SavedTensor& b) { return a.name < b.name; });
}

int64_t TokenRows::trainable_count() const {
  int64_t count = 0;
  for (const auto& table : tables_) count += table->rows.size();
  return count;
}

bool TokenRows::merges_into(const std::string& name) const {
  return std::any_of(tables_.begin(), tables_.end(),
                     [&](const auto& table) { return table->whole->name == name; });
}

void TokenRows::merge(const std::string& name, const View& values) const {
  for (const auto& table : tables_) {
    if (table->whole->name != name) continue;
    for (const Stretch& s : table->stretches)
      copy_converted(table->rows.value.row_range(s.row, s.count), values.row_range(s.id, s.count));
  }
}

bool TokenRows::trainable() const { return of_embedding_ != nullptr && learns(); }

bool TokenRows::learns() const { return !tables_.empty() && tables_.front()->rows.trainable(); }

void TokenRows::before(Run& run) const {
  if (learns()) write(run);
}

void TokenRows::write(Run& run) const {
  for (const auto& table : tables_)
    for (const Stretch& s : table->stretches)
      if (table->value)
        copy(run, table->rows.value.row_range(s.row, s.count),
             table->value.row_range(s.id, s.count));
}

void TokenRows::backward(Run& run, const Batch& batch, const View& dx) const {
  const ArenaScope scope(*run.scratch);
  const View taken = run.scratch->push(dx.rows, dx.cols, dx.dtype);
  if (run.dry) return;
  std::vector<int32_t> places, rows;
  const int32_t* const ids = batch.ids.row<int32_t>(0);
  for (int64_t n = 0; n < batch.tokens(); ++n) {
    const auto found = row_of_.find(ids[n]);
    if (found == row_of_.end()) continue;
    places.push_back(static_cast<int32_t>(n));
    rows.push_back(found->second);
  }
  const int64_t count = std::ssize(places);
  if (count == 0) return;
  const auto view = [count](std::vector<int32_t>& numbers) {
    return View{numbers.data(), 1, count, count, Dtype::kI32};
  };
  const View dy = taken.row_range(0, count);
  gather_forward(run, {.x = dx, .index = view(places), .y = dy});
  embedding_backward(run, {.ids = view(rows), .dy = dy, .dw = of_embedding_->rows.grad});
}

// The head's dW, of these rows alone.
void TokenRows::HeadHook::backward_out(Run& run, const View& dy, HookKept& kept) const {
  for (const Stretch& s : table_.stretches)
    linear_backward(run, {.x = kept.x,
                          .w = table_.value.row_range(s.id, s.count),
                          .dy = dy.col_range(s.id, s.count),
                          .dx = {},
                          .dw = table_.rows.grad.row_range(s.row, s.count),
                          .db = {}});
}

std::unique_ptr<TokenRows> token_rows_from_peft(const nlohmann::ordered_json& config,
                                                const std::string& where,
                                                const TensorFiles& files) {
  using Fields = JsonFields<nlohmann::ordered_json>;
  TokenRows::Said said{.ids = {}, .stored = {}, .where = where};
  const Fields fields(config, where);
  if (const auto* found = fields.find(kIdsKey); found != nullptr && found->is_object()) {
    const Fields modules(*found, fmt::format("{}: \"{}\"", where, kIdsKey));
    for (const auto& [name, ids] : found->items())
      said.ids[name] = modules.wholes(name.c_str(), kTokenId);
  } else if (found != nullptr) {
    said.ids[""] = fields.wholes(kIdsKey, kTokenId);
  }
  for (const auto& [name, tensor] : files.tensors())
    for (const std::string_view end : {kTableBelow, kWholeTable}) {
      if (!name.starts_with(kPeftPrefix) || !name.ends_with(end) || tensor.shape.size() != 2)
        continue;
      said.stored.emplace(
          name.substr(kPeftPrefix.size(), name.size() - kPeftPrefix.size() - end.size()),
          tensor.shape[0]);
      break;
    }
  return said.ids.empty() && said.stored.empty() ? nullptr
                                                 : std::make_unique<TokenRows>(std::move(said));
}

}  // namespace falconer
