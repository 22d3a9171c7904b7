// One resize that enlarges: every pair of neighbouring logits is a cell, and cells are looked at a
// vector at a time. A part of tail.cpp.
//
// A few classes are interpolated first: the best one at each corner of a cell and at its centre. The
// lowest value of the best of them in the cell is its floor. A class whose largest corner is below
// the floor cannot win there; only the others, the survivors, are compared pixel by pixel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tail.h"
#include "tail_axis.h"

namespace seaformer_tail_parts {

class Cells {
 public:
  // `logits` (classes, height, width); margin * the largest |logit| is more than roundings are.
  Cells(const SeaformerTailJob& job, const float* logits, const Plan& rows, const Plan& columns,
        float margin)
      : job_(job), logits_(logits), rows_(rows), columns_(columns), margin_(margin) {
    tops_.resize(static_cast<size_t>(job.classes) * job.width);
    survivors_.resize(static_cast<size_t>(job.classes) * job.width);
    count_.resize(job.width);
    for (RowBest& each : row_best_) each.classes.resize(job.width);
    floor_.resize(job.width);
  }

  // Whether cell i lies between columns i and i + 1, for all of them.
  static bool suits(const SeaformerTailJob& job, const Plan& columns) {
    if (job.width < kLanes || static_cast<int>(columns.groups.size()) != job.width) return false;
    for (int i = 0; i < job.width; ++i) {
      const Group& group = columns.groups[i];
      if (group.first != i || group.last != std::min(i + 1, job.width - 1)) return false;
    }
    return true;
  }

  void run(uint16_t* best, SeaformerTailCounts* counts) {
    for (const Group& rows : rows_.groups) {
      best_of_row(rows.first);
      if (job_.width >= kVectors * kLanes) {
        bound<kVectors>(rows);
      } else {
        bound<1>(rows);
      }
      set_floors(rows);
      std::fill(count_.begin(), count_.end(), 0);
      find_survivors();
      resolve(rows, best, counts);
    }
  }

 private:
  struct RowBest {
    int y = -1;
    float largest = 0.0f;          // |logit|
    std::vector<int32_t> classes;  // the best one at each column
  };
  static constexpr int kMostStrong = 4;
  static constexpr int kVectors = 4;  // that are looked at together

  const float* row(int c, int y) const {
    return logits_ + (static_cast<size_t>(c) * job_.height + y) * job_.width;
  }

  // Calls work(x, edge) so that blocks of kVectors vectors at all x cover the width; the last one
  // ends with it.
  template <int kVectors, typename Work>
  void each_block(const Work& work) const {
    constexpr int kWide = kVectors * kLanes;
    for (int x = 0; x + kWide < job_.width; x += kWide) work(x, std::false_type{});
    work(job_.width - kWide, std::true_type{});
  }

  // The largest corner of each class in the cells of these rows; the best class at each place of the
  // lower row.
  template <int kVectors>
  void bound(const Group& rows) {
    RowBest& below = row_best_[row_best_[0].y == rows.first ? 1 : 0];
    below.y = rows.last;
    Lanes largest{};
    each_block<kVectors>([&](int x, auto edge) {
      const Lanes here = bound_block<kVectors, edge()>(rows, x, &below.classes[x]);
      largest = larger(largest, here);
    });
    below.largest = highest(largest);
  }

