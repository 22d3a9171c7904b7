// When to stop warming up, and when enough samples were timed: the rules alone, no clock, no
// engine. The caller runs and times; a judge is told each duration and says when to stop. Time
// that counts against a limit is the sum of the durations told. The Python fall-back
// (runtime/python_runner) follows the same rules in its own code.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace seaformer {

// CLOCK_MONOTONIC_RAW in nanoseconds: not slewed by NTP while a measurement runs.
[[nodiscard]] int64_t now_ns();

// Warm-up ends, at the earliest after min_runs runs and min_secs seconds, when a fast moving
// average (weight 1/3) and a slow one (weight 1/10), both started at the first run, differ by at
// most `tolerance` relative to the slow one; at the latest after max_secs. fixed_runs >= 0 means
// exactly that many runs and nothing else.
struct WarmupRule {
  int64_t min_runs = 5;
  double min_secs = 1.0;
  double max_secs = 15.0;
  double tolerance = 0.02;
  int64_t fixed_runs = -1;
};

class WarmupJudge {
 public:
  explicit WarmupJudge(const WarmupRule& rule);

  [[nodiscard]] bool finished() const { return reason_ != nullptr; }
  // "converged", "max_secs" or "fixed"; null while not finished.
  [[nodiscard]] const char* reason() const { return reason_; }
  [[nodiscard]] int64_t runs() const { return runs_; }
  void add(int64_t duration_ns);

 private:
  WarmupRule rule_;
  int64_t runs_ = 0;
  int64_t total_ns_ = 0;
  double fast_ = 0.0;
  double slow_ = 0.0;
  const char* reason_ = nullptr;
};

// Timing ends, at the earliest after min_runs samples and min_secs seconds, when the half width of
// the 95 % bootstrap interval of the median is at most `ci_width` of the median; at the latest
// after max_runs samples or max_secs seconds (which win over the minima). The interval is looked
// at for odd sample counts, at most about fifty times per doubling. fixed_runs >= 1 means exactly
// that many samples.
struct StopRule {
  int64_t min_runs = 30;
  double min_secs = 3.0;
  int64_t max_runs = 500;
  double max_secs = 20.0;
  double ci_width = 0.01;
  int64_t fixed_runs = -1;
};

class StopJudge {
 public:
  explicit StopJudge(const StopRule& rule);

  [[nodiscard]] bool finished() const { return reason_ != nullptr; }
  // "interval", "max_runs", "max_secs" or "fixed"; null while not finished.
  [[nodiscard]] const char* reason() const { return reason_; }
  [[nodiscard]] const std::vector<int64_t>& samples_ns() const { return samples_ns_; }
  void add(int64_t duration_ns);

 private:
  [[nodiscard]] bool interval_is_narrow();

  StopRule rule_;
  std::vector<int64_t> samples_ns_;
  int64_t total_ns_ = 0;
  int64_t next_check_ = 0;
  const char* reason_ = nullptr;
};

struct MedianInterval {
  double median_ns = 0.0;
  double low_ns = 0.0;
  double high_ns = 0.0;

  [[nodiscard]] double half_width_rel() const { return (high_ns - low_ns) / 2.0 / median_ns; }
};

// The 95 % percentile-bootstrap interval of the median, in closed form: the median of a resample
// of n (odd) values is at most the k-th smallest sample with probability
// P(Binomial(n, k / n) >= (n + 1) / 2), so the quantiles need no resampling and no seed. For even
// n the intervals of the lower and the upper median are averaged. Empty for fewer than 6 samples
// (no 95 % interval between order statistics exists) or a median of 0.
[[nodiscard]] std::optional<MedianInterval> median_interval(std::vector<int64_t> samples_ns);

}  // namespace seaformer
