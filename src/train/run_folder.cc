#include "train/run_folder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json_file.h"
#include "base/json_number.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/path.h"
#include "base/system.h"
#include "checkpoint/gguf_tokenizer.h"
#include "checkpoint/safetensors_writer.h"
#include "data/batches.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "ops/optimizer.h"
#include "tensor/buffer.h"
#include "train/optimizer_file.h"
#include "train/sums.h"
#include "train/whole_tensors.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

constexpr int kRecordFormat = 1;  // of falconer.json
constexpr std::string_view kCheckpointName = "checkpoint-";

nlohmann::json parse_file(const fs::path& path) {
  return read_json_object(path, size_t{1} << 28, "give another checkpoint of the run");
}

View view_of(const SavedTensor& tensor) {
  const int64_t n = static_cast<int64_t>(tensor.values.size());
  return {const_cast<float*>(tensor.values.data()), 1, n, n, Dtype::kF32};
}

void save_adapter(const fs::path& folder, Session& session, const std::string& base) {
  const SavedAdapter saved = session.method()->save();
  auto config = nlohmann::ordered_json::parse(saved.config_json);
  if (config.contains("base_model_name_or_path")) config["base_model_name_or_path"] = base;
  write_file(folder / "adapter_config.json", json_text(config, 2) + "\n");
  std::vector<NamedView> views;
  for (const SavedTensor& tensor : saved.tensors)
    views.push_back({tensor.name, tensor.shape, view_of(tensor)});
  SafetensorsWriter::Metadata metadata = saved.metadata;
  metadata["format"] = "pt";
  write_safetensors(folder / "adapter_model.safetensors", views, metadata);
}

}  // namespace

std::string ModelRecord::chat_template() const {
  if (prompt_style.empty() || prompt_style == "raw" || prompt_style == "chat" ||
      prompt_template.empty())
    return "";
  return (prompt_style.starts_with("chat:") ? "" : kPlaceOfBegin) + prompt_template;
}

void write_model_folder(const fs::path& folder, const fs::path& source, const ModelConfig& config,
                        Dtype dtype, const std::string& chat_template, const SideFiles* files) {
  nlohmann::ordered_json json =
      nlohmann::ordered_json::parse(config_json_of(source.string(), config));
  nlohmann::json plain = json;
  architecture(config.family).write_config(config, plain);
  for (const auto& [key, value] : plain.items()) json[key] = value;
  json.erase("auto_map");             // code of a repository that is not here
  json.erase("quantization_config");  // the numbers are plain ones
  const char* name = torch_name(dtype);
  json.contains("dtype") ? json["dtype"] = name : json["torch_dtype"] = name;
  write_file(folder / "config.json", json_text(json, 2) + "\n");
  for (const auto& [file, content] :
       with_chat_template(files != nullptr ? *files : side_files(source), chat_template))
    write_file(folder / file, content);
}

