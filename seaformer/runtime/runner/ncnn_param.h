// What the runner reads of an ncnn network's text (.param) by itself: the sizes of its inputs, and
// the layers, to name one that is missing. Source: ncnn wiki, "param and model file structure":
// a magic number, the numbers of layers and blobs, then one layer a line.
#pragma once

#include <string>
#include <vector>

#include "status.h"
#include "tensor.h"

namespace seaformer {

constexpr char kNcnnMagic[] = "7767517";

struct NcnnParam {
  std::vector<TensorSpec> inputs;  // (1, C, H, W), (1, H, W) or (1, W); -1 where a size is missing
  std::vector<std::string> types;  // of the layers, each once, in the order they come
};

// Fails (kModel) when the file is not such a text, or was cut short. On failure *out is unchanged.
[[nodiscard]] Status read_ncnn_param(const std::string& path, NcnnParam* out);

// The file beside it that has the weights: model.param has model.bin.
[[nodiscard]] std::string ncnn_weights(const std::string& param_path);

}  // namespace seaformer
