// The tail of a segmentation network: bilinear upsampling and argmax in one pass.
//
// Equal, pixel by pixel, to the argmax over classes of the bilinear resize (pixel centres, as torch
// with align_corners=False) in single precision: along the width first, then along the height, no
// fused multiply-add. Of equal values the lowest class wins. No image of all classes is written.
#pragma once

#include <cstdint>

extern "C" {

enum SeaformerTailKind { SEAFORMER_TAIL_FP32 = 0, SEAFORMER_TAIL_FP16 = 1, SEAFORMER_TAIL_INT8 = 2 };

// Logits (classes, height, width), contiguous and finite, of `kind`. The first resize is to
// (mid_height, mid_width), the second one to (out_height, out_width); without a first one both are 0.
// `scale` is that of int8 logits, 1 of others; it matters to `confidence` alone.
struct SeaformerTailJob {
  const void* logits;
  int32_t kind;
  int32_t classes;
  int32_t height;
  int32_t width;
  int32_t mid_height;
  int32_t mid_width;
  int32_t out_height;
  int32_t out_width;
  float scale;
};

// Cells of the output and, over all of them, the classes that could win there.
struct SeaformerTailCounts {
  int64_t cells;
  int64_t survivors;
};

// Fills `best` (out_height, out_width), and `confidence` of the same shape unless it is null: the
// softmax of the class that won. `counts` may be null. Returns 0; 1 for sizes below 1 or more than
// 65,536 classes, 2 where memory is short. Nothing is kept.
int seaformer_tail(const SeaformerTailJob* job, uint16_t* best, float* confidence,
                   SeaformerTailCounts* counts);
}
