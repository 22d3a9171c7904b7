// The tail of a segmentation network (tail.h) as what is timed: an Engine around the network's own.
#pragma once

#include <cstdint>
#include <memory>

#include "engine.h"

namespace seaformer {

// Runs `network` once, when its inputs are set; each timed run is bilinear upsampling and argmax of
// the logits that it gave, to (height, width), on the calling thread. The outputs are the class of
// each pixel, uint16, and those logits. Loading is the network's. `network` must have been prepared
// for one thread. Fails (kModel) unless its only output is finite logits (1, K, h, w) of float32,
// float16 or int8 with at least 2 classes.
[[nodiscard]] std::unique_ptr<Engine> argmax_tail(std::unique_ptr<Engine> network, int64_t height,
                                                  int64_t width);

}  // namespace seaformer
