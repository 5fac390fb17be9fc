// What an adapter changes: the likeliest next tokens without it and with it.
//   logits CHECKPOINT ADAPTER      logits demo/checkpoint /tmp/run/final
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "falconer/falconer.h"

namespace {

void print_likeliest(const char* title, falconer::Model& model, const std::vector<int32_t>& ids) {
  const std::vector<float> all = model.logits(ids);  // ids.size() x vocab
  const std::vector<float> last(all.end() - model.vocab(), all.end());
  const float most = *std::max_element(last.begin(), last.end());
  double sum = 0;
  for (const float logit : last) sum += std::exp(logit - most);
  std::vector<int32_t> order(last.size());
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + 3, order.end(),
                    [&](int32_t a, int32_t b) { return last[a] > last[b]; });
  std::printf("%s\n", title);
  for (int i = 0; i < 3; ++i)
    std::printf("  %5.1f %%  \"%s\"\n", 100 * std::exp(last[order[i]] - most) / sum,
                model.decode({order[i]}).c_str());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw falconer::Error("usage: logits CHECKPOINT ADAPTER", 2);
  falconer::set_verbosity("warning");
  falconer::ModelOptions options;
  options.checkpoint = argv[1];
  options.adapter = argv[2];
  falconer::Model model = falconer::Model::open(options);
  const auto ids =
      model.encode_prompt("Where is the owl?", "The small white owl sings near the lake.");
  model.set_adapter("");  // the base alone; load_adapter() reads further adapters
  print_likeliest("without the adapter", model, ids);
  model.set_adapter("default");
  print_likeliest("with it", model, ids);
  return 0;
} catch (const falconer::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return error.exit_code();
}
