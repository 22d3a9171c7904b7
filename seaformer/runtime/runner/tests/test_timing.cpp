// The warm-up rule, the stop rule and the interval of the median, fed with made-up durations.
#include "timing.h"

#include <cmath>
#include <string>

#include "check.h"

using seaformer::median_interval;
using seaformer::StopJudge;
using seaformer::StopRule;
using seaformer::WarmupJudge;
using seaformer::WarmupRule;

namespace {

constexpr int64_t kMs = 1'000'000;

}  // namespace

TEST("no warm-up runs are made when zero are asked for") {
  WarmupRule rule;
  rule.fixed_runs = 0;
  const WarmupJudge judge(rule);
  CHECK(judge.finished());
  CHECK_EQ(std::string(judge.reason()), std::string("fixed"));
}

TEST("steady durations converge at the minimum of runs and seconds") {
  WarmupJudge judge(WarmupRule{});
  while (!judge.finished()) judge.add(100 * kMs);
  CHECK_EQ(judge.runs(), 10);  // 10 x 100 ms = 1 s, more than 5 runs
  CHECK_EQ(std::string(judge.reason()), std::string("converged"));
  WarmupJudge slow(WarmupRule{});
  while (!slow.finished()) slow.add(1000 * kMs);
  CHECK_EQ(slow.runs(), 5);
}

TEST("falling durations warm up longer than steady ones") {
  WarmupJudge judge(WarmupRule{});
  double duration = 400.0;
  while (!judge.finished()) {
    judge.add(static_cast<int64_t>(duration * kMs));
    duration = 100.0 + (duration - 100.0) * 0.8;
  }
  CHECK(judge.runs() > 15);
  CHECK_EQ(std::string(judge.reason()), std::string("converged"));
}

TEST("durations that never settle end at the limit") {
  WarmupJudge judge(WarmupRule{});
  int64_t duration = 50 * kMs;
  while (!judge.finished()) judge.add(duration = duration * 11 / 10);
  CHECK_EQ(std::string(judge.reason()), std::string("max_secs"));
}

TEST("exactly one run is one run") {
  StopRule rule;
  rule.fixed_runs = 1;
  StopJudge judge(rule);
  CHECK(!judge.finished());
  judge.add(5);
  CHECK(judge.finished());
  CHECK_EQ(std::string(judge.reason()), std::string("fixed"));
}

TEST("equal samples stop on the interval at the minima") {
  StopJudge judge(StopRule{});
  while (!judge.finished()) judge.add(10 * kMs);
  CHECK_EQ(judge.samples_ns().size(), size_t{301});  // 3 s, then the next odd count
  CHECK_EQ(std::string(judge.reason()), std::string("interval"));
}

TEST("noise stops at the most runs or seconds") {
  StopJudge runs(StopRule{});
  for (int64_t i = 0; !runs.finished(); ++i) runs.add((i % 2 == 0 ? 10 : 20) * kMs);
  CHECK_EQ(runs.samples_ns().size(), size_t{500});
  CHECK_EQ(std::string(runs.reason()), std::string("max_runs"));
  StopJudge secs(StopRule{});
  for (int64_t i = 0; !secs.finished(); ++i) secs.add((i % 2 == 0 ? 400 : 800) * kMs);
  CHECK_EQ(std::string(secs.reason()), std::string("max_secs"));
}

TEST("the interval of 1 to 101 is where resampling puts it") {
  std::vector<int64_t> samples;
  for (int64_t i = 101; i >= 1; --i) samples.push_back(i);
  const auto interval = median_interval(samples);
  CHECK(interval.has_value());
  CHECK_EQ(interval->median_ns, 51.0);
  // The exact bootstrap by the beta form: quantiles of ceil(101 * Beta(51, 51)).
  CHECK_EQ(interval->low_ns, 41.0);
  CHECK_EQ(interval->high_ns, 61.0);
}

TEST("an even number of samples averages the two middle ones") {
  const auto interval = median_interval({1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(interval.has_value());
  CHECK_EQ(interval->median_ns, 4.5);
  CHECK(interval->low_ns < 4.5 && interval->high_ns > 4.5);
}

TEST("too few samples have no interval") {
  CHECK(!median_interval({}).has_value());
  CHECK(!median_interval({1, 2, 3, 4, 5}).has_value());
  CHECK(median_interval({1, 2, 3, 4, 5, 6}).has_value());
}

TEST("thousands of samples neither underflow nor take long") {
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < 50001; ++i) samples.push_back(1000 + i % 1000);
  const auto interval = median_interval(samples);
  CHECK(interval.has_value());
  CHECK(interval->half_width_rel() > 0.001 && interval->half_width_rel() < 0.01);
}

RUN_TESTS()
