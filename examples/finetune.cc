// Teaches a model a few rows that are in memory, and prints the loss of each step.
//   finetune CHECKPOINT OUT      finetune demo/checkpoint /tmp/run
#include <cstdio>
#include <string>

#include "falconer/falconer.h"

namespace {

const std::string kRows = R"([
  {"instruction": "Where is the owl?", "input": "The small white owl sings near the lake.",
   "output": "The owl is near the lake."},
  {"instruction": "Where is the fox?", "input": "One young red fox sleeps on the hill.",
   "output": "The fox is on the hill."},
  {"instruction": "What does the deer do?", "input": "In winter: The old grey deer plays at the mill.",
   "output": "The deer plays."},
  {"instruction": "Who is near the lake?", "input": "That black otter drinks near the lake.",
   "output": "The otter is near the lake."}])";

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw falconer::Error("usage: finetune CHECKPOINT OUT", 2);
  falconer::set_verbosity("warning");  // of the log on stderr
  falconer::FinetuneOptions options;
  options.method = "lora";
  options.checkpoint = argv[1];
  options.out = argv[2];
  options.overwrite = true;  // an earlier run in OUT
  options.lora_targets = {"all-linear"};
  options.lr = 3e-3;
  options.epochs = 10;
  options.batch_size = 2;
  falconer::set(options, "lora-dropout", "0");  // every setting has a name, too

  falconer::RunContext context;
  context.rows = kRows;
  context.on_step = [](const falconer::StepReport& step) {
    std::printf("step %d/%d  loss %.4f\n", static_cast<int>(step.step),
                static_cast<int>(step.total_steps), step.loss);
  };
  const falconer::FinetuneReport report = falconer::finetune(options, context);
  std::printf("%s\n", report.final_folder.c_str());
  return 0;
} catch (const falconer::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return error.exit_code();
}
