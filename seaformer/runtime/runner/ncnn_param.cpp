// See ncnn_param.h.
#include "ncnn_param.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

namespace seaformer {
namespace {

constexpr char kSuffix[] = ".param";
constexpr char kMethodMark[] = "#method";
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

// "in0=1x3x64x64": a blob and its sizes.
bool read_given(const std::string& word, TensorSpec* spec) {
  const size_t equals = word.find('=');
  if (equals == std::string::npos) return false;
  *spec = {word.substr(0, equals), DType::kFloat32, {}};
  std::istringstream sizes(word.substr(equals + 1));
  for (std::string size; std::getline(sizes, size, 'x');) {
    char* end = nullptr;
    spec->shape.push_back(std::strtoll(size.c_str(), &end, 10));
    if (size.empty() || *end != '\0' || spec->shape.back() < 1) return false;
  }
  return !spec->shape.empty();
}

bool read_method(std::istream* words, NcnnMethod* method) {
  size_t takes = 0;
  size_t gives = 0;
  if (!(*words >> method->name >> takes >> gives) || takes == 0 || gives == 0) return false;
  std::string word;
  for (size_t i = 0; i < takes; ++i) {
    TensorSpec spec;
    if (!(*words >> word) || !read_given(word, &spec)) return false;
    method->inputs.push_back(std::move(spec));
  }
  for (size_t i = 0; i < gives; ++i) {
    if (!(*words >> word)) return false;
    method->outputs.push_back(word);
  }
  return true;
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
  param.methods.push_back({"forward", {}, {}});
  while (std::getline(in, line)) {
    std::istringstream words(line);
    NcnnLayer layer;
    size_t takes = 0;
    size_t gives = 0;
    if (!(words >> layer.type)) continue;
    if (layer.type == kMethodMark) {
      NcnnMethod method;
      if (!read_method(&words, &method)) return model_error(path + ": '" + line + "' is not a method.");
      param.methods.push_back(std::move(method));
      continue;
    }
    if (!(words >> layer.name >> takes >> gives)) continue;
    std::string blob;
    for (size_t i = 0; i < takes; ++i) words >> blob;
    for (size_t i = 0; i < gives && words >> blob; ++i) layer.outputs.push_back(blob);
    if (layer.type == "Input") {
      param.methods[0].inputs.push_back(input_spec(blob, read_values(&words)));
    }
    param.layers.push_back(std::move(layer));
  }
  if (param.layers.size() < layers) {
    return model_error(path + " is truncated: expected " + std::to_string(layers) +
                       " layers, found " + std::to_string(param.layers.size()) + ".");
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
