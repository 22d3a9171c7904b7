#include "tail.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

#include "tail_axis.h"
#include "tail_cells.h"

// Within a cell every value of a class is a convex mix of the cell's corners. So a class whose
// largest corner is below another's smallest one cannot win there; the others, the survivors, are
// interpolated. Rounding moves a mix out of its corners by less than the margin below.
namespace {

using seaformer_tail_parts::Axis;
using seaformer_tail_parts::Cells;
using seaformer_tail_parts::Group;
using seaformer_tail_parts::Plan;

constexpr float kMargin = 1.0f / (1 << 19);  // of the largest |logit|: over 16 roundings a side
constexpr float kNegligible = 20.0f;         // exp(-20): what a confidence leaves out, by class

#if defined(__aarch64__)
float from_half(uint16_t half) {
  __fp16 value;
  std::memcpy(&value, &half, sizeof value);
  return value;
}
#else
float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7fffu;
  float value;
  if (rest < 0x0400u) {
    value = static_cast<float>(rest) * (1.0f / 16777216.0f);  // subnormal: multiples of 2^-24
  } else {
    const uint32_t bits = (rest << 13) + 0x38000000u;
    std::memcpy(&value, &bits, sizeof value);
  }
  return sign ? -value : value;
}
#endif

class Tail {
 public:
  Tail(const SeaformerTailJob& job, const float* logits, const Plan& rows, const Plan& columns)
      : job_(job), logits_(logits), rows_(rows), columns_(columns) {
    const size_t groups = columns.groups.size();
    low_.resize(job.width);
    high_.resize(job.width);
    floor_.resize(groups);
    tops_.resize(groups * job.classes);
    survivors_.resize(groups * job.classes);
    count_.resize(groups);
  }

  void run(uint16_t* best, float* confidence, SeaformerTailCounts* counts) {
    for (const Group& rows : rows_.groups) {
      find_survivors(rows, confidence ? kNegligible / job_.scale : 0.0f);
      for (size_t g = 0; g < columns_.groups.size(); ++g) {
        const Group& columns = columns_.groups[g];
        const uint16_t* classes = &survivors_[g * job_.classes];
        if (counts) {
          counts->cells += 1;
          counts->survivors += count_[g];
        }
        if (count_[g] == 1) {
          fill(rows, columns, classes[0], best, confidence);
        } else {
          by_patches(rows, columns, classes, count_[g], best, confidence);
        }
      }
    }
  }

 private:
  const float* row(int c, int y) const {
    return logits_ + (static_cast<size_t>(c) * job_.height + y) * job_.width;
  }

  // Survivors of every cell of one row of cells; `slack` keeps those that are further below.
  void find_survivors(const Group& rows, float slack) {
    const size_t groups = columns_.groups.size();
    std::fill(floor_.begin(), floor_.end(), -INFINITY);
    std::fill(count_.begin(), count_.end(), 0);
    float largest = 0.0f;
    for (int c = 0; c < job_.classes; ++c) {
      largest = std::max(largest, column_bounds(c, rows));
      float* top = &tops_[c * groups];
      for (size_t g = 0; g < groups; ++g) {
        const Group& columns = columns_.groups[g];
        float bottom = low_[columns.first];
        top[g] = high_[columns.first];
        for (int x = columns.first + 1; x <= columns.last; ++x) {
          bottom = std::min(bottom, low_[x]);
          top[g] = std::max(top[g], high_[x]);
        }
        floor_[g] = std::max(floor_[g], bottom);
      }
    }
    const float below = largest * kMargin + slack;
    for (size_t g = 0; g < groups; ++g) floor_[g] -= below;
    for (int c = 0; c < job_.classes; ++c) {
      for (size_t g = 0; g < groups; ++g) keep(c, g, tops_[c * groups + g]);
    }
  }

  // Smallest and largest value of each column over these rows; returns the largest magnitude.
  float column_bounds(int c, const Group& rows) {
    const float* first = row(c, rows.first);
    std::copy(first, first + job_.width, low_.begin());
    std::copy(first, first + job_.width, high_.begin());
    for (int y = rows.first + 1; y <= rows.last; ++y) {
      const float* next = row(c, y);
      for (int x = 0; x < job_.width; ++x) {
        low_[x] = next[x] < low_[x] ? next[x] : low_[x];
        high_[x] = next[x] > high_[x] ? next[x] : high_[x];
      }
    }
    float largest = 0.0f;
    for (int x = 0; x < job_.width; ++x) {
      const float size = high_[x] > -low_[x] ? high_[x] : -low_[x];
      largest = size > largest ? size : largest;
    }
    return largest;
  }

  void keep(int c, size_t g, float top) {
    if (top >= floor_[g]) survivors_[g * job_.classes + count_[g]++] = static_cast<uint16_t>(c);
  }

  void fill(const Group& rows, const Group& columns, uint16_t value, uint16_t* best,
            float* confidence) const {
    for (int y = rows.begin; y < rows.end; ++y) {
      const size_t at = static_cast<size_t>(y) * job_.out_width + columns.begin;
      std::fill_n(best + at, columns.end - columns.begin, value);
      if (confidence) std::fill_n(confidence + at, columns.end - columns.begin, 1.0f);
    }
  }

