// An engine with a model, for the server in front of it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "falconer/serve.h"
#include "serve/backend.h"

namespace falconer {

class ModelBackend : public serve::Backend {
 public:
  /// Reads the model, which `options` name, and all their adapters. Errors: whatever is wrong with one of them; the memory
  /// for keys and values is too small.
  explicit ModelBackend(const ServeOptions& options);

  /// Of the base.
  const ModelConfig& config() const { return config_; }
  const std::string& checkpoint() const { return options_.checkpoint; }

  uint64_t submit(EngineRequest request, Engine::OnProgress on_progress) override {
    return engine_->submit(std::move(request), std::move(on_progress));
  }
  void cancel(uint64_t number) override { engine_->cancel(number); }
  EngineState state() const override { return engine_->state(); }
  void load_adapter(const std::string& name, const std::string& path) override;
  void unload_adapter(const std::string& name) override;
  void shut_down(double seconds) override { engine_->shut_down(seconds); }
  std::vector<std::string> adapters() const override { return engine_->adapters(); }
  std::shared_ptr<const ModelTexts> texts(const std::string& adapter) const override;

 private:
  void check_adapter(const std::string& path) const;
  void keep_texts(const std::string& name, const std::string& path);

  ModelOptions options_;                        // its paths are local ones
  std::shared_ptr<const Tokenizer> tokenizer_;  // of the base; null: there is none
  ModelConfig config_;
  std::unique_ptr<Engine> engine_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const ModelTexts>> texts_;  // guarded by the mutex
};

}  // namespace falconer
