/* Falconer for C, and for every language that calls C: libfalconer.so.
 *
 * Texts are UTF-8 and end with 0. Settings are set by name, with the names and texts of the command line
 * ("lora-r", "8"; '_' is as good as '-'); falconer_settings() lists them. What a function hands out is freed by
 * the falconer_..._free() of its type, which takes NULL.
 *
 * Every function that can fail returns a status and leaves its message to falconer_last_error(): that of the
 * command line, with the names of settings for flags. What it would hand out is then NULL.
 *
 * Functions may be called in any thread. One thread at a time uses a model; several runs and models may be at
 * work at once, on one pool of threads. While one computes, SIGINT, SIGTERM and SIGHUP are held back in the
 * calling thread, and come when a callback is called or the function returns: handlers must not run on the
 * stack of a thread that computes. */
#ifndef FALCONER_C_H
#define FALCONER_C_H

#include <stddef.h>
#include <stdint.h>

#define FALCONER_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef enum falconer_status {
  FALCONER_OK = 0,
  FALCONER_ERROR = 1,     /* wrong input, or something went wrong while running */
  FALCONER_USAGE = 2,     /* a setting or an argument that cannot be */
  FALCONER_NO_MEMORY = 3, /* out of memory */
  FALCONER_BUG = 4        /* of Falconer's own: please report it */
} falconer_status;

/* What was wrong with the last call in this thread that failed, until the next one that fails; "" where none
 * did. */
FALCONER_API const char *falconer_last_error(void);

/* "0.1.0" */
FALCONER_API const char *falconer_version(void);
/* The next three hold for the whole process, for all runs and models in it. */
/* Of the log on stderr: "quiet", "warning", "info" (at the start) or "debug". A run can have its own. */
FALCONER_API falconer_status falconer_set_verbosity(const char *level);
/* How messages spell settings: "c" (at the start: lora_r, resume="auto", overwrite=true) or
 * "python" (overwrite=True). */
FALCONER_API falconer_status falconer_set_spelling(const char *language);
/* Threads of all computation, which what is at work at once shares; 0: by OMP_NUM_THREADS, else the cores that the
 * process may use. Results do not depend on it. */
FALCONER_API falconer_status falconer_set_threads(int threads);

/* A setting by name. One that takes a list has its items behind commas ("q,v"), but "stop", which is given
 * once for each. */
typedef struct falconer_setting {
  const char *name;
  const char *value;
} falconer_setting;

/* What there is to set, as a JSON list of {"name", "type", "default", "help", ...}. `of`: "finetune", "model"
 * or "sampling". Freed by falconer_text_free(). */
FALCONER_API falconer_status falconer_settings(const char *of, char **json);
FALCONER_API void falconer_text_free(char *text);

/* Something that can be told to stop, from any thread and from a signal handler. It stays told. */
typedef struct falconer_cancel falconer_cancel;
FALCONER_API falconer_status falconer_cancel_new(falconer_cancel **cancel);
FALCONER_API void falconer_cancel_request(falconer_cancel *cancel);
FALCONER_API int falconer_cancel_requested(const falconer_cancel *cancel);
FALCONER_API void falconer_cancel_free(falconer_cancel *cancel);

/* ---- Training ---- */

/* A step of a run. Numbers that there are not are NaN. Later versions may have more behind the last field. */
typedef struct falconer_step {
  int64_t step; /* from 1; 0: an evaluation before the first step */
  int64_t total_steps;
  double loss; /* mean over the step's labelled tokens, before its update */
  double lr;
  double grad_norm;
  int64_t tokens; /* of the step, without padding */
  double tokens_per_second;
  double seconds;
  double eval_loss; /* of the held-out rows, where they were evaluated behind this step */
} falconer_step;

/* Called after each step, in the thread that trains. Not 0: the run is saved and ends, as by a cancel. */
typedef int (*falconer_on_step)(const falconer_step *step, void *context);

/* What a run is given besides settings. Fill it with zeros first. */
typedef struct falconer_run {
  const char
      *rows; /* rows in memory, in the place of the setting "data": a JSON array of objects, or JSON
                       lines; NULL: none */
  size_t rows_size;         /* its bytes */
  falconer_on_step on_step; /* NULL: nobody */
  void *context;            /* of on_step */
  falconer_cancel *cancel;  /* looked at after each step: the run is saved and ends; NULL: none */
  const char
      *verbosity; /* of what this run writes to the log; NULL: as falconer_set_verbosity() says */
} falconer_run;

/* What came of a run. */
typedef struct falconer_report {
  int64_t steps, tokens, trainable;
  double last_loss, seconds;
  int64_t peak_rss_bytes;
  int interrupted;          /* it was told to stop, and saved; resume="auto" goes on */
  int was_finished;         /* with "resume": it had come to its end before, and nothing was done */
  const char *final_folder; /* of what was trained; "" where the run did not come to its end */
  const char *json;         /* all of it and the settings, as falconer finetune --json */
} falconer_report;

/* Trains as "falconer finetune" does. Settings that are needed: "checkpoint", "out", and "data" or rows in
 * memory. `run` may be NULL. */
FALCONER_API falconer_status falconer_finetune(const falconer_setting *settings, size_t count,
                                               const falconer_run *run, falconer_report **report);
