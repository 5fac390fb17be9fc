#include "method/base_changes.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/joined.h"
#include "base/log.h"
#include "method/base_copies.h"
#include "method/olora.h"
#include "method/peft_config.h"
#include "tensor/buffer.h"
#include "tensor/row_bands.h"

namespace falconer {
namespace {

constexpr std::string_view kUnderLora = ".base_layer.";
constexpr std::string_view kBiasOfB = ".lora_B.bias";

bool same_numbers(const StoredTensor& a, const StoredTensor& b) {
  return a.shape == b.shape && a.dtype == b.dtype && a.bytes.size() == b.bytes.size() &&
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

/// rows (n,C) f32 in host memory, of which the first is the embedding's row `first`, become
/// rows + s (B A)'.
void add_embedding_lora(const View& rows, int64_t first, const View& a, const View& b, double s) {
  const std::vector<float> left = host_values(a), right = host_values(b);
  const int64_t rank = a.rows;
  for (int64_t i = 0; i < rows.rows; ++i) {
    float* row = rows.row<float>(i);
    for (int64_t r = 0; r < rank; ++r) {
      const float factor =
          static_cast<float>(s) * left[static_cast<size_t>(r * a.cols + first + i)];
      for (int64_t c = 0; c < rows.cols; ++c)
        row[c] += factor * right[static_cast<size_t>(c * rank + r)];
    }
  }
}

}  // namespace

// PEFT wraps each module whose name ends with one of the texts, and what is in it.
bool BaseChanges::saves(const std::string& module) const {
  for (size_t end = module.find('.');; end = module.find('.', end + 1)) {
    const std::string part = module.substr(0, end);
    for (const std::string& text : settings_.modules_to_save)
      if (part.ends_with(text)) return true;
    if (end == std::string::npos) return false;
  }
}

bool BaseChanges::keeps(const std::string& name) const {
  return name.starts_with(kPeftPrefix) && name.find(kUnderLora) == std::string::npos &&
         saves(module_of(name.substr(kPeftPrefix.size())));
}

/// What one attach() works with.
class BaseChanges::Attaching {
 public:
  Attaching(BaseChanges& changes, Run& run, const TensorFiles& files,
            const std::set<std::string>& copies, const std::map<std::string, LoraSize>& loras,
            Decoder& decoder, Weights& weights, Arena& fixed)
      : c_(changes),
        run_(run),
        files_(files),
        loras_(loras),
        decoder_(decoder),
        weights_(weights),
        fixed_(fixed) {
    tied_ = weights.head().w == weights.embedding;
    for (const auto& [name, tensor] : files.tensors())
      if (const std::string plain = name_in_base(name, weights); !plain.empty())
        found_[plain] = {&tensor, copies.contains(name)};
  }

  void all() {
    if (tied_ && !c_.settings_.ties.empty())
      fail(
          "{}: \"ensure_weight_tying\" is set, and {} is named, which is tied in this model: PEFT "
          "would tie what it learned, which is not supported; merge the adapter with PEFT",
          c_.where_, c_.settings_.ties);
    check_saved();
    for (const auto& [plain, found] : found_)
      if (!found.copy && !(tied_ && is_of_vocabulary(plain))) replace(*param_of(plain), found);
    if (tied_) replace_tied();
    add_embedding();
    // What PEFT saved along of the base is what was left of it, and takes its place as it is.
    if (c_.settings_.olora)
      for (LinearSite* site : decoder_.sites())
        if (const auto lora = loras_.find(site->module());
            lora != loras_.end() && !found_.contains(site->module() + ".weight"))
          leave_residual(*site, lora->second);
    for (const LinearSite* site : decoder_.sites())
      if (const StoredTensor* bias =
              files_.find(std::string(kPeftPrefix) + site->module() + std::string(kBiasOfB)))
        add_bias(const_cast<LinearSite&>(*site), *bias);
  }

 private:
  bool is_of_vocabulary(const std::string& plain) const {
    return plain == weights_.embedding->name || plain == weights_.head().name + ".weight";
  }

  Param* param_of(const std::string& plain) const {
    if (tied_ && plain == weights_.head().name + ".weight") return weights_.embedding;
    for (const auto& param : weights_.params)
      if (param->name == plain) return param.get();
    FALCONER_CHECK(false);
    return nullptr;
  }

