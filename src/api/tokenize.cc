// falconer tokenize: text to ids and back.
#include "api/common.h"
#include "api/read_rows.h"
#include "api/resolve.h"
#include "falconer/falconer.h"
#include "text/tokenizer.h"

namespace falconer {

void tokenize(const TokenizeOptions& options) {
  const Tokenizer tokenizer =
      load_tokenizer(resolve_checkpoint(options.checkpoint, CheckpointPart::kTokenizer));
  ResultWriter output(options.output);
  for_each_json_line(options.input, [&](const nlohmann::json& json, int64_t) {
    nlohmann::ordered_json row;
    if (options.decode)
      row["text"] = tokenizer.decode(json.at("ids").get<std::vector<int32_t>>());
    else
      row["ids"] = tokenizer.encode(json.at("text").get<std::string>());
    output.write(row);
  });
  output.commit();
}

}  // namespace falconer
