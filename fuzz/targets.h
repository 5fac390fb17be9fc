// Every parser that reads what comes from outside, as a function of bytes: the fuzzers call these, and
// so does the test that replays what the fuzzers found.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace falconer::fuzz {

/// What a file or an answer holds. `falconer::Error` is the only way out besides returning: all other
/// exceptions, a failed check, a report of a sanitizer, a second of time or a gigabyte of memory are
/// findings.
using Input = std::string_view;

struct Target {
  const char* name;  // also that of its folder in fuzz/seeds
  void (*run)(Input input);
};

/// Calls it. Errors are swallowed: they are what a parser is meant to answer with.
void run_target(const Target& target, Input input);

std::span<const Target> all_targets();
/// Null where there is none of that name.
const Target* find_target(std::string_view name);

// ---- by the room that they look into

void fuzz_safetensors(Input input);    // model.safetensors
void fuzz_quant_state(Input input);    // what bitsandbytes says of a tensor in 4 bits
void fuzz_shards(Input input);         // model.safetensors.index.json beside two good shards
void fuzz_pickle(Input input);         // data.pkl of a PyTorch file
void fuzz_torch_zip(Input input);      // a whole PyTorch file
void fuzz_torch_tensors(Input input);  // a PyTorch file that is whole, around any pickle
void fuzz_gguf(Input input);           // a GGUF file: tensors, settings, tokenizer
void fuzz_config(Input input);         // config.json
void fuzz_yaml(Input input);           // model_config.yaml
void fuzz_tokenizer(Input input);      // tokenizer.json, used on a text
void fuzz_sentencepiece(
    Input input);  // a byte that chooses the settings beside it, and tokenizer.model, used
void fuzz_special_tokens(Input input);  // the files beside it
void fuzz_chat_template(Input input);   // chat_template.jinja, rendered
void fuzz_template_files(Input input);  // tokenizer_config.json, whose template it may hold
void fuzz_json_schema(Input input);     // a schema, compiled and walked through
void fuzz_rows_jsonl(Input input);      // data, in each format
void fuzz_rows_json(Input input);
void fuzz_rows_csv(Input input);
void fuzz_rows_encoded(Input input);  // two bytes: encoding, and delimiter of a table or JSON lines
void fuzz_rows_txt(Input input);
void fuzz_rows_packed(Input input);      // JSON lines in gzip or zstd
void fuzz_rows_parquet(Input input);     // a Parquet file, in each format
void fuzz_prepared(Input input);         // prepare.json of a prepared folder
void fuzz_recipe(Input input);           // a recipe's TOML
void fuzz_hub_listing(Input input);      // the hub's list of files
void fuzz_hub_headers(Input input);      // headers of an answer, a line each
void fuzz_hub_cache(Input input);        // files that others left in the cache
void fuzz_http_request(Input input);     // bytes of a connection to the server
void fuzz_serve_request(Input input);    // a byte that chooses the endpoint, and the body
void fuzz_run_folder(Input input);       // what a run left
void fuzz_adapter(Input input);          // adapter_config.json, loaded and attached
void fuzz_adapter_tensors(Input input);  // adapter_model.safetensors, likewise
void fuzz_lit_adapter(Input input);      // LitGPT's settings beside an adapter of its own

}  // namespace falconer::fuzz
