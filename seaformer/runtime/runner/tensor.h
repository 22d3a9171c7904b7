// Tensors at the runner's edge: element types, raw files in and out, seeded random values, half
// precision. Engines have tensors of their own; they exchange these with the outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "status.h"

namespace seaformer {

enum class DType {
  kUnknown, kBool, kUint8, kInt8, kUint16, kInt16, kInt32, kInt64, kFloat16, kBFloat16, kFloat32, kFloat64,
};

// numpy's names ("float32", "int64", "bfloat16" for the one numpy lacks).
[[nodiscard]] const char* dtype_name(DType dtype);
[[nodiscard]] size_t dtype_bytes(DType dtype);  // 0 for kUnknown

// All dimensions are known (>= 0).
struct TensorSpec {
  std::string name;
  DType dtype = DType::kUnknown;
  std::vector<int64_t> shape;

  [[nodiscard]] size_t elements() const;
  [[nodiscard]] size_t size_bytes() const { return elements() * dtype_bytes(dtype); }
};

// Sets the shape of input `index` to the one chosen for it, if any was chosen. A size that the model
// leaves free (below 0) takes any, another its own; with `bounded` also a smaller one. On failure
// (kModel) *spec is unchanged.
[[nodiscard]] Status choose_shape(const std::vector<std::vector<int64_t>>& chosen, size_t index,
                                  bool bounded, TensorSpec* spec);

// "'input' float32 [1,3,512,512]", for messages.
[[nodiscard]] std::string describe(const TensorSpec& spec);

// Owns its bytes: dense, row-major, little-endian, spec.size_bytes() of them.
struct Tensor {
  TensorSpec spec;
  std::vector<std::byte> data;
};

// One of the tensors that a raw file holds one after another.
struct Place {
  int64_t item = 0;
  int64_t of = 1;
};

// Fills a tensor of `spec` from its place in a raw file: float32 values for every float type
// (converted to the model's), the model's own type otherwise. On failure (kModel) *out is unchanged.
[[nodiscard]] Status read_tensor(const std::string& path, const TensorSpec& spec, Place place,
                                 Tensor* out);

// Fills a tensor of `spec` with values that depend on (seed, input index, element) alone:
// SplitMix64 of each, floats uniform in [-1, 1), integers in 0..9, booleans.
[[nodiscard]] Tensor random_tensor(const TensorSpec& spec, uint64_t seed, size_t input_index);

// Writes the raw bytes, `behind` those of the file or in a new one. On failure (kIo) the file may be
// missing or cut short.
[[nodiscard]] Status write_tensor(const std::string& path, bool behind, const Tensor& tensor);

// Round to nearest even, with subnormals, infinities and NaN (IEEE 754 binary16).
[[nodiscard]] uint16_t half_from_float(float value);

}  // namespace seaformer