  // What modules_to_save names must be there: PEFT would not load the adapter.
  void check_saved() const {
    std::vector<std::string> names;
    for (const auto& param : weights_.params) names.push_back(param->name);
    if (tied_) names.push_back(weights_.head().name + ".weight");
    for (const std::string& name : names) {
      if (!c_.saves(module_of(name))) continue;
      if (loras_.contains(module_of(name)) || c_.lora_.module == module_of(name))
        fail(
            "{}: \"modules_to_save\" names {}, which has a LoRA as well; that is not supported: "
            "retrain the adapter with one of the two, or merge it with PEFT",
            c_.where_, module_of(name));
      if (!found_.contains(name))
        fail(
            "{}: \"modules_to_save\" names {}, and the adapter has no {}{}; is it for another "
            "model?",
            c_.where_, module_of(name), kPeftPrefix, name);
    }
  }

  void check(const StoredTensor& stored, const std::string& plain, const Param& param) const {
    if (stored.shape != param.shape)
      fail(
          "{}: {} is {}, and the base's {} is [{}]; an adapter of a resized model needs a base of "
          "that size: resize and save the base with transformers (resize_token_embeddings), or "
          "merge the adapter with PEFT",
          stored.file.string(), stored.name, stored.shape_text(), plain, joined(param.shape, ", "));
    stored.check_float();
    // Below rows that learn it is the table itself.
    if (stored.name.find(".token_adapter.") != std::string::npos) return;
    const bool under = stored.name.find(kUnderLora) != std::string::npos;
    const std::string module = module_of(plain);
    const bool has_lora = loras_.contains(module) || c_.lora_.module == module;
    if (under != has_lora)
      fail(
          "{}: {} is not what the base has, and PEFT would leave it out, because {} has {} LoRA; "
          "remove the tensor, or merge the adapter with the program that made it",
          stored.file.string(), stored.name, module, has_lora ? "a" : "no");
  }

  /// Its values in memory of their own, noted under the base's name.
  View take(const StoredTensor& stored, const std::string& plain, const Param& param) {
    check(stored, plain, param);
    const Dtype dtype = param.vector()                 ? Dtype::kF32
                        : stored.dtype == Dtype::kBF16 ? Dtype::kBF16
                        : stored.dtype == Dtype::kF16 && run_.activation == Dtype::kF32
                            ? Dtype::kF16
                            : run_.activation;
    const View value = place(stored, param.rows(), param.cols(), dtype);
    c_.changed_[plain] = value;
    c_.taken_.push_back({stored.name, stored.shape, value});
    return value;
  }

  View place(const StoredTensor& stored, int64_t rows, int64_t cols, Dtype dtype) {
    const View value = fixed_.push(rows, cols, dtype);
    if (fixed_.measuring()) return value;
    for_bands(rows, cols, [&](int64_t first, int64_t count) {
      if (fixed_.device() == nullptr)
        return stored.copy_rows_to(first, value.row_range(first, count));
      const Tensor some(count, cols, dtype);
      stored.copy_rows_to(first, some.view());
      copy_converted(some.view(), value.row_range(first, count));
    });
    return value;
  }

  static void use(Param& param, const View& value) {
    param.value = value;
    param.in_arena = true;
    param.mapped = false;  // or its pages, now our own, would be forgotten for good
  }

  void replace(Param& param, const Found& found) {
    use(param, take(*found.stored, param.name, param));
  }

  // One tensor for both, unless modules_to_save gives one of them a copy of its own.
  void replace_tied() {
    Param& shared = *weights_.embedding;
    const std::string head_name = weights_.head().name + ".weight";
    const Found e = found(shared.name), h = found(head_name);
    const bool own_e = c_.saves(module_of(shared.name)), own_h = c_.saves(weights_.head().name);
    if (e.stored != nullptr && h.stored != nullptr && !own_e && !own_h &&
        !same_numbers(*e.stored, *h.stored))
      fail(
          "{}: its {} and {} differ, and this model has one tensor for both; give --checkpoint a "
          "model whose head is its own",
          e.stored->file.string(), e.stored->name, h.stored->name);
    const StoredTensor* const both = !own_h && h.stored != nullptr && !h.copy   ? h.stored
                                     : !own_e && e.stored != nullptr && !e.copy ? e.stored
                                                                                : nullptr;
    if (both != nullptr && e.stored != nullptr && !own_e && !own_h)
      c_.same_.insert(e.stored->name);  // a copy of the head's
    const View before = shared.value;
    View common;
    if (both != nullptr) common = take(*both, both == h.stored ? head_name : shared.name, shared);
    if (own_h) {
      use_head({}, take(*h.stored, head_name, shared));
    } else if (own_e) {
      use_head(shared, common ? common : before);
      if (common) c_.changed_[head_name] = common;
    }
    if (own_e)
      use(shared, take(*e.stored, shared.name, shared));
    else if (common)
      use(shared, common);
    if (both == h.stored && common && !own_e) c_.changed_[shared.name] = common;
  }

