// falconer merge: an adapter folded into a model of its own, tensor by tensor.
#include "api/export/export.h"
#include "api/settings/bounds.h"
#include "base/error.h"

namespace falconer {

ExportReport merge(const MergeOptions& options) {
  check_shard_size(options.max_shard_bytes);
  if (options.adapter.empty()) fail_usage("--adapter is empty; name the adapter to be merged");
  ExportOptions all{.out = options.out,
                    .format = "hf",
                    .max_shard_bytes = options.max_shard_bytes,
                    .verify = options.verify,
                    .force = options.force};
  take_sources(all, options.checkpoint, options.adapter, options.any_base);
  return export_report(all, fmt::format("merged {} into {}\n", all.adapter, all.out) +
                                export_hf(all, options.checkpoint));
}

}  // namespace falconer
