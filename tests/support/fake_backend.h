// An engine that answers by a script, for tests of the server in front of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/quiet_thread.h"
#include "serve/backend.h"
#include "support/paths.h"

namespace falconer::test {

/// Answers each request on a thread of its own. Its model writes with the tokenizer of the demo's checkpoint.
class FakeBackend : public serve::Backend {
 public:
  using Script = std::function<std::vector<EngineProgress>(const EngineRequest&)>;

  FakeBackend() {
    tokenizer_ = std::make_shared<const Tokenizer>(
        Tokenizer::load(std::filesystem::path(source_dir()) / "demo" / "checkpoint"));
    texts_[""] =
        std::make_shared<const ModelTexts>(tokenizer_, PromptStyle::named("falcon"), false);
  }
  ~FakeBackend() override {
    hold(false);
    for (std::thread& thread : threads_) thread.join();
  }

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// Says `text` token by token.
  Script says(const std::string& text) const {
    return [this, text](const EngineRequest& request) {
      std::vector<EngineProgress> made;
      for (const int32_t id : tokenizer_->encode(text)) {
        made.emplace_back();
        made.back().ids = {id};
        made.back().text = tokenizer_->token_bytes(id);
        if (request.chances >= 0) made.back().chances = {chances(id, request.chances)};
      }
      if (request.prompt_chances)
        for (size_t i = 1; i < request.prompt.size(); ++i)
          made.front().prompt_chances.push_back(chances(request.prompt[i], request.chances));
      made.back().finish_reason = "stop";
      return made;
    };
  }
  static TokenChances chances(int32_t id, int most) {
    TokenChances made{.id = id, .chosen = -0.5f - static_cast<float>(id % 7), .most_likely = {}};
    for (int i = 0; i < most; ++i)
      made.most_likely.emplace_back(id + i, made.chosen - static_cast<float>(i));
    return made;
  }

  void script(Script script) { script_ = std::move(script); }
  /// Whether answers wait before their last part.
  void hold(bool on) {
    {
      const std::scoped_lock lock(mutex_);
      held_ = on;
    }
    changed_.notify_all();
  }
  std::vector<EngineRequest> requests() {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }
  size_t cancelled() {
    const std::scoped_lock lock(mutex_);
    return cancelled_.size();
  }
  void add_adapter(const std::string& name, const std::string& style = "chatml") {
    const std::scoped_lock lock(mutex_);
    texts_[name] = std::make_shared<const ModelTexts>(tokenizer_, PromptStyle::named(style), false);
  }
  /// With a chat template of its own.
  void add_style(const std::string& name, const std::string& chat_template) {
    const std::scoped_lock lock(mutex_);
    texts_[name] = std::make_shared<const ModelTexts>(
        tokenizer_, PromptStyle::recorded("chat", chat_template, TemplateFiles({}, "none")), false);
  }

  uint64_t submit(EngineRequest request, Engine::OnProgress on_progress) override {
    const std::scoped_lock lock(mutex_);
    if (request.prompt.size() == 13) fail("the prompt has an unlucky number of tokens");
    requests_.push_back(request);
    const uint64_t number = ++last_;
    threads_.push_back(quiet_thread([this, number, on_progress, parts = script_(request)] {
      for (size_t i = 0; i < parts.size(); ++i) {
        std::unique_lock waiting(mutex_);
        const auto goes_on = [&] {
          return !held_ || i + 1 < parts.size() || cancelled_.contains(number);
        };
        changed_.wait(waiting, goes_on);
        const bool ended = cancelled_.contains(number);
        waiting.unlock();
        EngineProgress end;
        end.finish_reason = "cancelled";
        on_progress(ended ? end : parts[i]);
        if (ended) return;
      }
    }));
    return number;
  }
  void cancel(uint64_t number) override {
    {
      const std::scoped_lock lock(mutex_);
      cancelled_.insert(number);
    }
    changed_.notify_all();
  }
  EngineState state() const override {
    return {.running = 3,
            .waiting = 2,
            .cache_pages = 100,
            .cache_pages_used = 40,
            .generated_tokens = 1234};
  }
  void load_adapter(const std::string& name, const std::string& path) override {
    if (path.ends_with("broken")) fail("{}: is no adapter", path);
    loaded_from = path;
    add_adapter(name);
  }
  void unload_adapter(const std::string& name) override {
    const std::scoped_lock lock(mutex_);
    texts_.erase(name);
  }
  void shut_down(double) override {
    if (before_shut_down) before_shut_down();
    {
      const std::scoped_lock lock(mutex_);
      for (uint64_t i = 1; i <= last_; ++i) cancelled_.insert(i);
    }
    changed_.notify_all();
  }
  std::vector<std::string> adapters() const override {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, texts] : texts_)
      if (!name.empty()) names.push_back(name);
    return names;
  }
  std::shared_ptr<const ModelTexts> texts(const std::string& adapter) const override {
    const std::scoped_lock lock(mutex_);
    const auto found = texts_.find(adapter);
    return found == texts_.end() ? nullptr : found->second;
  }

  std::string loaded_from;
  std::function<void()> before_shut_down;  // on the thread that shuts it down

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  Script script_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::shared_ptr<const ModelTexts>> texts_;
  std::vector<EngineRequest> requests_;
  std::set<uint64_t> cancelled_;
  std::vector<std::thread> threads_;
  uint64_t last_ = 0;
  bool held_ = false;
};

}  // namespace falconer::test
