// Put before every source file of libncnn for ARM. Its sources are not changed.
//
// - Products that are added become one instruction: GCC 12 compiles vmlaq_f32 to a multiplication
//   and an addition. The names are those that ncnn 1.0.20261020 uses. Drop when GCC fuses them.
// - The features of the core come from getauxval, not from /proc/self/auxv: glibc's loader moves
//   that vector when it is started by name, as a bundle does, and QEMU then shows other words there.
//   ncnn would compute in single precision.
#pragma once

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>
#include <stdio.h>
#ifdef __cplusplus
#include <cstdio>  // it ends every macro of the name below
#endif
#include <string.h>
#include <sys/auxv.h>

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

// The vector of this process as a file with what ncnn reads of it; any other file as it is.
static inline FILE* open_with_features(const char* path, const char* mode) {
  static uint64_t vector[6];
  if (strcmp(path, "/proc/self/auxv") != 0) return fopen(path, mode);
  vector[0] = AT_HWCAP;
  vector[1] = getauxval(AT_HWCAP);
  vector[2] = AT_HWCAP2;
  vector[3] = getauxval(AT_HWCAP2);
  return fmemopen(vector, sizeof vector, "r");
}
#define fopen open_with_features
#endif
