// NCCL's functions as they are called here, by the names and numbers of its C interface (2.17 and later, of which
// libnccl.so.2 keeps all): neither its header nor its library is there where Falconer is built or starts.
#pragma once

#include <climits>
#include <cstddef>
#include <string>

namespace falconer {

struct NcclCommunicator;  // NCCL's own
using NcclComm = NcclCommunicator*;

struct NcclId {
  char bytes[128] = {};
};

/// How a communicator works; what is not set here is NCCL's to choose. It ends where NCCL 2.17's does.
struct NcclConfig {
  size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef, version = 21700;
  int blocking = INT_MIN;  // 0: calls return at once, and async_error() says how far they are
  int cga_cluster_size = INT_MIN, least_ctas = INT_MIN, most_ctas = INT_MIN;
  const char* network = nullptr;
};

inline constexpr int kNcclSuccess = 0, kNcclInProgress = 7;
inline constexpr int kNcclUint8 = 1;  // of its data types

/// All return a result, kNcclSuccess or another, but for the two that give texts.
struct NcclApi {
  int (*version)(int* version);
  int (*unique_id)(NcclId* id);
  int (*init)(NcclComm* comm, int ranks, NcclId id, int rank, NcclConfig* config);
  int (*finalize)(NcclComm comm);
  int (*destroy)(NcclComm comm);
  int (*abort)(NcclComm comm);
  int (*async_error)(NcclComm comm, int* result);
  int (*group_start)();
  int (*group_end)();
  int (*send)(const void* data, size_t count, int type, int to, NcclComm comm, void* stream);
  int (*receive)(void* data, size_t count, int type, int from, NcclComm comm, void* stream);
  const char* (*error_text)(int result);
  const char* (*last_error)(NcclComm comm);
};

/// Loaded at the first call: FALCONER_NCCL_LIBRARY, else libnccl.so.2. Error: there is none, or one that is too old.
const NcclApi& nccl();
/// "2.28.9"
std::string nccl_version_text(int version);

/// In the place of nccl(), for tests; null: nccl() again.
void stand_in_for_nccl(const NcclApi* api);

}  // namespace falconer
