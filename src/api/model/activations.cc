#include "api/model/activations.h"

#include <optional>

#include "api/model/logits.h"
#include "base/joined.h"
#include "base/output.h"
#include "checkpoint/safetensors_writer.h"
#include "ops/pass_observer.h"

namespace falconer {
namespace {

/// The dry run says what there will be, the real one has the values, in the same order.
class ActivationsFile : public PassObserver {
 public:
  ActivationsFile(const std::filesystem::path& path, SafetensorsWriter::Metadata metadata)
      : path_(path), metadata_(std::move(metadata)) {}

  void made(const Run& run, const PassPart& part, const View& values) override {
    if (run.dry) {
      const std::string name =
          part.layer < 0 ? part.name : fmt::format("layers.{}.{}", part.layer, part.name);
      specs_.push_back({name, Dtype::kF32, {values.rows, values.cols}});
      return;
    }
    if (!writer_) writer_.emplace(path_, std::move(specs_), std::move(metadata_));
    writer_->write(values);
  }
  void commit() { writer_->commit(); }

 private:
  std::filesystem::path path_;
  SafetensorsWriter::Metadata metadata_;
  std::vector<TensorSpec> specs_;
  std::optional<SafetensorsWriter> writer_;
};

/// An observer of a session's passes, while it lives.
class Observed {
 public:
  Observed(Session& session, PassObserver& observer) : run_(session.run()), before_(run_.observer) {
    run_.observer = &observer;
  }
  Observed(const Observed&) = delete;
  Observed& operator=(const Observed&) = delete;
  ~Observed() { run_.observer = before_; }

 private:
  Run& run_;
  PassObserver* before_;
};

}  // namespace

void write_activations(Session& session, std::span<const int32_t> ids,
                       const std::filesystem::path& path) {
  const SessionOptions& options = session.options();
  SafetensorsWriter::Metadata metadata = {
      {"ids", fmt::format("[{}]", joined(ids, ", "))},
      {"checkpoint", options.checkpoint},
      {"precision", session.run().activation == Dtype::kF32 ? "f32" : "bf16"}};
  if (!session.adapter().empty()) metadata["adapter"] = session.adapter_path();
  write_marked(path, [&](const std::filesystem::path& place) {
    ActivationsFile file(place, metadata);
    const Observed observed(session, file);
    unchecked_logits_of(session, ids);
    file.commit();
  });
}

}  // namespace falconer
