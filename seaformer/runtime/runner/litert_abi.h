// The part of LiteRT's C API (libLiteRt.so of ai-edge-litert 2.3.0) that the runner calls, looked up
// in the library by name. Handles are opaque; what a call creates is the caller's to destroy. A call
// gives 0, or the number of its error. The library states no version of its own.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace seaformer::litert_abi {

struct Environment;
struct EnvironmentOption;
struct Model;
struct Signature;
struct TensorInfo;
struct Options;
struct OpaqueOptions;
struct CompiledModel;
struct Requirements;
struct Buffer;

constexpr int kMostAxes = 8;
constexpr int kCpu = 1;        // LiteRtHwAcceleratorCpu
constexpr int kLockRead = 0;   // LiteRtTensorBufferLockMode
constexpr int kLockWrite = 1;

// LiteRtElementType.
enum Element : int {
  kFloat32 = 1, kInt32 = 2, kUint8 = 3, kInt64 = 4, kBool = 6, kInt16 = 7, kInt8 = 9,
  kFloat16 = 10, kFloat64 = 11, kUint16 = 17, kBFloat16 = 19,
};

// LiteRtRankedTensorType: the rank is in the lowest 7 bits of its word; a size below 0 is free.
struct RankedType {
  int element = 0;
  uint32_t rank_and_flags = 0;
  int32_t sizes[kMostAxes] = {};
  uint32_t strides[kMostAxes] = {};

  uint32_t rank() const { return rank_and_flags & 0x7Fu; }
};
static_assert(sizeof(RankedType) == 72);

struct Api {
  int (*create_environment)(int, const EnvironmentOption*, Environment**) = nullptr;
  void (*destroy_environment)(Environment*) = nullptr;
  int (*create_model)(Environment*, const char*, Model**) = nullptr;
  void (*destroy_model)(Model*) = nullptr;
  int (*signature_count)(Model*, size_t*) = nullptr;
  int (*signature)(Model*, size_t, Signature**) = nullptr;
  int (*signature_key)(Signature*, const char**) = nullptr;
  int (*input_count)(Signature*, size_t*) = nullptr;
  int (*input_name)(Signature*, size_t, const char**) = nullptr;
  int (*input_tensor)(Signature*, size_t, TensorInfo**) = nullptr;
  int (*output_count)(Signature*, size_t*) = nullptr;
  int (*output_name)(Signature*, size_t, const char**) = nullptr;
  int (*output_tensor)(Signature*, size_t, TensorInfo**) = nullptr;
  int (*ranked_type)(TensorInfo*, RankedType*) = nullptr;
  int (*create_options)(Options**) = nullptr;
  void (*destroy_options)(Options*) = nullptr;
  int (*set_accelerators)(Options*, int) = nullptr;
  int (*create_opaque)(const char*, void*, void (*)(void*), OpaqueOptions**) = nullptr;
  int (*add_opaque)(Options*, OpaqueOptions*) = nullptr;
  int (*compile)(Environment*, Model*, Options*, CompiledModel**) = nullptr;
  void (*destroy_compiled)(CompiledModel*) = nullptr;
  int (*resize_input)(CompiledModel*, size_t, size_t, const int*, size_t) = nullptr;
  int (*output_layouts)(CompiledModel*, size_t, size_t, void*, bool) = nullptr;
  int (*input_needs)(CompiledModel*, size_t, size_t, Requirements**) = nullptr;
  int (*output_needs)(CompiledModel*, size_t, size_t, Requirements**) = nullptr;
  int (*create_buffer)(Environment*, const RankedType*, Requirements*, Buffer**) = nullptr;
  void (*destroy_buffer)(Buffer*) = nullptr;
  int (*lock)(Buffer*, void**, int) = nullptr;
  int (*unlock)(Buffer*) = nullptr;
  int (*run)(CompiledModel*, size_t, size_t, Buffer**, size_t, Buffer**) = nullptr;

  // Looks everything up. Returns the name of the first function that is missing, or "".
  std::string open(void* handle) {
    std::string missing;
    const auto find = [&](auto* function, const char* name) {
      *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(handle, name));
      if (*function == nullptr && missing.empty()) missing = name;
    };
    find(&create_environment, "LiteRtCreateEnvironment");
    find(&destroy_environment, "LiteRtDestroyEnvironment");
    find(&create_model, "LiteRtCreateModelFromFile");
    find(&destroy_model, "LiteRtDestroyModel");
    find(&signature_count, "LiteRtGetNumModelSignatures");
    find(&signature, "LiteRtGetModelSignature");
    find(&signature_key, "LiteRtGetSignatureKey");
    find(&input_count, "LiteRtGetNumSignatureInputs");
    find(&input_name, "LiteRtGetSignatureInputName");
    find(&input_tensor, "LiteRtGetSignatureInputTensorByIndex");
    find(&output_count, "LiteRtGetNumSignatureOutputs");
    find(&output_name, "LiteRtGetSignatureOutputName");
    find(&output_tensor, "LiteRtGetSignatureOutputTensorByIndex");
    find(&ranked_type, "LiteRtGetRankedTensorType");
    find(&create_options, "LiteRtCreateOptions");
    find(&destroy_options, "LiteRtDestroyOptions");
    find(&set_accelerators, "LiteRtSetOptionsHardwareAccelerators");
    find(&create_opaque, "LiteRtCreateOpaqueOptions");
    find(&add_opaque, "LiteRtAddOpaqueOptions");
    find(&compile, "LiteRtCreateCompiledModel");
    find(&destroy_compiled, "LiteRtDestroyCompiledModel");
    find(&resize_input, "LiteRtCompiledModelResizeInputTensorNonStrict");
    find(&output_layouts, "LiteRtGetCompiledModelOutputTensorLayouts");
    find(&input_needs, "LiteRtGetCompiledModelInputBufferRequirements");
    find(&output_needs, "LiteRtGetCompiledModelOutputBufferRequirements");
    find(&create_buffer, "LiteRtCreateManagedTensorBufferFromRequirements");
    find(&destroy_buffer, "LiteRtDestroyTensorBuffer");
    find(&lock, "LiteRtLockTensorBuffer");
    find(&unlock, "LiteRtUnlockTensorBuffer");
    find(&run, "LiteRtRunCompiledModel");
    return missing;
  }
};

}  // namespace seaformer::litert_abi
