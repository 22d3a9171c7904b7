// Put before every source file of libncnn for ARM: products that are added become one instruction.
//
// GCC 12 compiles vmlaq_f32 to a multiplication and an addition. The names below are those that
// ncnn 1.0.20261020 uses; its sources are not changed. Drop when GCC fuses them by itself.
#pragma once

#if defined(__aarch64__)
#include <arm_neon.h>

#define vmla_f32 vfma_f32
#define vmlaq_f32 vfmaq_f32
#define vmls_f32 vfms_f32
#define vmlsq_f32 vfmsq_f32
#define vmla_n_f32 vfma_n_f32
#define vmlaq_n_f32 vfmaq_n_f32
#define vmla_lane_f32 vfma_lane_f32
#define vmlaq_lane_f32 vfmaq_lane_f32
#define vmla_laneq_f32 vfma_laneq_f32
#define vmlaq_laneq_f32 vfmaq_laneq_f32
#endif
