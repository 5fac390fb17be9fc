// Products by cuBLASLt, which is loaded when the first product is made: the program starts and runs
// on the CPU without it. f32 products are in f32, not in TF32; bf16 products sum in f32.
#include <cublasLt.h>
#include <dlfcn.h>

#include <map>
#include <optional>
#include <vector>

#include "ops/cuda/device/cuda_device.h"
#include "ops/cuda/library_call.h"
#include "ops/cuda/product_choices.h"

namespace falconer::cuda {
namespace {

constexpr size_t kLibraryWorkspace = size_t{32} << 20;
constexpr int kTried = 8;     // algorithms that are measured
constexpr int kMeasured = 3;  // runs of each
// Smaller products are over before a choice would pay.
constexpr double kWorthMeasuring = 1e9;

/// The functions that are used, by name.
struct Api {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtDestroy) destroy;
  decltype(&cublasLtGetVersion) version;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulDescCreate) desc_create;
  decltype(&cublasLtMatmulDescSetAttribute) desc_set;
  decltype(&cublasLtMatrixLayoutCreate) layout_create;
  decltype(&cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&cublasLtMatmulAlgoCheck) check;
};

void* load_library() {
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  std::string why;
  for (const std::string& folder : {std::string(), std::string("/usr/local/cuda/lib64/")}) {
    if (void* loaded = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL)) return loaded;
    if (why.empty()) why = dlerror();
  }
  fail_on_device(name, "cannot be loaded (" + why +
                           "); install cuBLAS, or name its folder in LD_LIBRARY_PATH");
}

const Api& api() {
  static const Api loaded = [] {
    void* library = load_library();
    const auto take = [&](auto& function, const char* name) {
      void* found = dlsym(library, name);
      if (found == nullptr) fail_on_device(name, "is missing in cuBLASLt");
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
    };
    Api made;
    take(made.create, "cublasLtCreate");
    take(made.destroy, "cublasLtDestroy");
    take(made.version, "cublasLtGetVersion");
    take(made.matmul, "cublasLtMatmul");
    take(made.desc_create, "cublasLtMatmulDescCreate");
    take(made.desc_set, "cublasLtMatmulDescSetAttribute");
    take(made.layout_create, "cublasLtMatrixLayoutCreate");
    take(made.preference_create, "cublasLtMatmulPreferenceCreate");
    take(made.preference_destroy, "cublasLtMatmulPreferenceDestroy");
    take(made.preference_set, "cublasLtMatmulPreferenceSetAttribute");
    take(made.heuristic, "cublasLtMatmulAlgoGetHeuristic");
    take(made.check, "cublasLtMatmulAlgoCheck");
    return made;
  }();
  return loaded;
}

void check_library(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail_on_device(std::string("cuBLASLt: ") + what,
                   "status " + std::to_string(static_cast<int>(status)));
}

cudaDataType_t type_of(Dtype dtype) { return dtype == Dtype::kF32 ? CUDA_R_32F : CUDA_R_16BF; }

/// All by which calls can differ but their addresses and factors.
std::string key_of(const LibraryCall& call) {
  std::string key;
  const auto add = [&](int64_t number) { key += std::to_string(number) + "_"; };
  for (const int64_t number : {call.m, call.n, call.k}) add(number);
  for (const LibraryMatrix* x : {&call.a, &call.b, &call.c}) {
    add(x->stride);
    add(static_cast<int64_t>(x->dtype));
    add(alignment_of(*x));
  }
  add(2 * call.transpose_a + call.transpose_b);
  add(2 * (call.bias != nullptr) + (call.beta != 0));
  return key;
}

}  // namespace

/// A handle, and how each shape of product is made.
class Library {
 public:
  explicit Library(CudaDevice& device)
      : device_(device),
        choices_(ProductChoices::folder(), device.name() + "-" + std::to_string(api().version())) {
    check_library(api().create(&handle_), "a handle");
  }
  ~Library() { api().destroy(handle_); }

  /// False where it has no algorithm for such a product.
  bool multiply(const LibraryCall& call) {
    const std::string key = key_of(call);
    auto found = plans_.find(key);
    if (found == plans_.end()) {
      Plan plan = describe(call);
      choose(plan, call);
      found = plans_.emplace(key, plan).first;
    }
    if (!found->second.algorithm) return false;
    run(found->second, call, *found->second.algorithm);
    return true;
  }

 private:
  using Algorithm = cublasLtMatmulAlgo_t;
  struct Plan {
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
    std::optional<Algorithm> algorithm;
  };

