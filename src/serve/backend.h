// What the server asks of whoever computes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/engine.h"
#include "text/model_texts.h"

namespace falconer::serve {

/// The engine, and how its model and adapters read and write text. From any thread.
class Backend {
 public:
  virtual ~Backend() = default;

  // As Engine's.
  virtual uint64_t submit(EngineRequest request, Engine::OnProgress on_progress) = 0;
  virtual void cancel(uint64_t number) = 0;
  virtual EngineState state() const = 0;
  virtual void load_adapter(const std::string& name, const std::string& path) = 0;
  virtual void unload_adapter(const std::string& name) = 0;
  virtual void shut_down(double seconds) = 0;

  /// Names of those that are loaded, sorted.
  virtual std::vector<std::string> adapters() const = 0;
  /// Of an adapter; of the base where `adapter` is empty. Null: there is none of that name.
  virtual std::shared_ptr<const ModelTexts> texts(const std::string& adapter) const = 0;
};

/// What is served.
struct ServedModel {
  std::string name;                   // of the base
  int64_t context = 0;                // tokens that a prompt and its answer may have together
  int64_t vocab = 0;                  // ids are below it
  std::vector<int32_t> ends;          // tokens that end an answer, by the model's own files
  SamplingOptions defaults;           // of fields that a request does not have
  std::optional<int64_t> max_tokens;  // the same, of chats
  int64_t created = 0;                // seconds since 1970
};

}  // namespace falconer::serve
