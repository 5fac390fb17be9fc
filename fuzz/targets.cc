#include "targets.h"

namespace falconer::fuzz {
namespace {

constexpr Target kTargets[] = {
    {"safetensors", fuzz_safetensors},
    {"quant_state", fuzz_quant_state},
    {"shards", fuzz_shards},
    {"pickle", fuzz_pickle},
    {"torch_zip", fuzz_torch_zip},
    {"torch_tensors", fuzz_torch_tensors},
    {"gguf", fuzz_gguf},
    {"config", fuzz_config},
    {"yaml", fuzz_yaml},
    {"tokenizer", fuzz_tokenizer},
    {"sentencepiece", fuzz_sentencepiece},
    {"special_tokens", fuzz_special_tokens},
    {"chat_template", fuzz_chat_template},
    {"template_files", fuzz_template_files},
    {"json_schema", fuzz_json_schema},
    {"rows_jsonl", fuzz_rows_jsonl},
    {"rows_json", fuzz_rows_json},
    {"rows_csv", fuzz_rows_csv},
    {"rows_encoded", fuzz_rows_encoded},
    {"rows_txt", fuzz_rows_txt},
    {"rows_packed", fuzz_rows_packed},
    {"rows_parquet", fuzz_rows_parquet},
    {"prepared", fuzz_prepared},
    {"recipe", fuzz_recipe},
    {"hub_listing", fuzz_hub_listing},
    {"hub_headers", fuzz_hub_headers},
    {"hub_cache", fuzz_hub_cache},
    {"http_request", fuzz_http_request},
    {"serve_request", fuzz_serve_request},
    {"run_folder", fuzz_run_folder},
    {"adapter", fuzz_adapter},
    {"adapter_tensors", fuzz_adapter_tensors},
    {"lit_adapter", fuzz_lit_adapter},
};

}  // namespace

std::span<const Target> all_targets() { return kTargets; }

const Target* find_target(std::string_view name) {
  for (const Target& target : kTargets)
    if (name == target.name) return &target;
  return nullptr;
}

}  // namespace falconer::fuzz
