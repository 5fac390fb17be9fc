#include "model/arch/generation_config.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "model/arch/json_fields.h"

namespace falconer {

void read_generation_config(const std::filesystem::path& folder, ModelConfig& config) {
  const std::filesystem::path path = folder / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  const nlohmann::json json = parse_json(read_text_file(path, 1 << 24));
  if (!json.is_object())
    fail("{}: is not a JSON object; fetch it again, or take it out of the folder", path.string());
  const std::vector<int32_t> before = config.eos_ids;
  try {
    read_token_ids(json, config);
  } catch (const nlohmann::json::exception& error) {
    fail("{}: {}", path.string(), error.what());
  }
  if (config.eos_ids.empty()) config.eos_ids = before;
}

}  // namespace falconer
