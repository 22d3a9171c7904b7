// ExecuTorch programs (.pte). Source: ExecuTorch docs, "PTE file format": flatbuffer identifier at
// byte 4, extended header "eh00" at byte 8.
#include <cstring>

#include "model_file.h"
#include "registry.h"

namespace seaformer {
namespace {

template <typename T>
T little_endian(const char (&head)[kHeadBytes], size_t offset) {
  T value = 0;
  std::memcpy(&value, head + offset, sizeof value);
  return value;
}

// The extended header: magic[4] "eh00", u32 length, u64 program_size, u64 segment_base_offset,
// u64 segment_data_size (in headers of 32 bytes and more).
Status check_length(const ModelBytes& bytes) {
  const auto& head = bytes.head;
  if (bytes.size_bytes < static_cast<int64_t>(kHeadBytes)) {
    return cut_short(bytes.path, kHeadBytes, bytes.size_bytes);
  }
  if (std::memcmp(head + 8, "eh00", 4) != 0) return ok_status();
  const auto length = little_endian<uint32_t>(head, 12);
  uint64_t expected = little_endian<uint64_t>(head, 16);
  const auto segments = little_endian<uint64_t>(head, 24);
  const uint64_t segment_bytes = length >= 32 ? little_endian<uint64_t>(head, 32) : 0;
  if (segments != 0 && segments + segment_bytes > expected) expected = segments + segment_bytes;
  if (expected > static_cast<uint64_t>(bytes.size_bytes)) {
    return cut_short(bytes.path, expected, bytes.size_bytes);
  }
  return ok_status();
}

Status inspect(const ModelBytes& bytes, bool* is_one) {
  const auto& head = bytes.head;
  *is_one = std::memcmp(head + 4, "ET", 2) == 0 && head[6] >= '0' && head[6] <= '9';
  return *is_one ? check_length(bytes) : ok_status();
}

const RegisterFormat registered(
    {"executorch", "an ExecuTorch program", "ExecuTorch programs", /*has_magic=*/true, inspect});

}  // namespace
}  // namespace seaformer
