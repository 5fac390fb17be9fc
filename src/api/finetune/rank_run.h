// A finetuning run of several ranks: what they have to agree on, and what of it is the first one's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "falconer/finetune.h"
#include "falconer/settings.h"
#include "model/division.h"
#include "model/params.h"
#include "ranks/ranks.h"

namespace falconer {

/// "none", "optimizer", "all". Error (usage): anything else.
Shard parse_shard(const std::string& name);
const char* shard_name(Shard shard);
/// What --shard lets be tried, in the order in which it is.
std::vector<Shard> shards_to_try(const std::string& option);
/// This process's part of the job.
Division division_of(const Ranks* ranks, const std::string& shard);

/// Whether files of the run are this process's to write, and its terminal to talk to.
inline bool is_first(const Ranks* ranks) { return ranks == nullptr || ranks->first(); }

/// What the first rank found, on all.
std::filesystem::path first_ranks_path(Ranks* ranks, const std::filesystem::path& path);

/// "rank-1.log" in the run's folder.
std::filesystem::path rank_log(const std::filesystem::path& out, int rank);
/// When the first rank has made the run's folder: the others log into files there.
void open_rank_log(Ranks* ranks, const std::filesystem::path& out);

/// True on every rank, or on none.
bool all_of(Ranks* ranks, bool here);

/// What results hang on beside the program's version: which kernels this CPU gets.
std::string program_and_cpu();

/// What --device is for this rank: of GPUs the one of its number on its machine, or the only one that it sees. `name`
/// where this process is alone. Every rank calls it. Errors: a GPU by number for several ranks (usage); fewer GPUs
/// than ranks; FALCONER_DEVICE differs.
std::string device_of_rank(Ranks* ranks, const std::string& name);
/// The same for training. Error: several ranks have GPUs, and NCCL is not there.
std::string training_device_of_rank(Ranks* ranks, const std::string& name);
/// device_of_rank() for a rank at `place` of a machine that shows it `gpus`.
std::string device_of_rank(const RankPlace& place, const std::string& name, int gpus);

/// Error, on all ranks: one has another of `settings` than the first, which is named. Paths may differ, and devices;
/// what is read there has its own tests.
void refuse_other_settings(Ranks* ranks, const std::vector<Setting>& settings);
/// The same, and of the program and its CPU.
void refuse_other_start(Ranks* ranks, const std::vector<Setting>& settings);
/// The same of tensors' names and shapes.
void refuse_other_tensors(Ranks* ranks, const Weights& weights);

/// Error, on all ranks: `what` ("rows", "program and CPU") is not the same on every rank, which is named.
void refuse_difference(Ranks* ranks, const std::string& what, const std::string& here);

}  // namespace falconer
