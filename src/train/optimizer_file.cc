#include "train/optimizer_file.h"

#include "checkpoint/safetensors_writer.h"
#include "model/arch/architecture.h"

namespace falconer {
namespace fs = std::filesystem;
namespace {

// A tensor that the model's files hold in fewer bits than it learns in.
bool stores_master(Session& session, const Param& param) {
  return session.method()->saves_whole_model() && session.run().activation != value_of(param).dtype;
}

}  // namespace

std::vector<RankTensor> optimizer_tensors(Session& session) {
  std::vector<RankTensor> all;
  const auto& params = session.method()->params();
  for (size_t i = 0; i < params.size(); ++i) {
    if (stores_master(session, *params[i])) {
      all.push_back(value_of(*params[i]));
      all.back().name += ".value";
    }
    for (RankTensor& slot : moments_of(session, i)) all.push_back(std::move(slot));
  }
  return all;
}

void save_optimizer(const fs::path& path, Session& session) {
  const std::vector<RankTensor> tensors = optimizer_tensors(session);
  if (!writes_files(session)) return help_write(session, tensors);
  std::vector<TensorSpec> specs;
  for (const RankTensor& tensor : tensors)
    specs.push_back({tensor.name, tensor.dtype, {tensor.rows, tensor.cols}});
  SafetensorsWriter writer(path, std::move(specs));
  write_tensors(writer, session, tensors);
}

void restore_optimizer(const fs::path& checkpoint, Session& session) {
  TensorFiles files = TensorFiles::open_file(checkpoint / "optimizer.safetensors");
  std::map<std::string, std::string> names;  // of a version that had the files' names
  for (const auto& [name, tensor] : files.tensors())
    names[name] = name_from_files(architecture(session.config().family), name);
  files.rename(names);
  const int rank = session.options().division.rank;
  for (const RankTensor& to : optimizer_tensors(session)) {
    const StoredTensor* stored = files.find(to.name);
    const int64_t size = to.rows * to.cols;
    if (stored == nullptr || stored->dtype != to.dtype || stored->size() != size)
      fail(
          "{}: {} is missing, or of another shape or dtype than {} x {} in {}; resume with the "
          "--optimizer and --master-weights of the first run",
          (checkpoint / "optimizer.safetensors").string(), to.name, to.rows, to.cols,
          name_of(to.dtype));
    const View from = stored->view().reshape(1, size);
    if (to.parts.empty()) copy_converted(from, to.whole.reshape(1, size));
    for (const RankTensor::Part& part : to.parts)
      if (part.own.size() > 0)
        copy_converted(
            from.col_range(part.first + part.bounds[static_cast<size_t>(rank)], part.own.size()),
            part.own);
    stored->forget();
  }
}

}  // namespace falconer
