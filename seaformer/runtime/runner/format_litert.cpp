// LiteRT (TensorFlow Lite) models (.tflite), a flatbuffer with the identifier "TFL3" at byte 4. It
// does not state its length.
#include <cstring>

#include "model_file.h"
#include "registry.h"

namespace seaformer {
namespace {

Status inspect(const ModelBytes& bytes, bool* is_one) {
  *is_one = std::memcmp(bytes.head + 4, "TFL3", 4) == 0;
  return ok_status();
}

const RegisterFormat registered(
    {"litert", "a LiteRT model", "LiteRT models", /*has_magic=*/true, inspect});

}  // namespace
}  // namespace seaformer
