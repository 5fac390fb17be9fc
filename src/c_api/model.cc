// A model at work.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "c_api/settings.h"
#include "falconer/use.h"

struct falconer_model {
  explicit falconer_model(falconer::Model opened) : model(std::move(opened)) { adapter_changed(); }
  void adapter_changed() {
    prompt_style = model.prompt_style();
    adapter = model.adapter();
  }

  falconer::Model model;
  std::string prompt_style, adapter;
};

namespace falconer::c_api {
namespace {

struct OwnedIds : falconer_ids {
  std::vector<int32_t> all;
};
OwnedIds* owned(std::vector<int32_t> ids) {
  auto made = std::make_unique<OwnedIds>();
  made->all = std::move(ids);
  made->ids = made->all.data();
  made->count = made->all.size();
  return made.release();
}

/// Completions, and what they point into.
struct OwnedCompletions : falconer_completions {
  std::vector<Completion> all;
  std::vector<falconer_completion> shown;
};
OwnedCompletions* owned(std::vector<Completion> completions) {
  auto made = std::make_unique<OwnedCompletions>();
  made->all = std::move(completions);
  for (const Completion& one : made->all)
    made->shown.push_back({.prompt = {one.prompt_ids.data(), one.prompt_ids.size()},
                           .answer = {one.ids.data(), one.ids.size()},
                           .text = one.text.c_str(),
                           .text_size = one.text.size(),
                           .finish_reason = one.finish_reason.c_str(),
                           .prefill_tokens_per_second = one.prefill_tokens_per_second,
                           .decode_tokens_per_second = one.decode_tokens_per_second});
  made->items = made->shown.data();
  made->count = made->shown.size();
  return made.release();
}

std::vector<int32_t> ids_of(const int32_t* ids, size_t count) {
  if (count > 0) need(ids, "ids");
  return {ids, ids + count};
}

/// Who is told of new text.
struct Reader {
  falconer_on_text on_text;
  void* context;
};

std::vector<Completion> generate(Model& model, const std::vector<std::vector<int32_t>>& prompts,
                                 const SamplingSettings& sampling, Reader reader,
                                 falconer_cancel& cancel) {
  const SignalsHeld held;
  Model::OnText on_text;
  if (reader.on_text != nullptr)
    on_text = [&](size_t prompt, std::string_view text) {
      const std::string ended(text);
      if (held.released([&] {
            return reader.on_text(prompt, ended.c_str(), ended.size(), reader.context);
          }) != 0)
        cancel.requested = true;
    };
  return model.generate(prompts, sampling, on_text, &cancel.requested);
}

}  // namespace
}  // namespace falconer::c_api

using namespace falconer::c_api;  // NOLINT: what this file is about

falconer_status falconer_model_open(const falconer_setting* settings, size_t count,
                                    falconer_model** model) {
  return call([&] {
    need(model, "model");
    *model = nullptr;
    falconer::ModelOptions options;
    set_all(options, settings, count);
    if (options.checkpoint.empty())
      falconer::fail_usage("--checkpoint is required: a Hugging Face model folder");
    const SignalsHeld held;
    *model = new falconer_model(falconer::Model::open(options));
  });
}
void falconer_model_free(falconer_model* model) { delete model; }

int64_t falconer_model_context(const falconer_model* model) {
  return model == nullptr ? 0 : model->model.context();
}
int64_t falconer_model_vocab(const falconer_model* model) {
  return model == nullptr ? 0 : model->model.vocab();
}
int64_t falconer_model_layers(const falconer_model* model) {
  return model == nullptr ? 0 : model->model.layers();
}
int64_t falconer_model_width(const falconer_model* model) {
  return model == nullptr ? 0 : model->model.width();
}
const char* falconer_model_prompt_style(const falconer_model* model) {
  return model == nullptr ? "" : model->prompt_style.c_str();
}

