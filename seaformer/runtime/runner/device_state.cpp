// See device_state.h. Reads /proc and /sys; works without root and inside Android's shell.
#include "device_state.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

namespace seaformer {
namespace {

std::optional<int64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

std::string join(const std::vector<int>& numbers) {
  std::string text;
  for (int number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return text;
}

}  // namespace

int64_t online_cpus() { return std::max<int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN)); }

Status set_affinity(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int64_t configured = std::max<int64_t>(sysconf(_SC_NPROCESSORS_CONF), online_cpus());
  for (int cpu : cpus) {
    if (cpu < 0 || cpu >= configured || cpu >= CPU_SETSIZE) {
      return usage_error("--cpus names CPU " + std::to_string(cpu) + ", this machine has 0 to " +
                         std::to_string(configured - 1) + ".");
    }
    CPU_SET(cpu, &set);
  }
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    return usage_error("--cpus " + join(cpus) + " was refused by the kernel: " +
                       std::strerror(errno) + "; this process may use " + join(affinity()) + ".");
  }
  return ok_status();
}

std::vector<int> affinity() {
  std::vector<int> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

int current_cpu() { return sched_getcpu(); }

std::optional<int64_t> cpu_freq_khz(int cpu) {
  if (cpu < 0) return std::nullopt;
  return read_number("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                     "/cpufreq/scaling_cur_freq");
}

std::optional<int64_t> peak_rss_bytes() {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("VmHWM:", 0) == 0) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return std::nullopt;
}

int64_t os_threads() {
  DIR* folder = opendir("/proc/self/task");
  if (folder == nullptr) return 0;
  int64_t count = 0;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(folder);
  return count;
}

}  // namespace seaformer
