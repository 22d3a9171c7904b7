// See ncnn_param.h.
#include "ncnn_param.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

namespace seaformer {
namespace {

constexpr char kSuffix[] = ".param";
// Keys of an Input layer's sizes.
constexpr int kWidth = 0;
constexpr int kHeight = 1;
constexpr int kChannels = 2;
constexpr int kDepth = 11;

// "0=64 1=3": the values that are whole numbers, by key.
std::map<int, int64_t> read_values(std::istream* words) {
  std::map<int, int64_t> values;
  for (std::string word; *words >> word;) {
    int key = 0;
    int64_t value = 0;
    char equals = 0;
    std::istringstream parts(word);
    if (parts >> key >> equals >> value && equals == '=') values[key] = value;
  }
  return values;
}

TensorSpec input_spec(std::string name, const std::map<int, int64_t>& values) {
  const auto size = [&](int key) {
    const auto found = values.find(key);
    return found == values.end() || found->second <= 0 ? int64_t{0} : found->second;
  };
  TensorSpec spec{std::move(name), DType::kFloat32, {1}};
  for (int key : {kChannels, kDepth, kHeight, kWidth}) {
    if (size(key) > 0) spec.shape.push_back(size(key));
  }
  if (spec.shape.size() == 1) spec.shape = {1, -1, -1, -1};  // taken for an image of any size
  return spec;
}

}  // namespace

Status read_ncnn_param(const std::string& path, NcnnParam* out) {
  std::ifstream in(path);
  std::string line;
  size_t layers = 0;
  size_t blobs = 0;
  if (!std::getline(in, line) || line.rfind(kNcnnMagic, 0) != 0 || !std::getline(in, line) ||
      !(std::istringstream(line) >> layers >> blobs)) {
    return model_error(path + " is not an ncnn network: expected " + kNcnnMagic +
                       " and two numbers first.");
  }
  NcnnParam param;
  size_t seen = 0;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string type;
    std::string name;
    size_t takes = 0;
    size_t gives = 0;
    if (!(words >> type >> name >> takes >> gives)) continue;
    ++seen;
    if (std::find(param.types.begin(), param.types.end(), type) == param.types.end()) {
      param.types.push_back(type);
    }
    std::string blob;
    for (size_t i = 0; i < takes + gives; ++i) words >> blob;
    if (type == "Input") param.inputs.push_back(input_spec(blob, read_values(&words)));
  }
  if (seen < layers) {
    return model_error(path + " is truncated: expected " + std::to_string(layers) +
                       " layers, found " + std::to_string(seen) + ".");
  }
  *out = std::move(param);
  return ok_status();
}

std::string ncnn_weights(const std::string& param_path) {
  const size_t length = sizeof kSuffix - 1;
  const bool has_suffix = param_path.size() > length &&
                          param_path.compare(param_path.size() - length, length, kSuffix) == 0;
  return param_path.substr(0, param_path.size() - (has_suffix ? length : 0)) + ".bin";
}

}  // namespace seaformer
