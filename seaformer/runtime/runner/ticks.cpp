// See ticks.h.
#include "ticks.h"

#include <ctime>

#if defined(__aarch64__) && defined(__linux__) && !defined(__ANDROID__)

#include <dlfcn.h>

namespace seaformer {
namespace {

// Later than any time since a system's start: engines subtract what they read before.
constexpr int64_t kFirstNs = 100'000'000'000'000'000;

bool active = false;
int64_t readings = 0;

}  // namespace

bool use_ticks() { return active = true; }

bool ticking() { return active; }

}  // namespace seaformer

// Found by every library of the process before the C library's own.
extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t clock,
                                                                    timespec* time) noexcept {
  using Function = int (*)(clockid_t, timespec*);
  if (!seaformer::active) {
    static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "clock_gettime"));
    return real(clock, time);
  }
  asm volatile("hint #98" ::: "memory");
  const int64_t ns = seaformer::kFirstNs + ++seaformer::readings * seaformer::kTickNs;
  time->tv_sec = static_cast<time_t>(ns / 1'000'000'000);
  time->tv_nsec = static_cast<long>(ns % 1'000'000'000);
  return 0;
}

#else

namespace seaformer {

bool use_ticks() { return false; }

bool ticking() { return false; }

}  // namespace seaformer

#endif
