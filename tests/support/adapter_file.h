// Adapters as PEFT, LitGPT and Lit-Parrot would have saved them, made by hand.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/torch_zip_writer.h"

namespace falconer::test {

/// Random tensors under names, and settings beside them.
class AdapterFile {
 public:
  nlohmann::ordered_json config;
  std::map<std::string, std::vector<int64_t>> shapes;
  std::map<std::string, std::vector<float>> values;

  void add(const std::string& name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::vector<float> made;
    const RandomStream random(static_cast<uint32_t>(values.size()), RandomPurpose::kTest);
    for (int64_t i = 0; i < count; ++i)
      made.push_back(0.1f * random.normal(static_cast<uint64_t>(i)));
    shapes[name] = std::move(shape);
    values[name] = std::move(made);
  }
  /// A LoRA of PEFT's on a module.
  void add_lora(const std::string& module, int64_t out, int64_t in, int64_t rank) {
    add("base_model.model." + module + ".lora_A.weight", {rank, in});
    add("base_model.model." + module + ".lora_B.weight", {out, rank});
  }
  void rename(const std::string& from, const std::string& to) {
    shapes[to] = shapes.at(from);
    values[to] = values.at(from);
    shapes.erase(from);
    values.erase(from);
  }

  /// A folder with adapter_config.json and adapter_model.safetensors, or ".bin".
  std::string write(const std::filesystem::path& folder, bool bin = false,
                    const SafetensorsWriter::Metadata& metadata = {}) const {
    make_folder(folder);
    write_file(folder / "adapter_config.json", config.dump());
    if (bin)
      write_pth(folder / "adapter_model.bin");
    else
      write_safetensors(folder / "adapter_model.safetensors", views(), metadata);
    return folder.string();
  }
  /// The tensors alone, as torch.save writes them.
  std::string write_pth(const std::filesystem::path& path) const {
    std::vector<TensorSpec> specs;
    for (const NamedView& view : views()) specs.push_back({view.name, Dtype::kF32, view.shape});
    TorchZipWriter writer(path, specs);
    for (const NamedView& view : views()) writer.write(view.values);
    writer.commit();
    return path.string();
  }

 private:
  std::vector<NamedView> views() const {
    std::vector<NamedView> all;
    for (const auto& [name, shape] : shapes) {
      const std::vector<float>& of = values.at(name);
      const auto n = static_cast<int64_t>(of.size());
      all.push_back({name, shape, {const_cast<float*>(of.data()), 1, n, n, Dtype::kF32}});
    }
    return all;
  }
};

}  // namespace falconer::test
