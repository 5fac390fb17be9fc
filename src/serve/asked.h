// What a request for answers says: typed, with every bound checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "generate/generator.h"
#include "serve/formats.h"
#include "serve/json.h"
#include "text/conversation.h"

namespace falconer::serve {

/// One prompt of /v1/completions: a text, or ids.
struct AskedPrompt {
  std::string text;
  std::vector<int32_t> ids;
  bool is_ids = false;
};

struct Asked {
  bool chat = false;  // messages; else prompts
  std::string model;  // empty: not said
  std::vector<AskedPrompt> prompts;
  Conversation conversation;
  GenerateOptions options;  // sampling, stop, stop_ids, ignore_eos
  std::optional<int64_t>
      max_tokens;  // nothing: as many as there is room for; 0: the prompt is only looked at
  std::optional<uint64_t> seed;  // nothing: another one each time
  int64_t n = 1;
  int chances = -1;  // as EngineRequest's
  bool echo = false, stream = false, include_usage = false;
  double adapter_scale = 1;
  AskedFormat format;
};

struct AskedLimits {
  size_t prompts = 1024;  // of a request
  int64_t n = 128;
};

/// A body of /v1/chat/completions, or of /v1/completions. `defaults`: of fields that are not there. RequestErrors name
/// the field.
Asked parse_chat_request(std::string_view body, const SamplingOptions& defaults,
                         const AskedLimits& limits);
Asked parse_completion_request(std::string_view body, const SamplingOptions& defaults,
                               const AskedLimits& limits);

/// Messages as OpenAI has them. RequestErrors name "messages".
Conversation parse_chat_messages(const Json& body);

}  // namespace falconer::serve
