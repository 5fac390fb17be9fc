#include "method/session.h"

#include <algorithm>

#include "base/log.h"
#include "base/system.h"
#include "method/base_copies.h"
#include "model/arch/architecture.h"
#include "model/open_model.h"
#include "model/weight_pages.h"
#include "ops/kernels.h"
#include "ops/moment_code.h"
#include "ranks/job.h"
#include "ranks/nccl/nccl_ranks.h"
#include "tensor/blocks/format.h"

namespace falconer {
namespace {

// The head comes anew for each chunk of labelled rows: few of them are sent, or rounded, for less.
constexpr int64_t kLargeHeadChunk = 1024;

// What NCCL takes of a device for its own buffers, of a few ranks: not measured.
constexpr size_t kNcclBytes = size_t{512} << 20;

std::vector<View> push_state(Arena& arena, const Learner& learner, const OptimizerMemory& memory) {
  const bool coded = memory.coded && learner.param->size() >= kSmallestCoded;
  const View& value = learner.value;
  std::vector<View> state;
  for (int i = 0; i < memory.moments; ++i)
    state.push_back(arena.push(value.rows, value.cols, coded ? Dtype::kU8 : Dtype::kF32));
  for (int i = 0; coded && i < memory.moments; ++i)
    state.push_back(arena.push(1, moment_blocks(value.size()), Dtype::kF32));
  if (arena.measuring()) return state;
  for (const View& view : state) clear(view);
  return state;
}

}  // namespace

std::unique_ptr<Session> Session::open(const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session(options));
  session->config_ = options.config ? *options.config : read_model_config(options.checkpoint);
  FALCONER_CHECK(!options.assumed || options.planning);
  if (!options.from_scratch && !options.adapter_only && !options.assumed) {
    session->files_ = open_weights(options.checkpoint, session->config_);
    settle_head(options.checkpoint, *session->files_, session->config_);
  }
  session->base_vocab_ = session->config_.vocab;
  session->choose_precision();
  session->device_ = open_device(options.device);
  Device* const device = session->device();
  if (device != nullptr) device->deterministic = options.deterministic;
  if (device != nullptr && options.low_memory)
    fail_usage("--low-memory forgets mapped weights, and on a device none are mapped");
  session->run_.kernels = options.kernels != nullptr ? options.kernels : session->device_.kernels;
  session->run_.recompute = options.recompute;
  session->refuse_division();
  session->refuse_quantising();
  session->refuse_whole_numbers();
  if (device == nullptr && options.optimizer.offload)
    fail_usage("--offload-optimizer keeps memory of a GPU free, and the run is on the CPU");
  Arena measure = Arena::measuring_for(device), state = Arena::measuring_for(device);
  session->build(measure, state);
  session->fixed_bytes_ = measure.high_water();
  session->state_bytes_ = state.high_water();
  if (options.planning) return session;
  if (options.ranks != nullptr && device != nullptr &&
      (options.training || options.division.weights()))
    session->device_ranks_ = std::make_unique<NcclRanks>(*options.ranks, *device, rank_timeout());
  session->fixed_ = Arena(session->fixed_bytes_, device);
  if (session->state_bytes_ > 0)
    session->state_ = Arena(session->state_bytes_, device, Place::kPinned);
  session->build(session->fixed_, session->state_);
  if (!options.adapter.empty()) {
    session->used_ = kFirstAdapter;
    LoadedAdapter& first = session->loaded_[kFirstAdapter];
    first.path = options.adapter;
    first.attached = session->attached();
  }
  return session;
}

void Session::choose_precision() {
  if (!files_) {
    const bool as_stored = options_.precision == Precision::kAuto && options_.assumed;
    const bool bf16 =
        as_stored ? *options_.assumed == Dtype::kBF16 : options_.precision == Precision::kBF16;
    run_.activation = bf16 ? Dtype::kBF16 : Dtype::kF32;
    why_computed_so_ = options_.assumed_why;
    return;
  }
  ComputedIn chosen = computed_in(options_.precision, *files_);
  run_.activation = chosen.activation;
  why_computed_so_ = std::move(chosen.why);
  if (!options_.planning && !why_computed_so_.empty()) log_info("{}", why_computed_so_);
}