  // One resize or two, with or without confidence: the values of a class in this cell as a patch.
  void by_patches(const Group& rows, const Group& columns, const uint16_t* classes, int count,
                  uint16_t* best, float* confidence) {
    const int height = rows.end - rows.begin, width = columns.end - columns.begin;
    const size_t size = static_cast<size_t>(height) * width;
    peaks_.assign(size, 0.0f);
    winners_.assign(size, 0);
    for (int i = 0; i < count; ++i) {
      interpolate(rows, columns, classes[i]);
      for (size_t p = 0; p < size; ++p) {
        if (i == 0 || patch_[p] > peaks_[p]) {
          peaks_[p] = patch_[p];
          winners_[p] = classes[i];
        }
      }
    }
    for (int y = 0; y < height; ++y) {
      uint16_t* out = best + static_cast<size_t>(rows.begin + y) * job_.out_width + columns.begin;
      std::copy_n(&winners_[static_cast<size_t>(y) * width], width, out);
    }
    if (confidence) rate(rows, columns, classes, count, confidence);
  }

  // The softmax of the winners, of the classes that are not negligible.
  void rate(const Group& rows, const Group& columns, const uint16_t* classes, int count,
            float* confidence) {
    const int height = rows.end - rows.begin, width = columns.end - columns.begin;
    const size_t size = static_cast<size_t>(height) * width;
    sums_.assign(size, 0.0f);
    for (int i = 0; i < count; ++i) {
      interpolate(rows, columns, classes[i]);
      for (size_t p = 0; p < size; ++p) {
        sums_[p] += std::exp((patch_[p] - peaks_[p]) * job_.scale);
      }
    }
    for (int y = 0; y < height; ++y) {
      float* out = confidence + static_cast<size_t>(rows.begin + y) * job_.out_width + columns.begin;
      for (int x = 0; x < width; ++x) out[x] = 1.0f / sums_[static_cast<size_t>(y) * width + x];
    }
  }

  void interpolate(const Group& rows, const Group& columns, int c) {
    const float* source = logits_ + static_cast<size_t>(c) * job_.height * job_.width;
    if (!rows_.mid) {
      resize(source, job_.width, 0, 0, rows_.out, columns_.out, rows.begin, rows.end, columns.begin,
             columns.end, patch_);
      return;
    }
    const int top = rows_.out.low[rows.begin], bottom = rows_.out.high[rows.end - 1] + 1;
    const int left = columns_.out.low[columns.begin], right = columns_.out.high[columns.end - 1] + 1;
    resize(source, job_.width, 0, 0, *rows_.mid, *columns_.mid, top, bottom, left, right, middle_);
    resize(middle_.data(), right - left, top, left, rows_.out, columns_.out, rows.begin, rows.end,
           columns.begin, columns.end, patch_);
  }

  // Rows y0 to y1 and columns x0 to x1 of a resize; the source begins at (top, left).
  static void resize(const float* source, int stride, int top, int left, const Axis& down,
                     const Axis& across, int y0, int y1, int x0, int x1, std::vector<float>& out) {
    out.resize(static_cast<size_t>(y1 - y0) * (x1 - x0));
    float* to = out.data();
    for (int y = y0; y < y1; ++y) {
      const float* above = source + static_cast<ptrdiff_t>(down.low[y] - top) * stride - left;
      const float* below = source + static_cast<ptrdiff_t>(down.high[y] - top) * stride - left;
      for (int x = x0; x < x1; ++x) {
        const int low = across.low[x], high = across.high[x];
        const float a = above[low] * across.low_weight[x] + above[high] * across.high_weight[x];
        const float b = below[low] * across.low_weight[x] + below[high] * across.high_weight[x];
        *to++ = a * down.low_weight[y] + b * down.high_weight[y];
      }
    }
  }

  const SeaformerTailJob& job_;
  const float* logits_;
  const Plan& rows_;
  const Plan& columns_;
  std::vector<float> low_, high_, floor_, tops_;
  std::vector<uint16_t> survivors_, winners_;
  std::vector<int> count_;
  std::vector<float> patch_, middle_, peaks_, sums_;
};

std::vector<float> as_floats(const SeaformerTailJob& job) {
  const size_t count = static_cast<size_t>(job.classes) * job.height * job.width;
  std::vector<float> values(job.kind == SEAFORMER_TAIL_FP32 ? 0 : count);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = job.kind == SEAFORMER_TAIL_FP16
                    ? from_half(static_cast<const uint16_t*>(job.logits)[i])
                    : static_cast<float>(static_cast<const int8_t*>(job.logits)[i]);
  }
  return values;
}

}  // namespace

extern "C" int seaformer_tail(const SeaformerTailJob* job, uint16_t* best, float* confidence,
                              SeaformerTailCounts* counts) {
  const bool two = job->mid_height > 0 && job->mid_width > 0;
  const int smallest = std::min({job->classes, job->height, job->width, job->out_height,
                                 job->out_width});
  if (smallest < 1 || job->classes > 65536) return 1;
  try {
    if (counts) *counts = {0, 0};
    const std::vector<float> converted = as_floats(*job);
    const float* logits =
        converted.empty() ? static_cast<const float*>(job->logits) : converted.data();
    const Axis mid_rows(job->height, two ? job->mid_height : 1);
    const Axis mid_columns(job->width, two ? job->mid_width : 1);
    const Axis rows(two ? job->mid_height : job->height, job->out_height);
    const Axis columns(two ? job->mid_width : job->width, job->out_width);
    const Plan row_plan(two ? &mid_rows : nullptr, rows);
    const Plan column_plan(two ? &mid_columns : nullptr, columns);
    if (!two && !confidence && Cells::suits(*job, column_plan)) {
      Cells(*job, logits, row_plan, column_plan, kMargin).run(best, counts);
    } else {
      Tail(*job, logits, row_plan, column_plan).run(best, confidence, counts);
    }
  } catch (const std::bad_alloc&) {
    return 2;
  }
  return 0;
}
