// How one axis of an image is resized, and what a vector of this processor holds: parts of tail.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__SSE2__)
#include <immintrin.h>
#endif

namespace seaformer_tail_parts {

#if defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t Marks __attribute__((vector_size(kLanes * sizeof(int32_t))));
typedef uint16_t Shorts __attribute__((vector_size(kLanes * sizeof(uint16_t))));

inline Lanes load(const float* from) {
  Lanes value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Of finite values: the compilers make two instructions of a comparison and a choice.
inline Lanes larger(Lanes a, Lanes b) {
#if defined(__aarch64__)
  return vmaxq_f32(a, b);
#elif defined(__AVX__)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

inline Lanes smaller(Lanes a, Lanes b) { return -larger(-a, -b); }

inline Lanes magnitude(Lanes a) {
#if defined(__aarch64__)
  return vabsq_f32(a);
#else
  return larger(a, -a);
#endif
}

// `lane` is constant where it is called.
inline __attribute__((always_inline)) Lanes times(Lanes a, Lanes pack, int lane) {
#if defined(__aarch64__)
  switch (lane) {
    case 0: return vmulq_laneq_f32(a, pack, 0);
    case 1: return vmulq_laneq_f32(a, pack, 1);
    case 2: return vmulq_laneq_f32(a, pack, 2);
    default: return vmulq_laneq_f32(a, pack, 3);
  }
#else
  return a * pack[lane];
#endif
}

inline float highest(Lanes a) {
  float value = a[0];
  for (int i = 1; i < kLanes; ++i) value = std::max(value, a[i]);
  return value;
}

// Lane i has the value of lane i + 1, the last one its own.
inline Lanes shifted(Lanes a) {
#if defined(__aarch64__)
  return vextq_f32(a, vdupq_laneq_f32(a, kLanes - 1), 1);
#elif defined(__SSE2__) && !defined(__AVX__)
  return _mm_shuffle_ps(a, a, _MM_SHUFFLE(3, 3, 2, 1));
#else
  Lanes next = a;
  for (int i = 0; i + 1 < kLanes; ++i) next[i] = a[i + 1];
  return next;
#endif
}

inline bool any(Marks marks) {
#if defined(__aarch64__)
  return vmaxvq_u32(reinterpret_cast<uint32x4_t>(marks)) != 0;
#elif defined(__AVX__)
  return _mm256_movemask_ps(reinterpret_cast<__m256>(marks)) != 0;
#elif defined(__SSE2__)
  return _mm_movemask_ps(reinterpret_cast<__m128>(marks)) != 0;
#else
  int32_t all = 0;
  for (int i = 0; i < kLanes; ++i) all |= marks[i];
  return all != 0;
#endif
}

// One bilinear resize of one axis: position i reads low[i] and high[i]. A vector may be loaded at
// the weights of any position.
struct Axis {
  std::vector<int> low, high;
  std::vector<float> low_weight, high_weight;

  Axis(int source, int target)
      : low(target), high(target), low_weight(target + kLanes), high_weight(target + kLanes) {
    const float ratio = static_cast<float>(source) / static_cast<float>(target);
    for (int i = 0; i < target; ++i) {
      const float scaled = ratio * (static_cast<float>(i) + 0.5f);
      const float place = std::max(scaled - 0.5f, 0.0f);
      low[i] = std::min(static_cast<int>(place), source - 1);
      high[i] = std::min(low[i] + 1, source - 1);
      high_weight[i] = std::min(place - static_cast<float>(low[i]), 1.0f);
      low_weight[i] = 1.0f - high_weight[i];
    }
  }
};

// Neighbouring output positions that read the same source positions, first to last inclusive.
struct Group {
  int begin, end;
  int first, last;
};

// An axis in one resize (`mid` is null) or two.
struct Plan {
  const Axis* mid;
  const Axis& out;
  std::vector<Group> groups;

  Plan(const Axis* first_step, const Axis& last_step) : mid(first_step), out(last_step) {
    for (int i = 0; i < static_cast<int>(out.low.size()); ++i) {
      const int first = mid ? mid->low[out.low[i]] : out.low[i];
      const int last = mid ? mid->high[out.high[i]] : out.high[i];
      if (groups.empty() || groups.back().first != first || groups.back().last != last) {
        groups.push_back({i, i, first, last});
      }
      groups.back().end = i + 1;
    }
  }
};

}  // namespace seaformer_tail_parts
