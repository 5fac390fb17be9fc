// What ranks/nccl/nccl_api.h says of NCCL, beside NCCL's own header, where that is installed.
#include <gtest/gtest.h>

#include "ranks/nccl/nccl_api.h"

#if __has_include(<nccl.h>) && __has_include(<cuda_runtime.h>)
#include <nccl.h>

#include <type_traits>

namespace falconer {
namespace {

static_assert(sizeof(NcclId) == sizeof(ncclUniqueId));
static_assert(kNcclSuccess == ncclSuccess && kNcclInProgress == ncclInProgress &&
              kNcclUint8 == ncclUint8);
static_assert(sizeof(ncclResult_t) == sizeof(int) && sizeof(ncclDataType_t) == sizeof(int));
static_assert(offsetof(NcclConfig, magic) == offsetof(ncclConfig_t, magic));
static_assert(offsetof(NcclConfig, version) == offsetof(ncclConfig_t, version));
static_assert(offsetof(NcclConfig, blocking) == offsetof(ncclConfig_t, blocking));
static_assert(offsetof(NcclConfig, cga_cluster_size) == offsetof(ncclConfig_t, cgaClusterSize));
static_assert(offsetof(NcclConfig, least_ctas) == offsetof(ncclConfig_t, minCTAs));
static_assert(offsetof(NcclConfig, most_ctas) == offsetof(ncclConfig_t, maxCTAs));
static_assert(offsetof(NcclConfig, network) == offsetof(ncclConfig_t, netName));

/// A type of ours or of NCCL's as what is passed in its place.
template <class T>
struct AsPassed {
  using type = T;
};
template <>
struct AsPassed<NcclComm> {
  using type = void*;
};
template <>
struct AsPassed<ncclComm_t> {
  using type = void*;
};
template <>
struct AsPassed<NcclId> {
  using type = ncclUniqueId;
};
template <>
struct AsPassed<ncclResult_t> {
  using type = int;
};
template <>
struct AsPassed<ncclDataType_t> {
  using type = int;
};
template <>
struct AsPassed<NcclConfig> {
  using type = ncclConfig_t;
};
template <>
struct AsPassed<cudaStream_t> {
  using type = void*;
};
template <class T>
requires(!std::is_const_v<T> && !std::is_void_v<T>) struct AsPassed<T*> {
  using type = typename AsPassed<T>::type*;
};
template <class F>
struct Passed;
template <class R, class... Args>
struct Passed<R (*)(Args...)> {
  using type = typename AsPassed<R>::type (*)(typename AsPassed<Args>::type...);
};

template <class Ours, class Theirs>
constexpr bool kAlike = std::is_same_v<typename Passed<Ours>::type, typename Passed<Theirs>::type>;

static_assert(kAlike<decltype(NcclApi::version), decltype(&ncclGetVersion)>);
static_assert(kAlike<decltype(NcclApi::unique_id), decltype(&ncclGetUniqueId)>);
static_assert(kAlike<decltype(NcclApi::init), decltype(&ncclCommInitRankConfig)>);
static_assert(kAlike<decltype(NcclApi::finalize), decltype(&ncclCommFinalize)>);
static_assert(kAlike<decltype(NcclApi::destroy), decltype(&ncclCommDestroy)>);
static_assert(kAlike<decltype(NcclApi::abort), decltype(&ncclCommAbort)>);
static_assert(kAlike<decltype(NcclApi::async_error), decltype(&ncclCommGetAsyncError)>);
static_assert(kAlike<decltype(NcclApi::group_start), decltype(&ncclGroupStart)>);
static_assert(kAlike<decltype(NcclApi::group_end), decltype(&ncclGroupEnd)>);
static_assert(kAlike<decltype(NcclApi::send), decltype(&ncclSend)>);
static_assert(kAlike<decltype(NcclApi::receive), decltype(&ncclRecv)>);
static_assert(kAlike<decltype(NcclApi::error_text), decltype(&ncclGetErrorString)>);
static_assert(kAlike<decltype(NcclApi::last_error), decltype(&ncclGetLastError)>);

TEST(NcclHeader, SaysWhatOursSays) { SUCCEED(); }

}  // namespace
}  // namespace falconer
#else
TEST(NcclHeader, SaysWhatOursSays) { GTEST_SKIP() << "nccl.h is not here"; }
#endif