FALCONER_API void falconer_report_free(falconer_report *report);

/* Checks all that falconer_finetune() checks before its first step, trains and writes nothing, and says what the
 * run would be and need: a JSON object, as falconer finetune --dry-run --json. Freed by falconer_text_free(). */
FALCONER_API falconer_status falconer_plan(const falconer_setting *settings, size_t count,
                                           const falconer_run *run, char **json);

/* ---- A model at work ---- */

typedef struct falconer_model falconer_model;

/* Settings: "checkpoint", "adapter", "precision", "device", ... */
FALCONER_API falconer_status falconer_model_open(const falconer_setting *settings, size_t count,
                                                 falconer_model **model);
FALCONER_API void falconer_model_free(falconer_model *model);

/* Tokens that a prompt and its answer may have together; tokens that there are. */
FALCONER_API int64_t falconer_model_context(const falconer_model *model);
FALCONER_API int64_t falconer_model_vocab(const falconer_model *model);
/* Blocks of the decoder; numbers of a hidden state. */
FALCONER_API int64_t falconer_model_layers(const falconer_model *model);
FALCONER_API int64_t falconer_model_width(const falconer_model *model);
/* "alpaca", "chat", ...; "" where there is none. Lives until the model's adapter is changed. */
FALCONER_API const char *falconer_model_prompt_style(const falconer_model *model);

typedef struct falconer_ids {
  const int32_t *ids;
  size_t count;
} falconer_ids;

/* The ids of an instruction with its input (NULL: none) in the model's prompt style; of the text as it is
 * where `raw` is not 0. */
FALCONER_API falconer_status falconer_model_encode(const falconer_model *model,
                                                   const char *instruction, const char *input,
                                                   int raw, falconer_ids **ids);
/* The ids of a chat that an answer is to follow: {"messages": [{"role", "content"}, ...], "tools"?}. */
FALCONER_API falconer_status falconer_model_encode_chat(const falconer_model *model,
                                                        const char *chat_json, falconer_ids **ids);
FALCONER_API void falconer_ids_free(falconer_ids *ids);
/* The text of an answer's ids, and its bytes where `size` is not NULL: a text may hold characters 0. Freed by
 * falconer_text_free(). */
FALCONER_API falconer_status falconer_model_decode(const falconer_model *model, const int32_t *ids,
                                                   size_t count, char **text, size_t *size);

/* New text of prompt number `prompt`, as soon as it is certain. Not 0: the answers end here. */
typedef int (*falconer_on_text)(size_t prompt, const char *text, size_t size, void *context);

typedef struct falconer_completion {
  falconer_ids prompt, answer;
  const char *text;
  size_t text_size;          /* its bytes: it may hold characters 0 */
  const char *finish_reason; /* "stop", "length", "cancelled" */
  double prefill_tokens_per_second, decode_tokens_per_second;
} falconer_completion;
typedef struct falconer_completions {
  const falconer_completion *items;
  size_t count;
} falconer_completions;

/* Answers prompts together. Settings: "max-new-tokens", "temperature", "top-k", "top-p", "seed", "stop", ... */
FALCONER_API falconer_status
falconer_model_generate(falconer_model *model, const falconer_ids *prompts, size_t prompt_count,
                        const falconer_setting *settings, size_t count, falconer_on_text on_text,
                        void *context, falconer_cancel *cancel, falconer_completions **completions);
FALCONER_API void falconer_completions_free(falconer_completions *completions);

/* Fills `logits`, which has room for count x falconer_model_vocab() numbers, row by row: row i is about the
 * token behind ids[0..i]. */
FALCONER_API falconer_status falconer_model_logits(falconer_model *model, const int32_t *ids,
                                                   size_t count, float *logits);
/* Fills `states`, which has room for (falconer_model_layers() + 1) x count x falconer_model_width() numbers: the
 * embedding, what each block but the last gives, and what is behind the last block and the last norm. */
FALCONER_API falconer_status falconer_model_hidden_states(falconer_model *model, const int32_t *ids,
                                                          size_t count, float *states);

/* ---- Adapters on one base ---- */

/* The base is read once, whatever is loaded, and each adapter gives the answers of a model that is opened with it
 * alone. That of the setting "adapter" is named "default". None of these may be called while the model answers,
 * from falconer_on_text. */

/* Reads another adapter under a name of yours; it is used after falconer_model_set_adapter(). */
FALCONER_API falconer_status falconer_model_load_adapter(falconer_model *model, const char *name,
                                                         const char *adapter);
/* NULL or "": the base alone. */
FALCONER_API falconer_status falconer_model_set_adapter(falconer_model *model, const char *name);
/* Gives its memory back. Where it was in use, the base alone is. */
FALCONER_API falconer_status falconer_model_unload_adapter(falconer_model *model, const char *name);
/* The one in use; "" where it is the base alone. Lives until the model's adapter is changed. */
FALCONER_API const char *falconer_model_adapter(const falconer_model *model);
/* The names of those that are loaded, as a JSON list. Freed by falconer_text_free(). */
FALCONER_API falconer_status falconer_model_adapters(const falconer_model *model, char **json);

#ifdef __cplusplus
}
#endif

#endif /* FALCONER_C_H */
