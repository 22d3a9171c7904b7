// What the runner prints: the record of one run (schema 1) and its JSON, and the JSON of an error.
// Durations are nanoseconds of CLOCK_MONOTONIC_RAW. seaformer/bench/runner_io.py reads this back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json_line.h"
#include "model_file.h"
#include "status.h"
#include "tensor.h"

namespace seaformer {

constexpr int kSchema = 1;

// Which binary this is.
struct BuildInfo {
  std::string version;
  std::string build_type;  // says "Debug" whenever optimisation or NDEBUG was off
  std::string compiler;
  std::string build_id;
  std::string sources_sha256;
};

// An engine in this binary and the version of it that was linked, empty where none was.
struct BuiltEngine {
  std::string name;
  std::string linked_version;
};

struct InputReport {
  TensorSpec spec;
  std::string source;  // "file" or "random"
};

struct OutputReport {
  TensorSpec spec;
  std::string file;  // empty: not written
};

struct Report {
  BuildInfo build;
  std::string engine_name;
  std::string engine_version;
  ModelFile model;
  std::string method;
  std::vector<std::string> methods;
  std::vector<InputReport> inputs;
  std::vector<OutputReport> outputs;
  int64_t threads_requested = 0;
  int64_t threads_effective = 0;
  int64_t os_threads = 0;
  std::vector<int> affinity_requested;
  std::vector<int> affinity_effective;
  int64_t load_ns = 0;
  int64_t first_ns = 0;
  int64_t warmup_runs = 0;
  std::vector<int64_t> warmup_samples_ns;  // the first kWarmupSamplesKept of them
  std::string warmup_reason;
  std::vector<int64_t> samples_ns;
  std::vector<int> sample_cpus;  // the core right after each timed inference
  std::string stop_reason;
  std::optional<double> ci_half_width_rel;
  std::optional<int64_t> peak_rss_bytes;
  std::optional<int64_t> freq_before_khz;
  std::optional<int64_t> freq_after_khz;
  std::string profile_file;  // empty: not profiled
  bool markers = false;  // hints were executed around each timed inference
};

constexpr size_t kWarmupSamplesKept = 1000;

// One line, without a newline.
[[nodiscard]] std::string report_json(const Report& report);
[[nodiscard]] std::string methods_json(const Report& report);
[[nodiscard]] std::string version_json(const BuildInfo& build,
                                       const std::vector<BuiltEngine>& engines);
[[nodiscard]] std::string error_json(const Status& status);

}  // namespace seaformer
