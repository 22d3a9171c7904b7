// See model_file.h.
// Sources: ExecuTorch docs, "PTE file format" (flatbuffer identifier at byte 4, extended header
// "eh00" at byte 8); protobuf's encoding guide; onnx.proto3 (ModelProto's fields are 1 to 26, the
// graph is field 7).
#include "model_file.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace seaformer {
namespace {

constexpr int kHeaderBytes = 40;
constexpr uint64_t kOnnxGraphField = 7;
constexpr uint64_t kOnnxLastField = 26;

using Header = std::array<char, kHeaderBytes>;

template <typename T>
T little_endian(const Header& header, size_t offset) {
  T value = 0;
  std::memcpy(&value, header.data() + offset, sizeof value);
  return value;
}

Status cut_short(const std::string& path, uint64_t expected, int64_t seen) {
  return model_error(path + " is truncated: expected " + std::to_string(expected) +
                     " bytes, found " + std::to_string(seen) + ".");
}

// The extended header: magic[4] "eh00", u32 length, u64 program_size, u64 segment_base_offset,
// u64 segment_data_size (in headers of 32 bytes and more).
Status check_pte_length(const Header& header, const ModelFile& file) {
  if (file.size_bytes < kHeaderBytes) return cut_short(file.path, kHeaderBytes, file.size_bytes);
  if (std::memcmp(header.data() + 8, "eh00", 4) != 0) return ok_status();
  const auto length = little_endian<uint32_t>(header, 12);
  uint64_t expected = little_endian<uint64_t>(header, 16);
  const auto segments = little_endian<uint64_t>(header, 24);
  const uint64_t segment_bytes = length >= 32 ? little_endian<uint64_t>(header, 32) : 0;
  if (segments != 0 && segments + segment_bytes > expected) expected = segments + segment_bytes;
  if (expected > static_cast<uint64_t>(file.size_bytes)) {
    return cut_short(file.path, expected, file.size_bytes);
  }
  return ok_status();
}

bool read_varint(std::istream* in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const int byte = in->get();
    if (byte < 0) return false;
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// Moves past the value of one field; false when the wire type is none that protobuf has.
bool skip_field(std::istream* in, uint64_t wire_type, uint64_t* skipped) {
  *skipped = 0;
  switch (wire_type) {
    case 0: return read_varint(in, skipped) && ((*skipped = 0), true);
    case 1: *skipped = 8; return true;
    case 2: return read_varint(in, skipped);
    case 5: *skipped = 4; return true;
    default: return false;
  }
}

// Walks the top-level fields. *is_onnx when they are ModelProto's and a graph is among them.
Status walk_onnx(std::istream* in, const ModelFile& file, bool* is_onnx) {
  *is_onnx = false;
  bool graph = false;
  uint64_t position = 0;
  const auto size = static_cast<uint64_t>(file.size_bytes);
  while (position < size) {
    in->clear();
    in->seekg(static_cast<std::streamoff>(position));
    uint64_t key = 0;
    uint64_t length = 0;
    if (!read_varint(in, &key) || (key >> 3) == 0 || (key >> 3) > kOnnxLastField ||
        !skip_field(in, key & 7, &length)) {
      return ok_status();  // no ONNX model, or none that a cut explains
    }
    graph = graph || (key >> 3) == kOnnxGraphField;
    position = static_cast<uint64_t>(in->tellg());
    if (length > size - position) {
      return graph ? cut_short(file.path, position + length, file.size_bytes) : ok_status();
    }
    position += length;
  }
  *is_onnx = graph;
  return ok_status();
}

}  // namespace

Status inspect_model(const std::string& path, ModelFile* out) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return model_error("Model " + path + ": " + std::strerror(errno) + ".");
  }
  if (!S_ISREG(info.st_mode)) return model_error("Model " + path + " is no file.");
  ModelFile file{path, static_cast<int64_t>(info.st_size), ModelFormat::kUnknown};
  if (file.size_bytes == 0) return model_error("Model " + path + " is empty.");
  std::ifstream in(path, std::ios::binary);
  if (!in) return model_error("Model " + path + " cannot be opened for reading.");
  Header header{};
  in.read(header.data(), kHeaderBytes);
  const auto is_at = [&](size_t offset, const char* magic, size_t count) {
    return std::memcmp(header.data() + offset, magic, count) == 0;
  };
  if (is_at(4, "ET", 2) && header[6] >= '0' && header[6] <= '9') {
    file.format = ModelFormat::kExecutorch;
    if (Status status = check_pte_length(header, file); !status.ok()) return status;
  } else if (is_at(4, "ORTM", 4)) {
    file.format = ModelFormat::kOrtFlatbuffer;
  } else if (is_at(0, "PK\x03\x04", 4)) {
    file.format = ModelFormat::kZip;
  } else {
    bool is_onnx = false;
    if (Status status = walk_onnx(&in, file, &is_onnx); !status.ok()) return status;
    if (is_onnx) file.format = ModelFormat::kOnnx;
  }
  *out = file;
  return ok_status();
}

Status check_engine(const ModelFile& file, const std::string& engine) {
  switch (file.format) {
    case ModelFormat::kExecutorch:
      if (engine == "executorch") return ok_status();
      return model_error(file.path + " is an ExecuTorch program; " + engine +
                         " runs ONNX models. Use --engine executorch.");
    case ModelFormat::kOnnx:
    case ModelFormat::kOrtFlatbuffer:
      if (engine == "onnxruntime") return ok_status();
      return model_error(file.path + " is an ONNX model; " + engine +
                         " runs ExecuTorch programs. Use --engine onnxruntime.");
    case ModelFormat::kZip:
      return model_error(file.path + " is a zip file (a PyTorch checkpoint or a Core ML package" +
                         "?); expected an ExecuTorch program or an ONNX model.");
    case ModelFormat::kUnknown: break;
  }
  return model_error(file.path + " is neither an ExecuTorch program nor an ONNX model.");
}

}  // namespace seaformer
