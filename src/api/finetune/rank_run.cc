#include "api/finetune/rank_run.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/one_of_many.h"
#include "falconer/process.h"
#include "ops/cpu/onednn.h"
#include "ops/devices.h"
#include "ranks/nccl/nccl_api.h"

namespace falconer {

Shard parse_shard(const std::string& name) {
  if (name == ShardName::kNone) return Shard::kNone;
  if (name == ShardName::kOptimizer) return Shard::kOptimizer;
  if (name == ShardName::kAll) return Shard::kAll;
  fail_choice("--shard", name,
              {ShardName::kAuto, ShardName::kNone, ShardName::kOptimizer, ShardName::kAll});
}

const char* shard_name(Shard shard) {
  switch (shard) {
    case Shard::kNone:
      return ShardName::kNone;
    case Shard::kOptimizer:
      return ShardName::kOptimizer;
    case Shard::kAll:
      return ShardName::kAll;
  }
  throw InternalError("a shard without a name");
}

Division division_of(const Ranks* ranks, const std::string& shard) {
  if (ranks == nullptr) return {};
  Division division{.ranks = ranks->size(),
                    .rank = ranks->rank(),
                    .here = ranks->place().local_size,
                    .shard = shards_to_try(shard).front()};
  // For trials: models that are small have bands as well.
  if (const char* band = std::getenv("FALCONER_RANK_BAND"))
    division.band = std::max<int64_t>(1, std::atoll(band));
  return division;
}

std::string program_and_cpu() {
  using cpu::onednn::Isa;
  std::string text = "falconer " + version();
  for (const auto& [isa, name] :
       {std::pair(Isa::kAvx2, "AVX2"), std::pair(Isa::kAvx512, "AVX-512"),
        std::pair(Isa::kAvx512Bf16, "AVX512-BF16"), std::pair(Isa::kAmx, "AMX")})
    if (cpu::onednn::uses(isa)) text += fmt::format(" {}", name);
  return text;
}

std::vector<Shard> shards_to_try(const std::string& option) {
  if (option == ShardName::kAuto) return {Shard::kNone, Shard::kOptimizer, Shard::kAll};
  return {parse_shard(option)};
}

std::filesystem::path first_ranks_path(Ranks* ranks, const std::filesystem::path& path) {
  return ranks == nullptr ? path
                          : std::filesystem::path(ranks->gather_texts(path.string()).front());
}

std::filesystem::path rank_log(const std::filesystem::path& out, int rank) {
  return out / fmt::format("rank-{}.log", rank);
}

void open_rank_log(Ranks* ranks, const std::filesystem::path& out) {
  if (ranks == nullptr) return;
  ranks->barrier();
  if (!ranks->first()) log_to_file(rank_log(out, ranks->rank()));
}

bool all_of(Ranks* ranks, bool here) {
  const std::vector<double> all = numbers_of_all(ranks, {here ? 1.0 : 0.0});
  return std::find(all.begin(), all.end(), 0.0) == all.end();
}

// Slurm, say, gives each of its tasks a GPU of its own, which is number 0 to it. Whether it is, NCCL sees.
std::string device_of_rank(const RankPlace& place, const std::string& name, int gpus) {
  if (name.starts_with("cuda:") && place.local_size > 1)
    fail_usage(
        "--device {} is one GPU, and there are {} ranks on {}: with --device cuda each takes the "
        "one of its own number there, of those that CUDA_VISIBLE_DEVICES lists",
        name, place.local_size, place.host);
  if (name != "cuda" || gpus == 0) return name;
  if (gpus > 1 && place.local_rank >= gpus)
    fail(
        "rank {} is number {} of the ranks on {}, which has {} GPUs, numbered from 0; start as "
        "many ranks on a machine as it has GPUs, or use --device cpu",
        place.rank, place.local_rank, place.host, gpus);
  return fmt::format("cuda:{}", gpus == 1 ? 0 : place.local_rank);
}

std::string device_of_rank(Ranks* ranks, const std::string& name) {
  if (ranks == nullptr) return name;
  std::string asked = device_asked_for(name);
  refuse_difference(ranks, "device", asked);
  const RankPlace& place = ranks->place();
  std::string why;
  const int gpus = asked == "cpu" ? 0 : cuda_device_count(why);
  // What nobody asked for is taken where it is certain that each has its own.
  if (asked == "auto") {
    asked = all_of(ranks, gpus >= place.local_size) ? "cuda" : "cpu";
    if (asked == "cpu")
      log_info("device: cpu, because {}",
               gpus == 0 ? spelled(why) : "there are fewer GPUs than ranks on a machine");
  }
  return device_of_rank(place, asked, gpus);
}

std::string training_device_of_rank(Ranks* ranks, const std::string& name) {
  std::string device = device_of_rank(ranks, name);
  // Where there is no GPU, "cuda" has no number, and opening it says why.
  if (ranks != nullptr && device.starts_with("cuda:")) static_cast<void>(nccl());
  return device;
}

namespace {

[[noreturn]] void fail_difference(size_t rank, const std::string& what, const std::string& has,
                                  const std::string& first) {
  const auto shown = [](const std::string& text) {
    return text.empty() ? "none" : printable(text);
  };
  fail("rank {} has another {} than rank 0: {} and {}; give all ranks the same", rank, what,
       shown(has), shown(first));
}

/// Paths and devices, which may have other names on another machine.
bool is_of_a_machine(const Setting& setting) {
  switch (setting.kind) {
    case ValueKind::kText:
    case ValueKind::kTime:
    case ValueKind::kSize:
      return false;
    default:
      return true;
  }
}

}  // namespace

void refuse_other_start(Ranks* ranks, const std::vector<Setting>& settings) {
  refuse_other_settings(ranks, settings);
  refuse_difference(ranks, "program or CPU", program_and_cpu());
}

void refuse_other_settings(Ranks* ranks, const std::vector<Setting>& settings) {
  if (ranks == nullptr) return;
  std::string mine;  // no text of the command line has a zero in it
  for (const Setting& setting : settings)
    if (!is_of_a_machine(setting)) mine += setting.name + '\0' + text_of(setting.value) + '\0';
  const std::vector<std::string> all = ranks->gather_texts(mine);
  for (size_t rank = 1; rank < all.size(); ++rank) {
    std::istringstream first(all.front()), other(all[rank]);
    for (std::string name, value, their_name, theirs;
         std::getline(first, name, '\0') && std::getline(first, value, '\0');) {
      if (!std::getline(other, their_name, '\0') || !std::getline(other, theirs, '\0') ||
          their_name != name)
        fail("rank {} works on another command than rank 0; give all ranks the same", rank);
      if (theirs != value) fail_difference(rank, spelled_name(name), theirs, value);
    }
  }
}

void refuse_other_tensors(Ranks* ranks, const Weights& weights) {
  if (ranks == nullptr) return;
  Digest digest = Digest::sha256();
  int64_t numbers = 0;
  for (const auto& param : weights.params) {
    digest.update(param->name);
    for (const int64_t size : param->shape) digest.update(fmt::format(" {}", size));
    numbers += param->size();
  }
  constexpr size_t kShown = 12;
  refuse_difference(ranks, "model",
                    fmt::format("{} numbers in {} tensors ({})", numbers, weights.params.size(),
                                digest.finish().substr(0, kShown)));
}

void refuse_difference(Ranks* ranks, const std::string& what, const std::string& here) {
  if (ranks == nullptr) return;
  const std::vector<std::string> all = ranks->gather_texts(here);
  for (size_t rank = 1; rank < all.size(); ++rank)
    if (all[rank] != all.front()) fail_difference(rank, what, all[rank], all.front());
}

}  // namespace falconer
