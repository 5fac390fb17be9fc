// consumer CHECKPOINT OUT: two steps on rows in memory, and the answer of what came of them.
#include <falconer/falconer.h>

#include <iostream>

int main(int, char** argv) try {
  falconer::set_verbosity("quiet");
  falconer::FinetuneOptions options;
  options.checkpoint = argv[1];
  options.out = argv[2];
  options.max_steps = 2;
  falconer::RunContext context;
  context.rows = R"([{"instruction": "Say hello.", "output": "Hello!"}])";
  context.on_step = [](const auto& step) { std::cout << "step " << step.step << "\n"; };
  const auto report = falconer::finetune(options, context);
  auto model = falconer::Model::open({.checkpoint = argv[1], .adapter = report.final_folder});
  const auto answers = model.generate({model.encode_prompt("Say hello.")}, {.max_new_tokens = 4});
  std::cout << falconer::version() << " answered with " << answers.at(0).ids.size() << " tokens\n";
} catch (const falconer::Error& error) {
  std::cerr << error.what() << "\n";
  return error.exit_code();
}
