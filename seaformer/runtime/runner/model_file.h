// Looks at a model file before any engine does: which format it is and whether it is whole.
// Content decides, never the name. The formats' own parsers come later and know more.
#pragma once

#include <cstdint>
#include <string>

#include "status.h"

namespace seaformer {

enum class ModelFormat { kUnknown, kExecutorch, kOnnx, kOrtFlatbuffer, kZip };

struct ModelFile {
  std::string path;
  int64_t size_bytes = 0;
  ModelFormat format = ModelFormat::kUnknown;
};

// Fails (kModel) when the file is missing, unreadable, empty or cut short. A .pte says in its
// extended header how long it is; an ONNX protobuf's top-level fields must end where the file
// does. On failure *out is unchanged.
[[nodiscard]] Status inspect_model(const std::string& path, ModelFile* out);

// Fails (kModel), saying what the file is and which engine runs it, unless `engine`
// ("executorch" or "onnxruntime") runs files of this format.
[[nodiscard]] Status check_engine(const ModelFile& file, const std::string& engine);

}  // namespace seaformer
