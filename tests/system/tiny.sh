# A tiny checkpoint, rows of token ids and what two runs have in common, for the scripts beside this
# file, which set $program and $tmp.

say() { echo "$(basename "$0"): $*"; }
die() { say "$*" >&2; exit 1; }

# DIR: rows for training and for evaluation, and a checkpoint DIR/base with three layers.
make_tiny() {
  mkdir -p "$1/config" "$1/data"
  cat >"$1/config/config.json" <<'J'
{"model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": 61, "hidden_size": 32,
 "num_hidden_layers": 3, "num_attention_heads": 4, "multi_query": true, "parallel_attn": true,
 "new_decoder_architecture": false, "alibi": false, "bias": false, "layer_norm_epsilon": 1e-05,
 "rope_theta": 10000.0, "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 1,
 "tie_word_embeddings": true}
J
  for part in train test; do
    awk -v seed="$part" -v rows=$([ $part = train ] && echo 20 || echo 5) 'BEGIN {
      srand(seed == "train" ? 1 : 2)
      for (i = 0; i < rows; ++i) {
        n = 4 + int(rand() * 9); ids = ""
        for (k = 0; k < n; ++k) ids = ids (k ? "," : "") (2 + int(rand() * 59))
        print "{\"input_ids\":[" ids "],\"labels\":[" ids "]}"
      } }' >"$1/data/$part.jsonl"
  done
  "$program" --log quiet finetune full --checkpoint "$1/config" --from-scratch --data "$1/data" \
    --out "$1/start" --max-steps 1 --lr 1e-3 --batch-size 4 --precision f32 >/dev/null 2>&1
  mv "$1/start/final" "$1/base"
}

# METHOD OUT [FLAGS]: sets `words` to the run that is stopped and gone on with. Everything that a step
# depends on is in it: dropout, accumulation, evaluation, saving, the best model. FLAGS come in the
# place of its own.
tiny_words() {
  local method=$1 out=$2
  shift 2
  words=("$program" --log quiet finetune "$method" --data "$tmp/data" --out "$out"
    --max-steps 12 --batch-size 6 --micro-batch-size 2 --schedule cosine --warmup-steps 2 --keep-best --resume auto "$@")
  local own
  for own in "--checkpoint $tmp/base" "--lr 1e-2" "--save-interval 2" "--eval-interval 3"; do
    [[ " $* " == *" ${own% *} "* ]] || words+=($own)
  done
}

tiny_run() {
  local words
  tiny_words "$@"
  "${words[@]}"
}

# DIR [CHECKPOINTS]: one line for each thing that must not depend on whether the run was stopped:
# hashes of files, and metrics without what a clock or the system says. CHECKPOINTS: those that count,
# "checkpoint-*" where none is given, "" for none.
fingerprint() {
  (
    cd "$1"
    local checkpoints=${2-checkpoint-*}
    local folders
    folders=$(ls -d final best $checkpoints 2>/dev/null || true)
    find $folders -type f ! -name trainer_state.json ! -name SHA256SUMS -print0 | sort -z |
      xargs -0 sha256sum
    for folder in $folders; do grep -H -v trainer_state.json "$folder/SHA256SUMS"; done
    sed -E 's/"(tokens_per_second|seconds|peak_rss_bytes|eval_seconds)": ?[^,}]*,?//g' \
      metrics.jsonl $(for folder in $folders; do ls "$folder"/trainer_state.json 2>/dev/null; done)
    cut -d, -f1-5,9 metrics.csv
    grep -v '^out = ' recipe.toml
    ls -A | grep -v -E '^(checkpoint-|events\.)'
    find . -name '.*partial*'
  )
}
