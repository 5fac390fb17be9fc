#include "ranks/job_place.h"

#include <gtest/gtest.h>

#include <map>

#include "ranks/rank_cores.h"
#include "support/errors.h"

namespace falconer {
namespace {

using Variables = std::map<std::string, std::string>;

JobPlace place_in(const Variables& variables) {
  return job_place([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(JobPlace, AloneUnlessALauncherSaysOtherwise) {
  EXPECT_TRUE(place_in({}).alone());
  EXPECT_TRUE(place_in({{"WORLD_SIZE", "1"}, {"RANK", "0"}, {"LOCAL_RANK", "0"}}).alone());
  // A batch script of Slurm, in which the program is started by itself.
  EXPECT_TRUE(
      place_in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "0"}}).alone());
  EXPECT_TRUE(place_in({{"SLURM_NTASKS", "8"}, {"SLURM_STEP_NUM_TASKS", "1"}}).alone());
  // Something else's WORLD_SIZE.
  EXPECT_TRUE(place_in({{"WORLD_SIZE", "8"}}).alone());
  EXPECT_TRUE(place_in({{"PMI_RANK", "x"}, {"PMI_SIZE", "-2"}}).alone());
}

TEST(JobPlace, OfEachLauncher) {
  struct Case {
    Variables variables;
    std::string launcher;
    int rank, size;
  };
  for (const Case& known : {
           Case{{{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}}, "mpirun", 1, 2},
           Case{{{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "1"}}, "mpirun", 0, 1},
           Case{{{"PMI_RANK", "3"}, {"PMI_SIZE", "4"}}, "mpirun", 3, 4},
           Case{{{"PMIX_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "6"}}, "srun", 5, 6},
           Case{{{"PMIX_RANK", "5"}}, "mpirun", 5, 0},
           // mpirun starts its daemons on other machines by srun, one task each.
           Case{{{"OMPI_COMM_WORLD_RANK", "9"},
                 {"OMPI_COMM_WORLD_SIZE", "16"},
                 {"SLURM_STEP_NUM_TASKS", "2"}},
                "mpirun",
                9,
                16},
           // torch's variables beside MPI's do not matter.
           Case{{{"PMI_RANK", "3"},
                 {"PMI_SIZE", "4"},
                 {"RANK", "3"},
                 {"WORLD_SIZE", "4"},
                 {"LOCAL_RANK", "3"}},
                "mpirun",
                3,
                4},
       }) {
    const JobPlace place = place_in(known.variables);
    EXPECT_EQ(place.launcher, known.launcher);
    EXPECT_EQ(place.rank, known.rank);
    EXPECT_EQ(place.size, known.size);
    EXPECT_EQ(place.alone(), known.size == 1);
  }
}

TEST(JobPlace, ProcessesThatCannotTalkAreRefusedWithWhatToDo) {
  const std::string torchrun = test::message_of([] {
    place_in(
        {{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "localhost"}});
  });
  EXPECT_NE(torchrun.find("mpirun -n 4"), std::string::npos) << torchrun;
  EXPECT_NE(torchrun.find("--ranks 4"), std::string::npos) << torchrun;
  const std::string srun = test::message_of([] {
    place_in({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "8"}});
  });
  EXPECT_NE(srun.find("--mpi=pmix"), std::string::npos) << srun;
}

TEST(RankCores, SharesOfCpus) {
  const std::vector<int> two = {0, 1}, five = {0, 4, 1, 5, 2};
  EXPECT_EQ(share_of_cpus(two, 0, 1), two);
  EXPECT_EQ(share_of_cpus(two, 0, 2), std::vector<int>{0});
  EXPECT_EQ(share_of_cpus(two, 1, 2), std::vector<int>{1});
  EXPECT_EQ(share_of_cpus(two, 2, 3), std::vector<int>{0});
  EXPECT_EQ(share_of_cpus(five, 0, 2), (std::vector<int>{0, 4}));
  EXPECT_EQ(share_of_cpus(five, 1, 2), (std::vector<int>{1, 5, 2}));
}

TEST(RankCores, ListsOfCpus) {
  EXPECT_EQ(cpu_list_text(std::vector<int>{}), "");
  EXPECT_EQ(cpu_list_text(std::vector<int>{3}), "3");
  EXPECT_EQ(cpu_list_text(std::vector<int>{0, 1, 2, 8, 10, 11}), "0-2,8,10-11");
}

}  // namespace
}  // namespace falconer