namespace {

std::vector<RankTensor> values_of(Session& session) {
  std::vector<RankTensor> values;
  for (const auto& param : session.weights().params) {
    values.push_back(value_of(*param));
    values.back().name = name_in_files(session.config(), param->name);
  }
  return values;
}

void save_whole_model(const fs::path& folder, Session& session, const ModelRecord& record) {
  const SessionOptions& options = session.options();
  const std::string& source = options.source.empty() ? options.checkpoint : options.source;
  const Dtype dtype = session.run().activation;
  if (!writes_files(session)) return help_write(session, values_of(session));
  write_model_folder(folder, source, session.config(), dtype, record.chat_template());
  std::vector<TensorSpec> specs;
  for (const auto& param : session.weights().params)
    specs.push_back({name_in_files(session.config(), param->name), dtype, param->shape});
  auto writer = SafetensorsWriter::sharded(folder, std::move(specs), kShardBytes);
  write_tensors(writer, session, values_of(session));
}

[[noreturn]] void fail_read_back(const fs::path& folder, const std::string& name) {
  fail("{}: {} reads back differently than it was written; the disk may be failing",
       folder.string(), name);
}

void verify_whole_model(const fs::path& folder, Session& session) {
  if (!writes_files(session)) return help_write(session, values_of(session));
  const TensorFiles files = TensorFiles::open_folder(folder);
  for (const RankTensor& tensor : values_of(session)) {
    const StoredTensor* stored = files.find(tensor.name);
    if (stored == nullptr || stored->size() != tensor.rows * tensor.cols)
      fail_read_back(folder, tensor.name);
    for_whole_bands(session.options().ranks, tensor, [&](int64_t first, const View& band) {
      const Tensor expected(band.rows, band.cols, stored->dtype);
      copy_converted(band, expected.view());
      const View read = stored->view().row_range(first, band.rows);
      if (std::memcmp(read.data, expected.view().data, read.bytes()) != 0)
        fail_read_back(folder, tensor.name);
      if (stored->mapped) forget_pages({static_cast<const std::byte*>(read.data), read.bytes()});
    });
  }
}

// Re-reads what was written: an adapter that was saved empty or cut short must never be found out a
// week later.
void verify_saved(const fs::path& folder, Session& session) {
  if (session.method()->saves_whole_model()) return verify_whole_model(folder, session);
  if (!writes_files(session)) return;
  const TensorFiles files = TensorFiles::open_file(folder / "adapter_model.safetensors");
  for (const SavedTensor& tensor : session.method()->save().tensors) {
    const StoredTensor* stored = files.find(tensor.name);
    if (stored == nullptr || stored->bytes.size() != tensor.values.size() * sizeof(float) ||
        std::memcmp(stored->bytes.data(), tensor.values.data(), stored->bytes.size()) != 0)
      fail_read_back(folder, tensor.name);
  }
}

void write_record(const fs::path& folder, const ModelRecord& record) {
  nlohmann::ordered_json json;
  json["format"] = kRecordFormat;
  json["method"] = record.method;
  json["prompt_style"] = record.prompt_style;
  json["prompt_template"] = record.prompt_template;
  json["base_checkpoint"] = record.base_checkpoint;
  if (!record.quantisation.empty()) json["quantisation"] = record.quantisation;
  json["settings"] = record.settings;
  if (!record.data.empty()) json["data"] = record.data;
  for (const auto& [name, hash] : record.hashes)
    if (!hash.empty()) json["hashes"][name] = hash;
  write_file(folder / "falconer.json", json_text(json, 2) + "\n");
}

void check_room(const fs::path& folder, Session& session) {
  const int64_t bytes = checkpoint_bytes(session) + (1 << 20);
  const int64_t free = free_disk_bytes(folder.c_str());
  if (free >= 0 && free < bytes)
    fail(
        "{}: {:.1f} MB are free, and a checkpoint needs {:.1f} MB; make room or choose another "
        "--out",
        folder.string(), static_cast<double>(free) / 1e6, static_cast<double>(bytes) / 1e6);
}

constexpr int64_t kFloatBytes = sizeof(float);  // of what learns, and of its optimizer's state

int64_t trained_numbers(Session& session) {
  int64_t count = 0;
  for (const Param* param : session.method()->params()) count += param->size();
  return count;
}

}  // namespace

int64_t model_bytes(Session& session) {
  if (!session.method()->saves_whole_model()) return trained_numbers(session) * kFloatBytes;
  int64_t count = 0;
  for (const auto& param : session.weights().params) count += param->size();
  return count * static_cast<int64_t>(size_of(session.run().activation));
}

int64_t checkpoint_bytes(Session& session) {
  size_t bytes = 0;
  for (const RankTensor& tensor : optimizer_tensors(session))
    bytes += static_cast<size_t>(tensor.rows * tensor.cols) * size_of(tensor.dtype);
  return model_bytes(session) + static_cast<int64_t>(bytes);
}

