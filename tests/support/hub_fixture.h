// A cache of a test's own, and a hub that fills it.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "base/random.h"
#include "hub/download.h"
#include "support/errors.h"
#include "support/fake_hub.h"
#include "support/temp_folder.h"

namespace falconer::test {

/// Bytes that nothing compresses and no two places share.
inline std::string noise(size_t size, uint64_t seed = 1) {
  const RandomStream stream(seed, RandomPurpose::kTest);
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(stream.word(i / 4) >> (i % 4 * 8));
  return bytes;
}

/// What a small model's repository holds, and what is of no use to us.
inline std::map<std::string, FakeFile> model_files() {
  return {{"config.json", {"{\"model_type\": \"falcon\"}"}},
          {"tokenizer.json", {noise(30000, 2), true}},
          {"tokenizer_config.json", {"{}"}},
          {"model.safetensors", {noise(300000, 3), true}},
          {"pytorch_model.bin", {noise(300000, 4), true}},
          {"README.md", {"# Model"}},
          {"onnx/model.onnx", {noise(1000, 5), true}}};
}

class HubFixture : public ::testing::Test {
 protected:
  hub::Settings settings() const { return settings_for(hub_); }
  hub::Settings settings_for(const FakeHub& hub) const {
    hub::Settings s;
    s.endpoint = hub.endpoint();
    s.cache = folder_ / "hub";
    s.connect_seconds = 2;
    s.stall_seconds = 1;
    s.tries = 4;
    s.first_delay = 0.01;
    return s;
  }
  static hub::DownloadRequest request(const std::string& id) {
    hub::DownloadRequest r;
    r.repo.id = id;
    return r;
  }
  hub::Download get(const std::string& id) const { return hub::download(settings(), request(id)); }
  std::filesystem::path repo_folder() const { return folder_ / "hub" / "models--org--model"; }
  std::filesystem::path blob(const std::string& hash) const {
    return repo_folder() / "blobs" / hash;
  }
  /// Names in the folder of blobs.
  std::vector<std::string> blobs() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(repo_folder() / "blobs"))
      names.push_back(entry.path().filename());
    return names;
  }

  TempFolder folder_;
  FakeHub hub_;
};

}  // namespace falconer::test