// Matrices that learn have their dtype from the start: nothing is rounded on the way to f32 masters, and
// nothing has to be copied within a device.
Dtype Session::matrix_dtype() const {
  const bool masters =
      options_.method && options_.method->method == "full" && !options_.method->bf16_weights;
  return masters ? Dtype::kF32 : run_.activation;
}

size_t Session::building_room(size_t measured) const {
  // The host takes pages only when they are touched.
  return std::max(measured, device() != nullptr ? size_t{256} << 20 : size_t{1} << 30);
}

// Called twice: with measuring arenas, which give the sizes, and with real ones. `state` is for an
// optimizer that is kept off the device.
void Session::build(Arena& fixed, Arena& state) {
  attached_ = nullptr;
  method_.reset();
  decoder_.reset();
  optimizer_state_.clear();
  learners_ = {};
  visits_.reset();
  run_.visits = nullptr;  // until make_visits(): what a method reads first is there as a whole
  divided_ = nullptr;
  Arena measuring_scratch = Arena::measuring_for(device());
  Arena building_scratch(fixed.measuring() ? 0 : building_room(building_bytes_),
                         fixed.measuring() ? nullptr : device());
  run_.dry = fixed.measuring();
  run_.scratch = fixed.measuring() ? &measuring_scratch : &building_scratch;
  run_.kept = run_.scratch;

  config_.vocab = base_vocab_;
  weights_ = declare_weights(config_, options_.division);
  const Dtype matrix = matrix_dtype();
  if (options_.adapter_only)
    allocate_vectors(weights_, fixed);
  else if (options_.from_scratch)
    init_weights(run_, weights_, config_, options_.seed, matrix, fixed);
  else if (options_.assumed)
    assume_weights(weights_, *options_.assumed, matrix, fixed, options_.quantise);
  else
    load_weights(weights_, config_, *files_, matrix, fixed, options_.quantise);
  decoder_ = std::make_unique<Decoder>(config_, weights_, run_, fixed);
  if (!options_.adapter.empty()) {
    adapter_.emplace(open_adapter(options_.adapter, options_.lora_dropout));
    method_ = std::move(adapter_->method);
    if (!copies_) copies_ = copies_in(*adapter_, *method_);
    method_->read_from(adapter_->files, *copies_);
  } else if (options_.method) {
    method_ = make_method(*options_.method);
  }
  // What will learn goes to a device once: with its gradient.
  if (method_ == nullptr || !method_->saves_whole_model())
    place_weights(weights_, run_.activation, fixed);
  base_ = attached();
  if (method_ != nullptr) attach_method(fixed, state);
  place_weights(weights_, run_.activation, fixed);
  make_visits(fixed);
  pack_lanes(fixed);
  if (fixed.measuring()) building_bytes_ = measuring_scratch.high_water();
  run_.dry = false;
  run_.scratch = &scratch_;
  run_.kept = &kept_;
}

void Session::attach_method(Arena& fixed, Arena& state) {
  attached_ = method_.get();
  method_->attach(run_, *decoder_, weights_, fixed, options_.training);
  config_.vocab = weights_.embedding->rows();
  if (const auto settings = method_->settings(); options_.division.weights() &&
                                                 settings.contains("lora_dora") &&
                                                 settings.at("lora_dora") == "true")
    fail_usage(
        "--lora-dora reads whole matrices, and --shard all divides them: use --shard optimizer, or "
        "leave it out");
  if (options_.training)
    learners_ =
        Learners(method_->params(), options_.division, options_.ranks, tensor_ranks(), fixed);
  for (const Learner& learner : learners_.all())
    optimizer_state_.push_back(
        push_state(options_.optimizer.offload ? state : fixed, learner, options_.optimizer));
  if (fixed.measuring()) return;
  if (options_.adapter.empty())
    method_->initialise(options_.seed);
  else
    method_->load(adapter_->files, *copies_);
}

// Last: what a method reads of whole weights it has read.
void Session::make_visits(Arena& fixed) {
  divide_mapped(weights_, run_.activation, fixed);
  if (options_.division.many() && DividedVisits::needed(weights_)) {
    auto divided = std::make_unique<DividedVisits>(weights_, tensor_ranks(), fixed);
    divided_ = divided.get();
    visits_ = std::move(divided);
  } else if (options_.low_memory) {
    visits_ = std::make_unique<PageVisits>(weights_);
  }
  run_.visits = visits_.get();
  if (options_.division.many()) run_.head_chunk = kLargeHeadChunk;
}

