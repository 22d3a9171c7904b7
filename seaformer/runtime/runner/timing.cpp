// See timing.h.
#include "timing.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace seaformer {
namespace {

constexpr double kNsPerSec = 1e9;
constexpr double kFastWeight = 1.0 / 3.0;
constexpr double kSlowWeight = 1.0 / 10.0;
constexpr size_t kFewestForInterval = 6;

// P(Binomial(n, p) >= m), summed from the smaller side so that nothing cancels.
double binomial_tail(int64_t n, double p, int64_t m) {
  if (m <= 0) return 1.0;
  if (p <= 0.0 || m > n) return 0.0;
  if (p >= 1.0) return 1.0;
  const bool upper = static_cast<double>(m) > p * static_cast<double>(n);
  int64_t j = upper ? m : m - 1;
  const auto log_factorial = [](int64_t k) { return std::lgamma(static_cast<double>(k) + 1.0); };
  double term = std::exp(log_factorial(n) - log_factorial(j) - log_factorial(n - j) +
                         static_cast<double>(j) * std::log(p) +
                         static_cast<double>(n - j) * std::log1p(-p));
  const double odds = p / (1.0 - p);
  double sum = 0.0;
  while (j >= 0 && j <= n && term > 0.0) {
    sum += term;
    if (term < sum * 1e-17) break;
    if (upper) {
      term *= static_cast<double>(n - j) / static_cast<double>(j + 1) * odds;
      ++j;
    } else {
      term *= static_cast<double>(j) / static_cast<double>(n - j + 1) / odds;
      --j;
    }
  }
  return upper ? sum : 1.0 - sum;
}

// The smallest rank k (1-based) with P(resampled order statistic m <= x_(k)) >= q.
int64_t bootstrap_rank(int64_t n, int64_t m, double q) {
  int64_t low = 1;
  int64_t high = n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const double p = static_cast<double>(middle) / static_cast<double>(n);
    if (binomial_tail(n, p, m) >= q) high = middle;
    else low = middle + 1;
  }
  return low;
}

}  // namespace

int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

WarmupJudge::WarmupJudge(const WarmupRule& rule) : rule_(rule) {
  if (rule_.fixed_runs == 0) reason_ = "fixed";
}

void WarmupJudge::add(int64_t duration_ns) {
  const auto duration = static_cast<double>(duration_ns);
  fast_ = runs_ == 0 ? duration : fast_ + kFastWeight * (duration - fast_);
  slow_ = runs_ == 0 ? duration : slow_ + kSlowWeight * (duration - slow_);
  ++runs_;
  total_ns_ += duration_ns;
  if (rule_.fixed_runs >= 0) {
    if (runs_ >= rule_.fixed_runs) reason_ = "fixed";
    return;
  }
  const double secs = static_cast<double>(total_ns_) / kNsPerSec;
  const bool agree = std::fabs(fast_ - slow_) <= rule_.tolerance * slow_;
  if (runs_ >= rule_.min_runs && secs >= rule_.min_secs && agree) reason_ = "converged";
  else if (secs >= rule_.max_secs) reason_ = "max_secs";
}

StopJudge::StopJudge(const StopRule& rule) : rule_(rule) {
  // Reserved here so that no sample is followed by an allocation that moves all others.
  const int64_t most = rule_.fixed_runs >= 0 ? rule_.fixed_runs : rule_.max_runs;
  samples_ns_.reserve(static_cast<size_t>(std::clamp<int64_t>(most, 1, 1 << 20)));
}

void StopJudge::add(int64_t duration_ns) {
  samples_ns_.push_back(duration_ns);
  total_ns_ += duration_ns;
  const auto count = static_cast<int64_t>(samples_ns_.size());
  if (rule_.fixed_runs >= 0) {
    if (count >= rule_.fixed_runs) reason_ = "fixed";
    return;
  }
  const double secs = static_cast<double>(total_ns_) / kNsPerSec;
  if (count >= rule_.min_runs && secs >= rule_.min_secs && interval_is_narrow()) {
    reason_ = "interval";
  } else if (count >= rule_.max_runs) {
    reason_ = "max_runs";
  } else if (secs >= rule_.max_secs) {
    reason_ = "max_secs";
  }
}

bool StopJudge::interval_is_narrow() {
  const auto count = static_cast<int64_t>(samples_ns_.size());
  if (count % 2 == 0 || count < next_check_) return false;
  next_check_ = count + std::max<int64_t>(2, count / 50);
  const auto interval = median_interval(samples_ns_);
  return interval && interval->half_width_rel() <= rule_.ci_width;
}

std::optional<MedianInterval> median_interval(std::vector<int64_t> samples_ns) {
  if (samples_ns.size() < kFewestForInterval) return std::nullopt;
  std::sort(samples_ns.begin(), samples_ns.end());
  const auto n = static_cast<int64_t>(samples_ns.size());
  const auto at = [&](int64_t rank) {
    return static_cast<double>(samples_ns[static_cast<size_t>(rank - 1)]);
  };
  const int64_t lower = (n + 1) / 2;
  const int64_t upper = n / 2 + 1;  // the same rank when n is odd
  MedianInterval interval;
  interval.median_ns = (at(lower) + at(upper)) / 2.0;
  interval.low_ns =
      (at(bootstrap_rank(n, lower, 0.025)) + at(bootstrap_rank(n, upper, 0.025))) / 2.0;
  interval.high_ns =
      (at(bootstrap_rank(n, lower, 0.975)) + at(bootstrap_rank(n, upper, 0.975))) / 2.0;
  if (interval.median_ns <= 0.0) return std::nullopt;
  return interval;
}

}  // namespace seaformer