  Found found(const std::string& plain) const {
    const auto at = found_.find(plain);
    return at == found_.end() ? Found{} : at->second;
  }

  /// From now on the head has a tensor of its own; `like` lends what it says of its memory.
  void use_head(const Param& like, const View& value) {
    auto head = std::make_unique<Param>();
    head->name = weights_.head().name + ".weight";
    head->shape = weights_.embedding->shape;
    head->value = value;
    head->in_arena = like.in_arena || !like.mapped;
    head->mapped = like.mapped && !head->in_arena;
    decoder_.head().use_weight(*head);
    c_.own_.push_back(std::move(head));
    c_.unties_ = true;
  }

  // The embedding becomes W + s (B A)'; a head that is tied to it keeps W, as in PEFT.
  void add_embedding() {
    const EmbeddingLora& lora = c_.lora_;
    if (lora.rank == 0) return;
    Param& table = *weights_.embedding;
    const std::string base = std::string(kPeftPrefix) + lora.module;
    c_.lora_a_ = own_tensor(base + ".lora_embedding_A", {lora.rank, table.rows()});
    c_.lora_b_ = own_tensor(base + ".lora_embedding_B", {table.cols(), lora.rank});
    c_.embedding_name_ = table.name;
    if (tied_ && !c_.unties_) {
      use_head(table, table.value);
      if (const auto changed = c_.changed_.find(table.name); changed != c_.changed_.end())
        c_.changed_[weights_.head().name + ".weight"] = changed->second;
    }
    if (!table.value) return;  // a session of the adapter alone
    const View before = table.value;
    use(table, fixed_.push(table.rows(), table.cols(), run_.activation));
    if (fixed_.measuring()) return;
    for_bands(before.rows, before.cols, [&](int64_t first, int64_t count) {
      const Tensor rows(count, before.cols, Dtype::kF32);
      copy_converted(before.row_range(first, count), rows.view());
      add_embedding_lora(rows.view(), first, c_.lora_a_, c_.lora_b_, lora.scale);
      copy_converted(rows.view(), table.value.row_range(first, count));
    });
  }

  View own_tensor(const std::string& name, const std::vector<int64_t>& shape) {
    const StoredTensor& stored = required_tensor(files_, name);
    check_tensor(stored, shape);
    const View value = place(stored, stored.rows(), stored.cols(), Dtype::kF32);
    c_.taken_.push_back({name, shape, value});
    return value;
  }

  void leave_residual(LinearSite& site, const LoraSize& lora) {
    if (tied_ && site.module() == weights_.head().name)
      fail(
          "{}: \"init_lora_weights\" is \"olora\", and the head, which is the embedding here, has "
          "a LoRA: "
          "that is not supported; merge the adapter with PEFT",
          c_.where_);
    c_.residuals_[site.module() + ".weight"] = lora;
    const View before = site.weight().value;
    if (!before) return;  // a session of the adapter alone
    auto left = std::make_unique<Param>();
    left->name = site.weight().name;
    left->shape = site.weight().shape;
    left->value = fixed_.push(before.rows, before.cols, run_.activation);
    left->in_arena = true;
    if (!fixed_.measuring()) {
      const Tensor values(before.rows, before.cols, Dtype::kF32);
      copy_converted(before, values.view());
      take_olora_out(values.view(), lora.rank, lora.scale, site.module());
      copy_converted(values.view(), left->value);
    }
    site.use_weight(*left);
    c_.own_.push_back(std::move(left));
  }