namespace {

void save_verified(const fs::path& folder, Session& session, const ModelRecord& record) {
  if (session.method()->saves_whole_model())
    save_whole_model(folder, session, record);
  else if (writes_files(session))
    save_adapter(folder, session, record.base_checkpoint);
  if (writes_files(session)) write_record(folder, record);
  verify_saved(folder, session);
}

}  // namespace

std::optional<std::string> not_finite(Session& session) {
  // A sum of squares in f64 is finite where every f32 is.
  const auto finite = [&](const View& view) {
    return view.dtype == Dtype::kU8 || std::isfinite(sum_of_squares(session.run(), view));
  };
  // Whatever a rank finds in its pieces, all say the first.
  const auto& params = session.method()->params();
  const auto& learners = session.learners().all();
  std::vector<double> wrong(2 * params.size(), 0);
  for (size_t i = 0; i < learners.size(); ++i) {
    wrong[2 * learners[i].number] += !finite(learners[i].value);
    for (const View& slot : session.optimizer_state()[i])
      wrong[2 * learners[i].number + 1] += !finite(slot);
  }
  const std::vector<double> all = numbers_of_all(session.options().ranks, wrong);
  for (size_t i = 0; i < all.size(); ++i) wrong[i % wrong.size()] += all[i];
  const auto first = std::find_if(wrong.begin(), wrong.end(), [](double n) { return n > 0; });
  if (first == wrong.end()) return {};
  const auto at = static_cast<size_t>(first - wrong.begin());
  return (at % 2 == 0 ? "" : "the optimizer's state of ") + params[at / 2]->name;
}

void save_model(const fs::path& folder, Session& session, const ModelRecord& record) {
  if (!writes_files(session)) return save_verified({}, session, record);
  AtomicFolder made(folder);
  save_verified(made.folder(), session, record);
  write_sums(made.folder());
  made.commit();
}

std::optional<ModelRecord> read_record(const fs::path& folder) {
  const fs::path path = folder / "falconer.json";
  if (!fs::is_directory(folder) || !fs::exists(path)) return {};
  const nlohmann::json json = parse_file(path);
  const JsonFields fields(json, path.string());
  const int64_t format = fields.whole("format", {.least = 1}).value_or(kRecordFormat);
  if (format > kRecordFormat)
    fail("{}: is of format {}, and this falconer reads up to {}; use a newer one", path.string(),
         format, kRecordFormat);
  const auto text = [&](const char* key) { return fields.text(key).value_or(""); };
  const auto texts = [&](const char* key) {
    std::map<std::string, std::string> all;
    const nlohmann::json* found = fields.find(key);
    if (found == nullptr) return all;
    const JsonFields members(*found, fmt::format("{}: \"{}\"", path.string(), key));
    for (const auto& [name, value] : found->items())
      all[name] = members.text(name.c_str()).value_or("");
    return all;
  };
  return ModelRecord{.method = text("method"),
                     .prompt_style = text("prompt_style"),
                     .base_checkpoint = text("base_checkpoint"),
                     .settings = texts("settings"),
                     .prompt_template = text("prompt_template"),
                     .data = texts("data"),
                     .hashes = texts("hashes"),
                     .quantisation = text("quantisation")};
}

