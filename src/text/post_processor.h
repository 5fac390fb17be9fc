// The "post_processor" of a tokenizer.json: ids that are put around every encoded text.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace falconer {

class PostProcessor {
 public:
  /// From the JSON value: none, ByteLevel (which changes no id), TemplateProcessing, BertProcessing,
  /// RobertaProcessing, or a Sequence of them. Errors: another type, naming it; a template that does
  /// not have the text once.
  static PostProcessor from_json(const nlohmann::json& json);

  std::vector<int32_t> apply(std::vector<int32_t> ids) const;
  const std::vector<int32_t>& before() const { return before_; }

 private:
  void add(const nlohmann::json& json);
  void add_template(const nlohmann::json& json);
  std::vector<int32_t> before_, behind_;
};

}  // namespace falconer
