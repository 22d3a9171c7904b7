// ONNX models (.onnx), which have no magic number: a protobuf whose top-level fields are those of
// ModelProto and end where the file does. ONNX Runtime's own flatbuffers have one ("ORTM").
// Sources: protobuf's encoding guide; onnx.proto3 (ModelProto's fields are 1 to 26, the graph is
// field 7).
#include <cstring>

#include "model_file.h"
#include "registry.h"

namespace seaformer {
namespace {

constexpr uint64_t kGraphField = 7;
constexpr uint64_t kLastField = 26;

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

// Walks the top-level fields. *is_one when they are ModelProto's and a graph is among them.
Status walk(const ModelBytes& bytes, bool* is_one) {
  std::istream* in = &bytes.stream;
  bool graph = false;
  uint64_t position = 0;
  const auto size = static_cast<uint64_t>(bytes.size_bytes);
  while (position < size) {
    in->clear();
    in->seekg(static_cast<std::streamoff>(position));
    uint64_t key = 0;
    uint64_t length = 0;
    if (!read_varint(in, &key) || (key >> 3) == 0 || (key >> 3) > kLastField ||
        !skip_field(in, key & 7, &length)) {
      return ok_status();  // no ONNX model, or none that a cut explains
    }
    graph = graph || (key >> 3) == kGraphField;
    position = static_cast<uint64_t>(in->tellg());
    if (length > size - position) {
      return graph ? cut_short(bytes.path, position + length, bytes.size_bytes) : ok_status();
    }
    position += length;
  }
  *is_one = graph;
  return ok_status();
}

Status inspect(const ModelBytes& bytes, bool* is_one) {
  *is_one = std::memcmp(bytes.head + 4, "ORTM", 4) == 0;
  return *is_one ? ok_status() : walk(bytes, is_one);
}

const RegisterFormat registered(
    {"onnxruntime", "an ONNX model", "ONNX models", /*has_magic=*/false, inspect});

}  // namespace
}  // namespace seaformer
