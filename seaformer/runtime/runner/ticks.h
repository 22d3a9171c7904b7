// A clock that counts its own readings, for an emulator that counts instructions: engines read the
// time where an operator ends, so the n-th reading names the end of a part of the code, and an
// engine's profile tells which parts are whose. Every reading executes `hint #98`, which cuts what
// the emulator's plugin counts.
#pragma once

#include <cstdint>

namespace seaformer {

constexpr int64_t kTickNs = 1'000'000;  // whole in the microseconds that engines round to

// From now on a reading of any clock is one tick later than the reading before. False where a build cannot: the time of
// phones, and of other processors, is left to the system.
[[nodiscard]] bool use_ticks();

[[nodiscard]] bool ticking();

}  // namespace seaformer