void Session::refuse_quantising() const {
  if (!options_.quantise) return;
  if (device() != nullptr)
    fail_usage(
        "--quantize makes blocks of 4 to 8 bits for the CPU, and --device is {}: leave one of them "
        "out",
        options_.device);
  if (options_.method && options_.method->method == "full")
    fail_usage(
        "--quantize is of weights that do not learn, and full finetuning changes all: use lora, "
        "adapter or "
        "adapter-v2, or leave it out");
  if (options_.from_scratch)
    fail_usage(
        "--quantize is of weights that are read, and --from-scratch or --random-weights makes "
        "them");
  if (options_.division.weights())
    fail_usage("--quantize goes with --shard none or optimizer, and not with all");
  if (!files_) return;
  for (const auto& [name, tensor] : files_->tensors())
    if (const auto format = tensor.blocks(); format && *format != *options_.quantise)
      fail_usage(
          "--quantize makes blocks of numbers, and the checkpoint has blocks already ({} is {}): "
          "leave it out, or write another one with falconer quantize",
          name, label_of(*format));
}

// Bands of a matrix would be rounded in groups of their own, and results depend on the number of ranks.
void Session::refuse_whole_numbers() const {
  if (!options_.whole_numbers || !options_.training) return;
  if (options_.method && options_.method->method == "full")
    fail_usage(
        "--compute int8 rounds weights that do not learn, and full finetuning changes all: use "
        "lora, adapter or "
        "adapter-v2, or leave it out");
  if (device() != nullptr)
    fail_usage("--compute int8 is of the CPU, and --device is {}: leave one of them out",
               options_.device);
  if (options_.division.weights())
    fail_usage("--compute int8 goes with --shard none or optimizer, and not with all");
}

// Of what is packed the pages of the file are not needed again.
void Session::pack_lanes(Arena& fixed) {
  const Kernels& kernels = *run_.kernels;
  if (options_.training) {
    for (const Module& module : weights_.modules)
      module.w->whole = options_.whole_numbers && module.kind == ModuleKind::kLinear;
    weights_.head().w->whole = options_.whole_numbers;
    if (options_.whole_numbers) run_.head_chunk = kLargeHeadChunk;
    return;
  }
  if (!options_.whole_numbers || options_.low_memory || options_.division.many()) return;
  for (const Module& module : weights_.modules) {
    Param& w = *module.w;
    if (module.kind != ModuleKind::kLinear || w.lanes || w.learns || !is_blocks(w.value.dtype))
      continue;
    const int64_t bytes = kernels.lane_bytes(w.value.dtype, w.rows(), w.cols());
    if (bytes == 0) continue;
    w.lanes = fixed.push(1, bytes, Dtype::kU8);
    w.packed = w.value.data;
    if (fixed.measuring()) continue;
    kernels.pack_lanes(w.value, w.lanes);
    if (w.mapped) forget(w);
  }
}

void Session::refuse_division() const {
  if (!options_.division.weights()) return;
  const auto& method = options_.method;
  if (method && method->vocab > base_vocab_)
    fail_usage("--resize-embeddings goes with --shard none or optimizer, and not with all");
}

TensorRanks* Session::tensor_ranks() const {
  return device_ranks_ != nullptr ? device_ranks_.get() : options_.ranks;
}

void Session::values_changed() {
  learners_.share_values();
  if (divided_ != nullptr) divided_->values_changed();
}

void Session::finish_gradients() {
  if (divided_ != nullptr && options_.ranks != nullptr) divided_->wait();
  learners_.finish_gradients(run_);
}

std::set<std::string> Session::copies_in(const OpenedAdapter& adapter, const Method& method) {
  const auto base = [this]() -> const TensorFiles* {
    if (!files_ && !options_.from_scratch && has_weights(options_.checkpoint))
      files_ = open_weights(options_.checkpoint, config_);
    return files_ ? &*files_ : nullptr;
  };
  return base_copies(adapter.files, weights_, method, base);
}

