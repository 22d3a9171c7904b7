// ncnn networks (.param), a text that begins with a magic number. Weights are in another file.
#include <cstring>

#include "model_file.h"
#include "ncnn_param.h"
#include "registry.h"

namespace seaformer {
namespace {

Status inspect(const ModelBytes& bytes, bool* is_one) {
  *is_one = std::memcmp(bytes.head, kNcnnMagic, sizeof kNcnnMagic - 1) == 0;
  return ok_status();
}

const RegisterFormat registered(
    {"ncnn", "an ncnn network", "ncnn networks", /*has_magic=*/true, inspect});

}  // namespace
}  // namespace seaformer
