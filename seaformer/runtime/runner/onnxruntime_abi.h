// The part of ONNX Runtime's C ABI that the runner uses, in our own declarations, so that neither
// its headers nor its library are needed to build. The function table is append-only upstream: a
// slot never moves, and every slot here is part of API version 5, which is what is asked for.
// Checked against 1.31.1 (x86-64 and aarch64); slot numbers from the table in onnxruntime_c_api.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace seaformer::ort {

// Opaque handles.
struct Env;
struct Session;
struct Options;
struct OrtStatus;
struct Value;
struct MemInfo;
struct TypeInfo;
struct ShapeInfo;
struct Alloc;
struct RunOptions;

struct ApiBase {
  void* const* (*get_api)(uint32_t version);
  const char* (*version_string)();
};

using GetApiBase = const ApiBase* (*)();

constexpr uint32_t kApiVersion = 5;
constexpr int kLogError = 3;
constexpr int kSequential = 0;
constexpr int kOptimizeAll = 99;
constexpr int kCodeNotImplemented = 9;

// Element types.
enum Element : int {
  kFloat = 1, kUint8 = 2, kInt8 = 3, kInt16 = 5, kInt32 = 6, kInt64 = 7, kBool = 9,
  kFloat16 = 10, kDouble = 11, kBFloat16 = 16,
};

// S is the status every call returns: null is success, anything else is read and released.
using S = OrtStatus*;

// A slot of the table and the type of the function in it.
template <size_t Index, typename Function>
struct Slot;
template <size_t Index, typename R, typename... A>
struct Slot<Index, R(A...)> {
  static constexpr size_t index = Index;
  using Pointer = R (*)(A...);
};

using GetErrorCode = Slot<1, int(const OrtStatus*)>;
using GetErrorMessage = Slot<2, const char*(const OrtStatus*)>;  // owned by the status
using CreateEnv = Slot<3, S(int log_level, const char* id, Env**)>;
using CreateSession = Slot<7, S(const Env*, const char* path, const Options*, Session**)>;
// Null entries in the last array: the runtime allocates the output.
using Run = Slot<9, S(Session*, const RunOptions*, const char* const*, const Value* const*, size_t,
                      const char* const*, size_t, Value**)>;
using CreateOptions = Slot<10, S(Options**)>;
using SetExecutionMode = Slot<13, S(Options*, int)>;
using EnableProfiling = Slot<14, S(Options*, const char* prefix)>;
using SetOptimization = Slot<23, S(Options*, int)>;
using SetIntraThreads = Slot<24, S(Options*, int)>;  // 1: the calling thread only
using SetInterThreads = Slot<25, S(Options*, int)>;
using InputCount = Slot<30, S(const Session*, size_t*)>;
using OutputCount = Slot<31, S(const Session*, size_t*)>;
using InputType = Slot<33, S(const Session*, size_t, TypeInfo**)>;  // release: ReleaseTypeInfo
using InputName = Slot<36, S(const Session*, size_t, Alloc*, char**)>;   // release: Free
using OutputName = Slot<37, S(const Session*, size_t, Alloc*, char**)>;  // release: Free
// The caller keeps the buffer.
using WrapTensor = Slot<49, S(const MemInfo*, void*, size_t, const int64_t*, size_t, int, Value**)>;
using TensorData = Slot<51, S(Value*, void**)>;
using TensorInfo = Slot<55, S(const TypeInfo*, const ShapeInfo**)>;  // borrowed; null: no tensor
using ElementType = Slot<60, S(const ShapeInfo*, int*)>;
using Rank = Slot<61, S(const ShapeInfo*, size_t*)>;
using Dimensions = Slot<62, S(const ShapeInfo*, int64_t*, size_t)>;  // -1: dynamic
using ShapeOf = Slot<65, S(const Value*, ShapeInfo**)>;              // release: ReleaseShapeInfo
using CpuMemory = Slot<69, S(int allocator, int memory, MemInfo**)>;
using Free = Slot<76, S(Alloc*, void*)>;
using DefaultAllocator = Slot<78, S(Alloc**)>;  // global, never released
using ReleaseStatus = Slot<93, void(OrtStatus*)>;
using ReleaseSession = Slot<95, void(Session*)>;
using ReleaseValue = Slot<96, void(Value*)>;
using ReleaseTypeInfo = Slot<98, void(TypeInfo*)>;
using ReleaseShapeInfo = Slot<99, void(ShapeInfo*)>;
using ReleaseOptions = Slot<100, void(Options*)>;
using EndProfiling = Slot<110, S(Session*, Alloc*, char** file)>;  // release: Free

// The function table of an opened library; valid as long as the library is.
class Api {
 public:
  explicit Api(void* const* table) : table_(table) {}

  template <typename SlotType, typename... A>
  auto call(A&&... arguments) const {
    const auto function = reinterpret_cast<typename SlotType::Pointer>(table_[SlotType::index]);
    return function(std::forward<A>(arguments)...);
  }

 private:
  void* const* table_;
};

}  // namespace seaformer::ort