void Session::reserve(const std::function<void(Run&)>& pass) {
  Arena kept = Arena::measuring_for(device()), scratch = Arena::measuring_for(device());
  Run dry = run_;
  dry.dry = true;
  dry.kept = &kept;
  dry.scratch = &scratch;
  pass(dry);
  FALCONER_CHECK(kept.mark() == 0 && scratch.mark() == 0);
  const bool larger = kept.high_water() > kept_bytes_ || scratch.high_water() > scratch_bytes_;
  kept_bytes_ = std::max(kept_bytes_, kept.high_water());
  scratch_bytes_ = std::max(scratch_bytes_, scratch.high_water());
  if (options_.planning || !larger) return;
  // The old ones first: a device may not have room for both.
  kept_ = Arena();
  scratch_ = Arena();
  kept_ = Arena(kept_bytes_, device());
  scratch_ = Arena(scratch_bytes_, device());
}

int64_t Session::most_head_rows(int64_t mine) const {
  const std::vector<double> all = options_.ranks->gather_numbers({{static_cast<double>(mine)}});
  return static_cast<int64_t>(*std::max_element(all.begin(), all.end()));
}

void Session::make_pass(int64_t head_rows, const std::function<void(Run&)>& pass) {
  if (passes_together()) run_.head_rows = most_head_rows(head_rows);
  pass(run_);
  run_.head_rows = 0;
}

// A row without a meaning goes along: the weights come as they do for a row of the others.
void Session::pass_for_others() {
  if (!passes_together()) return;
  const std::vector<int32_t> ids(2);
  const BatchBuffer::Sequence sequence{.ids = ids, .labels = ids};
  const BatchBuffer buffer = BatchBuffer::for_training({&sequence, 1});
  const auto pass = [&](Run& run) { decoder_->loss(run, buffer.batch()); };
  reserve(pass);
  while ((run_.head_rows = most_head_rows(0)) > 0) pass(run_);
}

int64_t Session::available_bytes() const {
  return device() != nullptr ? static_cast<int64_t>(device()->free_bytes())
                             : available_memory_bytes();
}

// What of the memory that stays is what.
void Session::divide_fixed(MemoryPlan& plan) const {
  std::set<const Param*> counted;
  const auto count = [&](const Param& param) {
    if (!counted.insert(&param).second) return;
    plan.weights += param.own_value ? param.own_value.bytes() : 0;
    if (param.in_arena && !param.own_value) plan.weights += param.value.bytes();
    const bool learns = param.grad || param.whole_grad || param.own_grad;
    if (param.in_arena && !param.own_value && !learns) plan.converted += param.value.bytes();
    // A piece of the sum lies beside a gradient that is always there, and within one that all have.
    plan.gradients += param.grad         ? param.grad.bytes() + param.own_grad.bytes()
                      : param.whole_grad ? param.whole_grad.bytes()
                                         : param.own_grad.bytes();
  };
  for (const auto& param : weights_.params) count(*param);
  for (const Learner& learner : learners_.all()) count(*learner.param);
  if (!options_.optimizer.offload)
    for (const auto& state : optimizer_state_)
      for (const View& view : state) plan.optimizer += view.bytes();
  if (divided_ == nullptr) return;
  plan.gathered = divided_->value_bytes();
  plan.band_gradients = divided_->gradient_bytes();
}

MemoryPlan Session::plan() const {
  MemoryPlan plan{.mapped = 0,
                  .fixed = fixed_bytes_,
                  .kept = kept_bytes_,
                  .scratch = scratch_bytes_,
                  .services = device() != nullptr ? Device::kBesideBytes : Device::kCpuBesideBytes,
                  .pinned = state_bytes_};
  for (const auto& param : weights_.params)
    if (!param->in_arena) plan.mapped += param->value.bytes();
  if (options_.low_memory && divided_ == nullptr) plan.mapped = largest_resident(weights_);
  if (const int ranks = options_.division.ranks; ranks > 1)
    plan.services +=
        device() != nullptr ? NcclRanks::room_bytes(ranks) + kNcclBytes : Ranks::room_bytes(ranks);
  divide_fixed(plan);
  return plan;
}

}  // namespace falconer
