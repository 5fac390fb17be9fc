#include "model/arch/generation_config.h"

#include <nlohmann/json.hpp>

#include "base/json_file.h"
#include "base/path.h"
#include "model/arch/json_fields.h"

namespace falconer {

void read_generation_config(const std::filesystem::path& folder, ModelConfig& config) {
  const std::filesystem::path path = folder / "generation_config.json";
  if (!is_there(path)) return;
  const nlohmann::json json =
      read_json_object(path, 1 << 24, "fetch it again, or take it out of the folder");
  const std::vector<int32_t> before = config.eos_ids;
  read_token_ids(json, path.string(), config);
  if (config.eos_ids.empty()) config.eos_ids = before;
}

}  // namespace falconer
