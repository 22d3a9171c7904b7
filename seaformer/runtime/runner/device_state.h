// What the kernel knows about this process and its cores: affinity, the core it is on, frequency,
// memory, threads. Linux and Android; no engine here. A value the kernel does not tell is empty,
// never a guess.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "status.h"

namespace seaformer {

// Online processors of the machine, whatever this process may use of them; at least 1.
[[nodiscard]] int64_t online_cpus();

// Restricts the calling thread, and so every thread it starts later, to `cpus`. Call before any
// thread exists. On failure the affinity is unchanged. The kernel may grant fewer than asked for
// (cpusets): read the result back with affinity().
[[nodiscard]] Status set_affinity(const std::vector<int>& cpus);

// The cores the calling thread may run on, ascending; empty when the kernel does not tell.
[[nodiscard]] std::vector<int> affinity();

// The core the caller is on right now, or -1.
[[nodiscard]] int current_cpu();

// Current frequency of a core in kHz (cpufreq's scaling_cur_freq).
[[nodiscard]] std::optional<int64_t> cpu_freq_khz(int cpu);

// Largest resident set so far in bytes (VmHWM). Not getrusage: its ru_maxrss survives exec, so it
// would show the Python process that started the runner.
[[nodiscard]] std::optional<int64_t> peak_rss_bytes();

// Threads of this process.
[[nodiscard]] int64_t os_threads();

}  // namespace seaformer
