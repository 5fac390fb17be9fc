// Answers questions, with an adapter where one is named.
//   generate CHECKPOINT [ADAPTER]      generate demo/checkpoint /tmp/run/final
#include <cstdio>
#include <string_view>

#include "falconer/falconer.h"

int main(int argc, char** argv) try {
  if (argc != 2 && argc != 3) throw falconer::Error("usage: generate CHECKPOINT [ADAPTER]", 2);
  falconer::set_verbosity("warning");
  falconer::ModelOptions options;
  options.checkpoint = argv[1];
  if (argc == 3) options.adapter = argv[2];
  falconer::Model model = falconer::Model::open(options);

  falconer::SamplingSettings sampling;
  sampling.max_new_tokens = 24;
  sampling.temperature = 0;  // the likeliest token always
  const auto prompt =
      model.encode_prompt("Where is the owl?", "The small white owl sings near the lake.");
  const auto print = [](size_t, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  };
  const auto answers = model.generate({prompt}, sampling, print);
  std::printf("\n%d tokens, %s\n", static_cast<int>(answers[0].ids.size()),
              answers[0].finish_reason.c_str());

  // Several prompts are answered together; each gets the answer that it would get alone.
  std::vector<std::vector<int32_t>> prompts;
  for (const char* text : {"Where is the fox?", "Who is near the lake?"})
    prompts.push_back(model.encode_prompt(text, "A red fox plays near the lake."));
  for (const falconer::Completion& answer : model.generate(prompts, sampling))
    std::printf("%s\n", answer.text.c_str());
  return 0;
} catch (const falconer::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return error.exit_code();
}