namespace {

// One that cannot be read is left for who wants to look.
bool was_by_time(const fs::path& checkpoint) {
  try {
    return read_train_state(checkpoint).by_time;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

void save_checkpoint(const fs::path& run_folder, Session& session, const ModelRecord& record,
                     const TrainState& state, int keep) {
  if (!writes_files(session)) {
    save_verified({}, session, record);
    return save_optimizer({}, session);
  }
  check_room(run_folder, session);
  AtomicFolder folder(run_folder / fmt::format("checkpoint-{}", state.step));
  save_verified(folder.folder(), session, record);
  save_optimizer(folder.folder() / "optimizer.safetensors", session);
  nlohmann::ordered_json json;
  json["step"] = state.step;
  json["tokens"] = state.tokens;
  json["seconds"] = state.seconds;
  json["best_eval_loss"] = state.best_eval_loss;
  json["best_step"] = state.best_step;
  json["evals_without_gain"] = state.evals_without_gain;
  json["skipped_steps"] = state.skipped_steps;
  if (state.by_time) json["by_time"] = true;
  json["recent_losses"] = state.recent.losses;
  json["recent_norms"] = state.recent.norms;
  write_file(folder.folder() / "trainer_state.json", json_text(json, 2) + "\n");
  write_sums(folder.folder());
  folder.commit();
  prune_checkpoints(run_folder, keep);
}

void prune_checkpoints(const fs::path& run_folder, int keep) {
  const std::vector<fs::path> all = list_checkpoints(run_folder);
  for (size_t i = static_cast<size_t>(std::max(keep, 1)); i < all.size(); ++i)
    if (keep > 0 || was_by_time(all[i])) remove_folder(all[i]);
}

std::vector<fs::path> list_checkpoints(const fs::path& run_folder) {
  std::vector<std::pair<int64_t, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || !name.starts_with(kCheckpointName)) continue;
    // By number, not by name: "checkpoint-1000" is newer than "checkpoint-999".
    const std::string digits = name.substr(kCheckpointName.size());
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    if (digits.size() < 18) found.emplace_back(std::stoll(digits), entry.path());
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

void check_checkpoint(const fs::path& checkpoint) {
  const int64_t step = read_train_state(checkpoint).step;
  const std::string name = checkpoint.filename().string();
  if (name.starts_with(kCheckpointName) && name != fmt::format("{}{}", kCheckpointName, step))
    fail("{}: trainer_state.json is of step {}", checkpoint.string(), step);
  if (const auto wrong = check_sums(checkpoint); wrong && !wrong->empty())
    fail("{}: {}", checkpoint.string(), wrong->front());
  TensorFiles::open_file(checkpoint / "optimizer.safetensors");
}

TrainState read_train_state(const fs::path& checkpoint) {
  const fs::path path = checkpoint / "trainer_state.json";
  constexpr const char* kExpected = "a folder checkpoint-<step> of a run";
  if (!is_there(checkpoint))
    fail("{}: {}", checkpoint.string(), not_found_text(checkpoint, kExpected));
  if (!fs::exists(path))
    fail("{}: trainer_state.json is missing; expected {}", checkpoint.string(), kExpected);
  constexpr RealRange kNumber{.least = 0};
  const nlohmann::json json = parse_file(path);
  const JsonFields fields(json, path.string());
  const int64_t step = fields.required_whole("step", {0, kMostSteps});
  TrainState state{
      .step = step,
      .tokens = fields.required_whole("tokens", kNotNegative),
      .seconds = fields.required_real("seconds", kNumber),
      .best_eval_loss = fields.real("best_eval_loss").value_or(0),
      .best_step = fields.required_whole("best_step", {-1, step}),
      .evals_without_gain = fields.required_whole("evals_without_gain", kNotNegative),
      .skipped_steps = fields.required_whole("skipped_steps", {0, step}),
      .by_time = fields.boolean("by_time").value_or(false),
      .recent = {fields.reals("recent_losses"), fields.reals("recent_norms", kNumber)}};
  // A version that took a loss of NaN for the best one wrote null.
  if (fields.find("best_eval_loss") == nullptr) state.best_step = -1;
  if (state.recent.losses.size() != state.recent.norms.size() ||
      state.recent.losses.size() > SpikeGuard::kWindow)
    fail(
        "{}: has {} \"recent_losses\" and {} \"recent_norms\"; expected as many of both, {} at "
        "most",
        path.string(), state.recent.losses.size(), state.recent.norms.size(), SpikeGuard::kWindow);
  return state;
}

}  // namespace falconer