  template <int kVectors, bool kEdge>
  Lanes bound_block(const Group& rows, int x, int32_t* best) {
    const ptrdiff_t width = job_.width, plane = width * job_.height;
    const int32_t classes = job_.classes;
    const float* above = row(0, rows.first) + x;
    const float* below = row(0, rows.last) + x;
    float* top = &tops_[x];
    Lanes peak[kVectors], largest{};
    Marks winner[kVectors], mine{};
    std::fill_n(peak, kVectors, Lanes{} - INFINITY);
    std::fill_n(winner, kVectors, Marks{});
    for (int32_t c = 0; c < classes; ++c, above += plane, below += plane, top += width, mine += 1) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const bool edge = kEdge && v + 1 == kVectors;
        const Lanes a = load(above + v * kLanes), b = load(below + v * kLanes);
        const Lanes next_a = edge ? shifted(a) : load(above + v * kLanes + 1);
        const Lanes next_b = edge ? shifted(b) : load(below + v * kLanes + 1);
        const Lanes high = larger(larger(a, next_a), larger(b, next_b));
        std::memcpy(top + v * kLanes, &high, sizeof high);
        winner[v] = b > peak[v] ? mine : winner[v];
        peak[v] = larger(b, peak[v]);
        largest = larger(largest, magnitude(b));
      }
    }
    std::memcpy(best, winner, sizeof winner);
    return largest;
  }

  const RowBest& best_of_row(int y) {
    for (const RowBest& each : row_best_) {
      if (each.y == y) return each;
    }
    RowBest& best = row_best_[0];
    const Group alone{0, 0, y, y};
    bound<1>(alone);
    return best;
  }

  void set_floors(const Group& rows) {
    const RowBest& above = best_of_row(rows.first);
    const RowBest& below = best_of_row(rows.last);
    const float margin = margin_ * std::max(above.largest, below.largest);
    for (const Group& cell : columns_.groups) {
      int strong[kMostStrong], count = 0;
      for (const int c : {above.classes[cell.first], above.classes[cell.last],
                          below.classes[cell.first], below.classes[cell.last]}) {
        if (std::find(strong, strong + count, c) == strong + count) strong[count++] = c;
      }
      const float lowest = count == 1 ? lowest_corner(rows, cell, strong[0])
                                      : lowest_peak(rows, cell, strong, count);
      floor_[cell.first] = lowest - margin;
    }
  }

  float lowest_corner(const Group& rows, const Group& columns, int c) const {
    const float* above = row(c, rows.first);
    const float* below = row(c, rows.last);
    return std::min(std::min(above[columns.first], above[columns.last]),
                    std::min(below[columns.first], below[columns.last]));
  }

  // The lowest value in a cell of the best of these classes. Lanes behind the cell's end may lower
  // it further.
  float lowest_peak(const Group& rows, const Group& columns, const int* classes, int count) const {
    Lanes lowest = Lanes{} + INFINITY;
    const float* high_weights = rows_.out.low_weight.data();
    const float* low_weights = rows_.out.high_weight.data();
    for (int x = columns.begin; x < columns.end; x += kLanes) {
      Lanes top[kMostStrong], bottom[kMostStrong];
      for (int i = 0; i < count; ++i) across(rows, columns, x, classes[i], &top[i], &bottom[i]);
      for (int y = rows.begin; y < rows.end; ++y) {
        const float high = high_weights[y], low = low_weights[y];
        Lanes peak = top[0] * high + bottom[0] * low;
        for (int i = 1; i < count; ++i) peak = larger(peak, top[i] * high + bottom[i] * low);
        lowest = smaller(lowest, peak);
      }
    }
    return -highest(-lowest);
  }

  // Values of a class at columns x and on, in the cell's upper and lower row.
  void across(const Group& rows, const Group& columns, int x, int c, Lanes* top,
              Lanes* bottom) const {
    const Lanes left = load(&columns_.out.low_weight[x]);
    const Lanes right = load(&columns_.out.high_weight[x]);
    const float* above = row(c, rows.first);
    const float* below = row(c, rows.last);
    *top = above[columns.first] * left + above[columns.last] * right;
    *bottom = below[columns.first] * left + below[columns.last] * right;
  }

  // Most classes survive in no cell of a block: its vectors are looked at together.
  void find_survivors() {
    int x = 0;
    for (; x + kVectors * kLanes <= job_.width; x += kVectors * kLanes) keep_in<kVectors>(x);
    for (; x + kLanes <= job_.width; x += kLanes) keep_in<1>(x);
    for (; x < job_.width; ++x) {
      for (int c = 0; c < job_.classes; ++c) keep(c, x, tops_[c * static_cast<size_t>(job_.width) + x]);
    }
  }

  template <int kCount>
  void keep_in(int x) {
    Lanes floors[kCount];
    std::memcpy(floors, &floor_[x], sizeof floors);
    const float* top = &tops_[x];
    for (int c = 0; c < job_.classes; ++c, top += job_.width) {
      Marks marks{};
      for (int v = 0; v < kCount; ++v) marks |= load(top + v * kLanes) >= floors[v];
      if (!any(marks)) continue;
      for (int i = 0; i < kCount * kLanes; ++i) keep(c, x + i, top[i]);
    }
  }

  void keep(int c, int g, float top) {
    if (top >= floor_[g]) {
      survivors_[static_cast<size_t>(g) * job_.classes + count_[g]++] = static_cast<uint16_t>(c);
    }
  }

  void resolve(const Group& rows, uint16_t* best, SeaformerTailCounts* counts) {
    for (int g = 0; g < job_.width; ++g) {
      const uint16_t* classes = &survivors_[static_cast<size_t>(g) * job_.classes];
      const int begin = columns_.groups[g].begin;
      if (counts) {
        counts->cells += 1;
        counts->survivors += count_[g];
      }
      if (count_[g] > 1) {
        compare(rows, columns_.groups[g], classes, count_[g], best);
        continue;
      }
      while (g + 1 < job_.width && count_[g + 1] == 1 &&  // neighbours of one class at once
             survivors_[static_cast<size_t>(g + 1) * job_.classes] == classes[0]) {
        ++g;
        if (counts) {
          counts->cells += 1;
          counts->survivors += 1;
        }
      }
      fill(rows, begin, columns_.groups[g].end, classes[0], best);
    }
  }

  void fill(const Group& rows, int begin, int end, uint16_t value, uint16_t* best) const {
    constexpr int kTogether = 8;
    uint16_t values[kTogether];
    std::fill_n(values, kTogether, value);
    for (int y = rows.begin; y < rows.end; ++y) {
      uint16_t* out = best + static_cast<size_t>(y) * job_.out_width;
      int x = begin;
      for (; x + kTogether <= end; x += kTogether) std::memcpy(out + x, values, sizeof values);
      for (; x < end; ++x) out[x] = value;
    }
  }

  void compare(const Group& rows, const Group& columns, const uint16_t* classes, int count,
               uint16_t* best) const {
    for (int x = columns.begin; x < columns.end; x += kLanes) {
      int y = rows.begin;
      for (; y + 8 <= rows.end; y += 8) compare_in<8>(rows, columns, x, y, classes, count, best);
      for (; y + 4 <= rows.end; y += 4) compare_in<4>(rows, columns, x, y, classes, count, best);
      for (; y < rows.end; ++y) compare_in<1>(rows, columns, x, y, classes, count, best);
    }
  }

  // A vector of columns and kRows rows, which share a class's values at the cell's own rows.
  template <int kRows>
  void compare_in(const Group& rows, const Group& columns, int x, int y, const uint16_t* classes,
                  int count, uint16_t* best) const {
    constexpr int kPacks = (kRows + kLanes - 1) / kLanes;
    Lanes peak[kRows], high[kPacks], low[kPacks];
    Marks winner[kRows];
    std::memcpy(high, &rows_.out.low_weight[y], sizeof high);
    std::memcpy(low, &rows_.out.high_weight[y], sizeof low);
    for (int r = 0; r < kRows; ++r) {
      peak[r] = Lanes{} - INFINITY;
      winner[r] = Marks{} + classes[0];
    }
    const Lanes left = load(&columns_.out.low_weight[x]);
    const Lanes right = load(&columns_.out.high_weight[x]);
    const ptrdiff_t plane = static_cast<ptrdiff_t>(job_.height) * job_.width;
    const float* above = row(0, rows.first) + columns.first;
    const float* below = row(0, rows.last) + columns.first;
    const int next = columns.last - columns.first;
    for (int i = 0; i < count; ++i) {
      const float* a = above + classes[i] * plane;
      const float* b = below + classes[i] * plane;
      const Lanes top = a[0] * left + a[next] * right;
      const Lanes bottom = b[0] * left + b[next] * right;
      const Marks mine = Marks{} + classes[i];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const int pack = r / kLanes, lane = r % kLanes;
        const Lanes value = times(top, high[pack], lane) + times(bottom, low[pack], lane);
        winner[r] = value > peak[r] ? mine : winner[r];
        peak[r] = larger(value, peak[r]);
      }
    }
    const int width = std::min(kLanes, columns.end - x);
    for (int r = 0; r < kRows; ++r) {
      uint16_t* out = best + static_cast<size_t>(y + r) * job_.out_width + x;
      if (width == kLanes) {
        const Shorts packed = __builtin_convertvector(winner[r], Shorts);
        std::memcpy(out, &packed, sizeof packed);
      } else {
        for (int k = 0; k < width; ++k) out[k] = static_cast<uint16_t>(winner[r][k]);
      }
    }
  }

  const SeaformerTailJob& job_;
  const float* logits_;
  const Plan& rows_;
  const Plan& columns_;
  const float margin_;
  std::vector<float> tops_, floor_;
  std::vector<int32_t> count_;
  std::vector<uint16_t> survivors_;
  RowBest row_best_[2];
};

}  // namespace seaformer_tail_parts
