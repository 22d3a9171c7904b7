// See tensor.h. Assumes a little-endian machine, as every target of the runner is.
#include "tensor.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace seaformer {
namespace {

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE 754 types are expected");

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

bool is_float(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32 ||
         dtype == DType::kFloat64;
}

template <typename T>
void put(const T& value, size_t index, std::vector<std::byte>* data) {
  std::memcpy(data->data() + index * sizeof(T), &value, sizeof(T));
}

uint16_t bfloat16_from_float(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

void put_float(float value, DType dtype, size_t index, std::vector<std::byte>* data) {
  switch (dtype) {
    case DType::kFloat16: put(half_from_float(value), index, data); break;
    case DType::kBFloat16: put(bfloat16_from_float(value), index, data); break;
    case DType::kFloat64: put(static_cast<double>(value), index, data); break;
    default: put(value, index, data); break;
  }
}

uint64_t split_mix(uint64_t state) {
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ULL;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBULL;
  return state ^ (state >> 31);
}

Status wrong_size(const TensorSpec& spec, const std::string& path, size_t expected,
                  const std::string& seen) {
  return model_error("Input " + describe(spec) + " expects " + std::to_string(expected) +
                     " bytes, " + path + " has " + seen + ".");
}

// The bytes of one place; the file has those of all places and no more. A pipe, which has neither a
// size nor places, is read where it holds one tensor.
Status read_file(const std::string& path, size_t wanted, Place place, const TensorSpec& spec,
                 std::vector<std::byte>* out) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) return model_error("Input file " + path + ": " + std::strerror(errno) + ".");
  const size_t before = static_cast<size_t>(place.item) * wanted;
  const size_t all = static_cast<size_t>(place.of) * wanted;
  if (fseeko(file.get(), 0, SEEK_END) == 0) {
    const auto size = static_cast<size_t>(ftello(file.get()));
    if (size != all) return wrong_size(spec, path, all, std::to_string(size));
    if (fseeko(file.get(), static_cast<off_t>(before), SEEK_SET) != 0) {
      return model_error("Input file " + path + ": " + std::strerror(errno) + ".");
    }
  } else if (place.of > 1) {
    return model_error("Input file " + path + " must be a regular file for --items, not a pipe.");
  }
  std::vector<std::byte> bytes(wanted + 1);
  const size_t seen = std::fread(bytes.data(), 1, bytes.size(), file.get());
  if (std::ferror(file.get()) != 0) return model_error("Input file " + path + " is unreadable.");
  const bool last = place.item + 1 == place.of;
  if (seen != (last ? wanted : bytes.size())) {
    return wrong_size(spec, path, all, seen > wanted ? "more" : std::to_string(before + seen));
  }
  bytes.pop_back();
  *out = std::move(bytes);
  return ok_status();
}

}  // namespace

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kBool: return "bool";
    case DType::kUint8: return "uint8";
    case DType::kInt8: return "int8";
    case DType::kUint16: return "uint16";
    case DType::kInt16: return "int16";
    case DType::kInt32: return "int32";
    case DType::kInt64: return "int64";
    case DType::kFloat16: return "float16";
    case DType::kBFloat16: return "bfloat16";
    case DType::kFloat32: return "float32";
    case DType::kFloat64: return "float64";
    case DType::kUnknown: break;
  }
  return "unknown";
}

size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kBool: case DType::kUint8: case DType::kInt8: return 1;
    case DType::kUint16: case DType::kInt16: case DType::kFloat16: case DType::kBFloat16: return 2;
    case DType::kInt32: case DType::kFloat32: return 4;
    case DType::kInt64: case DType::kFloat64: return 8;
    case DType::kUnknown: break;
  }
  return 0;
}