  // y = x W' + b + s (x A' B' + c): the site's bias becomes b + s c.
  void add_bias(LinearSite& site, const StoredTensor& stored) {
    if (!c_.settings_.lora_bias)
      fail(
          "{}: holds {}, and \"lora_bias\" is not set, so that PEFT would leave it out; set it, "
          "or remove the tensor",
          stored.file.string(), stored.name);
    const auto lora = loras_.find(site.module());
    if (lora == loras_.end()) return;  // load() finds that nobody took it
    const View own = own_tensor(stored.name, {site.out()});
    c_.added_biases_[site.module()] = {own, static_cast<float>(lora->second.scale)};
    auto bias = std::make_unique<Param>();
    bias->name = site.module() + ".bias";
    bias->shape = {site.out()};
    bias->value = fixed_.push(1, site.out(), Dtype::kF32);
    bias->in_arena = true;
    if (!fixed_.measuring()) {
      std::vector<float> values(static_cast<size_t>(site.out()));
      if (site.bias() != nullptr) values = host_values(site.bias()->value);
      const std::vector<float> added = host_values(own);
      for (size_t i = 0; i < values.size(); ++i)
        values[i] += static_cast<float>(lora->second.scale) * added[i];
      set_values(bias->value, values);
    }
    c_.new_biases_ |= site.bias() == nullptr;
    site.use_bias(*bias);
    c_.own_.push_back(std::move(bias));
  }

  BaseChanges& c_;
  Run& run_;
  const TensorFiles& files_;
  const std::map<std::string, LoraSize>& loras_;
  Decoder& decoder_;
  Weights& weights_;
  Arena& fixed_;
  std::map<std::string, Found> found_;
  bool tied_ = false;
};

void BaseChanges::attach(Run& run, const TensorFiles& files, const std::set<std::string>& copies,
                         const std::map<std::string, LoraSize>& loras, Decoder& decoder,
                         Weights& weights, Arena& fixed) {
  head_module_ = weights.head().name;
  Attaching(*this, run, files, copies, loras, decoder, weights, fixed).all();
  if (settings_.lora_bias)
    for (const auto& [module, _] : loras)
      if (!added_biases_.contains(module))
        fail("{}: \"lora_bias\" is set, and the adapter has no {}{}{}; is it for another model?",
             where_, kPeftPrefix, module, kBiasOfB);
  if (!changed_.empty() && !fixed.measuring())
    log_info("{}: {} in the place of the base's", where_,
             changed_.size() == 1 ? fmt::format("its {} is used", changed_.begin()->first)
                                  : fmt::format("{} of its tensors ({}, …) are used",
                                                changed_.size(), changed_.begin()->first));
}

void BaseChanges::load(AdapterReader& reader) const {
  for (const Taken& taken : taken_) reader.find(taken.name);
  for (const std::string& name : same_) reader.find(name);
}

void BaseChanges::save(SavedAdapter& saved) const {
  for (const Taken& taken : taken_) {
    const Tensor values(taken.value.rows, taken.value.cols, Dtype::kF32);
    copy_converted(taken.value, values.view());
    saved.tensors.push_back({taken.name, taken.shape, host_values(values.view())});
  }
}

bool BaseChanges::merges_into(const std::string& name) const {
  return changed_.contains(name) || residuals_.contains(name) ||
         (lora_a_ && name == embedding_name_) ||
         (name.ends_with(".bias") && added_biases_.contains(module_of(name)));
}

void BaseChanges::merge_tensor(const std::string& name, const View& values) const {
  if (const auto found = changed_.find(name); found != changed_.end())
    copy_converted(found->second, values);
  if (const auto found = residuals_.find(name); found != residuals_.end())
    take_olora_out(values, found->second.rank, found->second.scale, name);
  if (lora_a_ && name == embedding_name_)
    add_embedding_lora(values, 0, lora_a_, lora_b_, lora_.scale);
  if (!name.ends_with(".bias")) return;
  if (const auto found = added_biases_.find(module_of(name)); found != added_biases_.end()) {
    const std::vector<float> added = host_values(found->second.own);
    for (size_t i = 0; i < added.size(); ++i)
      values.row<float>(0)[i] += found->second.scale * added[i];
  }
}

void BaseChanges::change_config(ModelConfig& config) const {
  if (added_biases_.contains(head_module_))
    fail(
        "{}: the adapter adds a bias to the head (\"lora_bias\"), for which a model has no place; "
        "use it with --adapter",
        where_);
  if (unties_) config.tied_head = false;
  if (new_biases_) config.set_biases(true);
}

}  // namespace falconer