falconer_status falconer_model_encode(const falconer_model* model, const char* instruction,
                                      const char* input, int raw, falconer_ids** ids) {
  return call([&] {
    need(ids, "ids");
    *ids = nullptr;
    need(model, "model");
    need(instruction, "instruction");
    *ids = owned(model->model.encode_prompt(instruction, input == nullptr ? "" : input, raw != 0));
  });
}
falconer_status falconer_model_encode_chat(const falconer_model* model, const char* chat_json,
                                           falconer_ids** ids) {
  return call([&] {
    need(ids, "ids");
    *ids = nullptr;
    need(model, "model");
    need(chat_json, "chat_json");
    *ids = owned(model->model.encode_chat(falconer::parse_chat(chat_json)));
  });
}
void falconer_ids_free(falconer_ids* ids) { delete static_cast<OwnedIds*>(ids); }

falconer_status falconer_model_decode(const falconer_model* model, const int32_t* ids, size_t count,
                                      char** text, size_t* size) {
  return call([&] {
    need(text, "text");
    *text = nullptr;
    need(model, "model");
    const std::string decoded = model->model.decode(ids_of(ids, count));
    *text = text_copy(decoded);
    if (size != nullptr) *size = decoded.size();
  });
}

falconer_status falconer_model_generate(falconer_model* model, const falconer_ids* prompts,
                                        size_t prompt_count, const falconer_setting* settings,
                                        size_t count, falconer_on_text on_text, void* context,
                                        falconer_cancel* cancel,
                                        falconer_completions** completions) {
  return call([&] {
    need(completions, "completions");
    *completions = nullptr;
    need(model, "model");
    if (prompt_count > 0) need(prompts, "prompts");
    falconer::SamplingSettings sampling;
    set_all(sampling, settings, count);
    std::vector<std::vector<int32_t>> all;
    for (size_t i = 0; i < prompt_count; ++i)
      all.push_back(ids_of(prompts[i].ids, prompts[i].count));
    falconer_cancel own;
    *completions = owned(generate(model->model, all, sampling, {on_text, context},
                                  cancel != nullptr ? *cancel : own));
  });
}
void falconer_completions_free(falconer_completions* completions) {
  delete static_cast<OwnedCompletions*>(completions);
}

falconer_status falconer_model_logits(falconer_model* model, const int32_t* ids, size_t count,
                                      float* logits) {
  return call([&] {
    need(model, "model");
    need(logits, "logits");
    const SignalsHeld held;
    const std::vector<float> all = model->model.logits(ids_of(ids, count));
    std::copy(all.begin(), all.end(), logits);
  });
}

falconer_status falconer_model_hidden_states(falconer_model* model, const int32_t* ids,
                                             size_t count, float* states) {
  return call([&] {
    need(model, "model");
    need(states, "states");
    const SignalsHeld held;
    for (const std::vector<float>& state : model->model.hidden_states(ids_of(ids, count)))
      states = std::copy(state.begin(), state.end(), states);
  });
}

falconer_status falconer_model_load_adapter(falconer_model* model, const char* name,
                                            const char* adapter) {
  return call([&] {
    need(model, "model");
    need(name, "name");
    need(adapter, "adapter");
    const SignalsHeld held;
    model->model.load_adapter(name, adapter);
  });
}
falconer_status falconer_model_set_adapter(falconer_model* model, const char* name) {
  return call([&] {
    need(model, "model");
    model->model.set_adapter(name == nullptr ? "" : name);
    model->adapter_changed();
  });
}
falconer_status falconer_model_unload_adapter(falconer_model* model, const char* name) {
  return call([&] {
    need(model, "model");
    need(name, "name");
    model->model.unload_adapter(name);
    model->adapter_changed();
  });
}
const char* falconer_model_adapter(const falconer_model* model) {
  return model == nullptr ? "" : model->adapter.c_str();
}
falconer_status falconer_model_adapters(const falconer_model* model, char** json) {
  return call([&] {
    need(json, "json");
    *json = nullptr;
    need(model, "model");
    *json = text_copy(nlohmann::json(model->model.adapters()).dump());
  });
}