size_t TensorSpec::elements() const {
  size_t count = 1;
  for (int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
}

std::string describe(const TensorSpec& spec) {
  std::string shape;
  for (int64_t size : spec.shape) shape += (shape.empty() ? "" : ",") + std::to_string(size);
  return "'" + spec.name + "' " + dtype_name(spec.dtype) + " [" + shape + "]";
}

Status choose_shape(const std::vector<std::vector<int64_t>>& chosen, size_t index, bool bounded,
                    TensorSpec* spec) {
  if (chosen.empty()) return ok_status();
  const std::vector<int64_t> none;
  const std::vector<int64_t>& sizes = index < chosen.size() ? chosen[index] : none;
  bool fits = index < chosen.size() && sizes.size() == spec->shape.size();
  for (size_t i = 0; fits && i < sizes.size(); ++i) {
    const int64_t own = spec->shape[i];
    fits = own < 0 || sizes[i] == own || (bounded && sizes[i] < own);
  }
  if (!fits) {
    return model_error("Input " + describe(*spec) + " does not take the --shape given for it.");
  }
  spec->shape = sizes;
  return ok_status();
}

Status read_tensor(const std::string& path, const TensorSpec& spec, Place place, Tensor* out) {
  const bool convert = is_float(spec.dtype) && spec.dtype != DType::kFloat32;
  const size_t wanted = convert ? spec.elements() * sizeof(float) : spec.size_bytes();
  std::vector<std::byte> bytes;
  if (Status status = read_file(path, wanted, place, spec, &bytes); !status.ok()) return status;
  if (convert) {
    std::vector<std::byte> converted(spec.size_bytes());
    for (size_t i = 0; i < spec.elements(); ++i) {
      float value = 0.0F;
      std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
      put_float(value, spec.dtype, i, &converted);
    }
    bytes = std::move(converted);
  }
  *out = Tensor{spec, std::move(bytes)};
  return ok_status();
}

Tensor random_tensor(const TensorSpec& spec, uint64_t seed, size_t input_index) {
  Tensor tensor{spec, std::vector<std::byte>(spec.size_bytes())};
  const uint64_t stream = split_mix(seed ^ (static_cast<uint64_t>(input_index) << 48));
  for (size_t i = 0; i < spec.elements(); ++i) {
    const uint64_t bits = split_mix(stream + (i + 1) * 0x9E3779B97F4A7C15ULL);
    const auto digit = static_cast<int64_t>((bits >> 40) % 10);
    switch (spec.dtype) {
      case DType::kBool: put(static_cast<uint8_t>(bits >> 63), i, &tensor.data); break;
      case DType::kUint8: case DType::kInt8:
        put(static_cast<uint8_t>(digit), i, &tensor.data);
        break;
      case DType::kUint16: case DType::kInt16:
        put(static_cast<int16_t>(digit), i, &tensor.data);
        break;
      case DType::kInt32: put(static_cast<int32_t>(digit), i, &tensor.data); break;
      case DType::kInt64: put(digit, i, &tensor.data); break;
      // 24 bits: exact in a float.
      default:
        put_float(static_cast<float>(bits >> 40) * 0x1p-23F - 1.0F, spec.dtype, i, &tensor.data);
    }
  }
  return tensor;
}

Status write_tensor(const std::string& path, bool behind, const Tensor& tensor) {
  std::FILE* file = std::fopen(path.c_str(), behind ? "ab" : "wb");
  if (file == nullptr) return io_error(path + ": " + std::strerror(errno) + ".");
  const size_t written = std::fwrite(tensor.data.data(), 1, tensor.data.size(), file);
  const int problem = errno;
  const bool closed = std::fclose(file) == 0;
  if (written != tensor.data.size() || !closed) {
    return io_error(path + " could not be written: " + std::strerror(closed ? problem : errno) +
                    ".");
  }
  return ok_status();
}

uint16_t half_from_float(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return sign | 0x7E00;   // NaN
  if (magnitude >= 0x477FF000) return sign | 0x7C00;  // rounds to infinity
  if (magnitude < 0x33000001) return sign;            // rounds to zero
  if (magnitude < 0x38800000) {                       // subnormal in half
    const uint32_t shift = 126 - (magnitude >> 23);
    const uint32_t mantissa = (magnitude & 0x7FFFFF) | 0x800000;
    const uint32_t rounded = mantissa >> shift;
    const uint32_t rest = mantissa & ((1U << shift) - 1);
    const uint32_t middle = 1U << (shift - 1);
    const uint32_t up = rest > middle || (rest == middle && (rounded & 1) != 0) ? 1 : 0;
    return static_cast<uint16_t>(sign | (rounded + up));
  }
  const uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000) >> 13));
}

}  // namespace seaformer
