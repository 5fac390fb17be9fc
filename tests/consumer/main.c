/* consumer CHECKPOINT OUT: the same in C. */
#include <falconer/c.h>
#include <stdio.h>
#include <string.h>

static int on_step(const falconer_step *step, void *context) {
  printf("step %d\n", (int)step->step);
  ++*(int *)context;
  return 0;
}

static int failed(void) {
  fprintf(stderr, "%s\n", falconer_last_error());
  return 1;
}

int main(int argc, char **argv) {
  const char *rows = "[{\"instruction\": \"Say hello.\", \"output\": \"Hello!\"}]";
  int steps = 0;
  if (argc != 3) return 2;
  const falconer_setting settings[] = {
      {"checkpoint", argv[1]}, {"out", argv[2]}, {"max_steps", "2"}};
  const falconer_run run = {rows, strlen(rows), on_step, &steps, NULL, NULL};
  falconer_report *report;
  falconer_set_verbosity("quiet");
  if (falconer_finetune(settings, 3, &run, &report) != FALCONER_OK) return failed();

  const falconer_setting with[] = {{"checkpoint", argv[1]}, {"adapter", report->final_folder}};
  const falconer_setting sampling[] = {{"max-new-tokens", "4"}};
  falconer_model *model;
  falconer_ids *prompt;
  falconer_completions *answers;
  if (falconer_model_open(with, 2, &model) != FALCONER_OK) return failed();
  if (falconer_model_encode(model, "Say hello.", NULL, 0, &prompt) != FALCONER_OK) return failed();
  if (falconer_model_generate(model, prompt, 1, sampling, 1, NULL, NULL, NULL, &answers) !=
      FALCONER_OK)
    return failed();
  printf("%s answered with %d tokens\n", falconer_version(), (int)answers->items[0].answer.count);

  falconer_completions_free(answers);
  falconer_ids_free(prompt);
  falconer_model_free(model);
  falconer_report_free(report);
  return steps == 2 ? 0 : 1;
}
