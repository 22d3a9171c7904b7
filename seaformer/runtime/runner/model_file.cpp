// See model_file.h.
#include "model_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

namespace seaformer {
namespace {

std::vector<std::string> every_kind() {
  std::vector<std::string> kinds;
  for (const Format& format : formats()) kinds.push_back(format.one);
  return kinds;
}

Status unrecognised(const ModelFile& file) {
  const std::vector<std::string> kinds = every_kind();
  if (file.is_zip) {
    return model_error(file.path + " is a zip file (a PyTorch checkpoint?); expected " +
                       listed(kinds, " or ") + ".");
  }
  const std::string is_not = kinds.size() == 1 ? " is not " : " is neither ";
  return model_error(file.path + is_not + listed(kinds, " nor ") + ".");
}

}  // namespace

Status cut_short(const std::string& path, uint64_t expected, int64_t seen) {
  return model_error(path + " is truncated: expected " + std::to_string(expected) +
                     " bytes, found " + std::to_string(seen) + ".");
}

Status inspect_model(const std::string& path, ModelFile* out) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return model_error("Model " + path + ": " + std::strerror(errno) + ".");
  }
  if (!S_ISREG(info.st_mode)) return model_error("Model " + path + " is not a file.");
  ModelFile file{path, static_cast<int64_t>(info.st_size)};
  if (file.size_bytes == 0) return model_error("Model " + path + " is empty.");
  std::ifstream in(path, std::ios::binary);
  if (!in) return model_error("Model " + path + " cannot be opened for reading.");
  char head[kHeadBytes] = {};
  in.read(head, kHeadBytes);
  for (const Format& format : formats()) {
    bool is_one = false;
    Status status = format.inspect({file.path, file.size_bytes, head, in}, &is_one);
    if (!status.ok()) return status;
    if (is_one) {
      file.format = &format;
      break;
    }
  }
  file.is_zip = std::memcmp(head, "PK\x03\x04", 4) == 0;
  *out = file;
  return ok_status();
}

Status check_engine(const ModelFile& file, const std::string& engine) {
  const auto& all = formats();
  const auto mine = std::find_if(all.begin(), all.end(),
                                 [&](const Format& format) { return format.engine == engine; });
  if (mine == all.end() || file.format == &*mine) return ok_status();
  if (file.format == nullptr) return unrecognised(file);
  return model_error(file.path + " is " + file.format->one + "; " + engine + " runs " +
                     mine->many + ". Use --engine " + file.format->engine + ".");
}

}  // namespace seaformer