  template <class T>
  void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which, const T& value) {
    check_library(api().desc_set(desc, which, &value, sizeof value), "a setting");
  }

  Plan describe(const LibraryCall& call) {
    Plan plan;
    check_library(api().desc_create(&plan.desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
    const auto op = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
    set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSA, op(call.transpose_a));
    set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSB, op(call.transpose_b));
    if (call.bias != nullptr) {
      set(plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.bias);
    }
    const auto layout = [](cublasLtMatrixLayout_t& made, const LibraryMatrix& x) {
      check_library(api().layout_create(&made, type_of(x.dtype), static_cast<uint64_t>(x.rows),
                                        static_cast<uint64_t>(x.cols), x.stride),
                    "a layout");
    };
    layout(plan.a, call.a);
    layout(plan.b, call.b);
    layout(plan.c, call.c);
    return plan;
  }

  void choose(Plan& plan, const LibraryCall& call) {
    if (const LibraryCall rounded = rounded_call(call);
        worth_measuring(rounded) && !device_.deterministic) {
      const std::optional<Algorithm>& measured = measured_choice(plan, call, rounded);
      if (measured && works(plan, *measured)) plan.algorithm = measured;
      if (plan.algorithm) return;
    }
    const std::vector<Algorithm> found = find_algorithms(plan, call);
    if (!found.empty()) plan.algorithm = found.front();
  }

  // Only what overwrites its result can be run several times.
  static bool worth_measuring(const LibraryCall& call) {
    return call.beta == 0 && 2.0 * static_cast<double>(call.m) * static_cast<double>(call.n) *
                                     static_cast<double>(call.k) >=
                                 kWorthMeasuring;
  }

  // The candidates are those for the rounded call, so that a number means the same one whichever
  // call comes first; they are measured with this one.
  const std::optional<Algorithm>& measured_choice(const Plan& plan, const LibraryCall& call,
                                                  const LibraryCall& rounded) {
    const std::string key = key_of(rounded);
    const auto known = measured_.find(key);
    if (known != measured_.end()) return known->second;
    const std::vector<Algorithm> candidates = find_algorithms(describe(rounded), rounded);
    int chosen = choices_.find(key);
    if (chosen < 0 || chosen >= std::ssize(candidates)) {
      chosen = fastest(plan, call, candidates);
      if (chosen >= 0) choices_.add(key, chosen);
    }
    std::optional<Algorithm>& algorithm = measured_[key];
    if (chosen >= 0) algorithm = candidates[static_cast<size_t>(chosen)];
    return algorithm;
  }

  /// The best first, by the library's own estimate; none where there is none.
  std::vector<Algorithm> find_algorithms(const Plan& plan, const LibraryCall& call) {
    cublasLtMatmulPreference_t preference = nullptr;
    check_library(api().preference_create(&preference), "a preference");
    const auto set_preference = [&](cublasLtMatmulPreferenceAttributes_t which, const auto& value) {
      check_library(api().preference_set(preference, which, &value, sizeof value), "a preference");
    };
    set_preference(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kLibraryWorkspace);
    set_preference(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(call.a));
    set_preference(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(call.b));
    set_preference(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(call.c));
    set_preference(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(call.c));
    std::vector<cublasLtMatmulHeuristicResult_t> found(kTried);
    int count = 0;
    const cublasStatus_t status = api().heuristic(handle_, plan.desc, plan.a, plan.b, plan.c,
                                                  plan.c, preference, kTried, found.data(), &count);
    api().preference_destroy(preference);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    check_library(status, "looking for an algorithm");
    std::vector<Algorithm> algorithms;
    for (int i = 0; i < count; ++i)
      if (found[static_cast<size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
        algorithms.push_back(found[static_cast<size_t>(i)].algo);
    return algorithms;
  }

  bool works(const Plan& plan, const Algorithm& algorithm) {
    cublasLtMatmulHeuristicResult_t result = {};
    return api().check(handle_, plan.desc, plan.a, plan.b, plan.c, plan.c, &algorithm, &result) ==
               CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= kLibraryWorkspace;
  }

  /// -1: none of them works.
  int fastest(const Plan& plan, const LibraryCall& call, const std::vector<Algorithm>& candidates) {
    cudaEvent_t begin, end;
    check(cudaEventCreate(&begin), "an event");
    check(cudaEventCreate(&end), "an event");
    int best = -1;
    float least = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (!works(plan, candidates[i])) continue;
      run(plan, call, candidates[i]);  // not measured: caches, clocks
      check(cudaEventRecord(begin, device_.stream()), "an event");
      for (int time = 0; time < kMeasured; ++time) run(plan, call, candidates[i]);
      check(cudaEventRecord(end, device_.stream()), "an event");
      check(cudaEventSynchronize(end), "measuring a product");
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin, end), "measuring a product");
      if (best >= 0 && milliseconds >= least) continue;
      best = static_cast<int>(i);
      least = milliseconds;
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return best;
  }

  void run(const Plan& plan, const LibraryCall& call, const Algorithm& algorithm) {
    if (call.bias != nullptr) set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, call.bias);
    check_library(
        api().matmul(handle_, plan.desc, &call.alpha, call.a.data, plan.a, call.b.data, plan.b,
                     &call.beta, call.c.data, plan.c, call.c.data, plan.c, &algorithm,
                     device_.workspace(), kLibraryWorkspace, device_.stream()),
        "a product");
  }

  CudaDevice& device_;
  ProductChoices choices_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<std::string, Plan> plans_;  // their descriptors live as long as the program
  std::map<std::string, std::optional<Algorithm>> measured_;  // by the rounded call
};

void LibraryDeleter::operator()(Library* library) const { delete library; }

bool library_product(const Product& p) {
  if (!library_takes(p)) return false;
  CudaDevice& device = static_cast<CudaDevice&>(*p.c.device);
  if (device.library == nullptr) device.library.reset(new Library(device));
  device.make_current();
  return device.library->multiply(library_call(p));
}

}  // namespace falconer::cuda
