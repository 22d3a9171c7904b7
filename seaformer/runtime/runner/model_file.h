// Looks at a model file before any engine does: which format it is and whether it is whole.
// Content decides, never the name. The formats (registry.h) recognise their files; their own
// parsers come later and know more.
#pragma once

#include <cstdint>
#include <string>

#include "registry.h"
#include "status.h"

namespace seaformer {

struct ModelFile {
  std::string path;
  int64_t size_bytes = 0;
  const Format* format = nullptr;  // null: of no format that is registered
  bool is_zip = false;
};

// Fails (kModel) when the file is missing, unreadable, empty, or its format says that it was cut
// short. On failure *out is unchanged.
[[nodiscard]] Status inspect_model(const std::string& path, ModelFile* out);

// Fails (kModel), saying what the file is and which engine runs it, unless `engine` runs files of
// this format. An engine that registered no format takes any file.
[[nodiscard]] Status check_engine(const ModelFile& file, const std::string& engine);

// What inspect of a format says of a file with fewer bytes than it should have.
[[nodiscard]] Status cut_short(const std::string& path, uint64_t expected, int64_t seen);

}  // namespace seaformer
