// What the runner reads of an ncnn network's text (.param) by itself: the sizes of its inputs, and
// the layers, to name one that is missing. Source: ncnn wiki, "param and model file structure":
// a magic number, the numbers of layers and blobs, then one layer a line. Behind them, where ncnn reads
// no further, may be parts of the network: "#method stem 1 1 in0=1x3x64x64 24" (takes, gives).
#pragma once

#include <string>
#include <vector>

#include "status.h"
#include "tensor.h"

namespace seaformer {

constexpr char kNcnnMagic[] = "7767517";

struct NcnnLayer {
  std::string type;
  std::string name;
  std::vector<std::string> outputs;  // blobs
};

// The whole network, or a part of it that lies between blobs.
struct NcnnMethod {
  std::string name;
  std::vector<TensorSpec> inputs;    // (1, C, H, W), (1, H, W) or (1, W); -1 where a size is missing
  std::vector<std::string> outputs;  // blobs; of the whole network none are listed
};

struct NcnnParam {
  std::vector<NcnnMethod> methods;  // "forward" first
  std::vector<NcnnLayer> layers;
};

// Fails (kModel) when the file is not such a text, or was cut short. On failure *out is unchanged.
[[nodiscard]] Status read_ncnn_param(const std::string& path, NcnnParam* out);

// The file beside it that has the weights: model.param has model.bin.
[[nodiscard]] std::string ncnn_weights(const std::string& param_path);

}  // namespace seaformer
