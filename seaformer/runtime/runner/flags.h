// The runner's command line: text in, a checked record out. No file is opened here and no engine
// is asked; the number of CPUs and the engines' names are handed in.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "status.h"
#include "timing.h"

namespace seaformer {

enum class Mode { kRun, kListMethods, kVersion, kHelp };

struct Flags {
  Mode mode = Mode::kRun;
  std::string engine;            // one of the known names
  std::string model;             // path
  std::string library;           // of an engine that opens one; empty: searched by name
  std::string method = "forward";
  int64_t threads = 1;           // 1 = the calling thread, no pool
  std::vector<int> cpus;         // ascending, no repeats; empty: affinity is left as it is
  std::vector<std::string> inputs;  // raw tensor files in the order of the model's inputs
  std::vector<std::vector<int64_t>> shapes;  // of the inputs in order; empty: the model's own
  int64_t items = 1;             // tensors in each input file, one inference for each
  uint64_t seed = 0;             // for random inputs, used where no file is given
  std::string output_dir;        // empty: outputs are not written
  WarmupRule warmup;
  StopRule stop;
  std::string profile_ops;       // empty: no per-operator events
  std::string tail;              // "argmax": the tail is timed, not the network; empty: none
  std::vector<int64_t> tail_size;  // height and width of its class map
  bool marker = false;
  bool ticks = false;
};

// Parses argv[1..]. `--flag value` and `--flag=value` are the same; `--input` and `--shape` take
// several values.
// On failure (always Failure::kUsage) *flags holds no meaning.
[[nodiscard]] Status parse_flags(const std::vector<std::string>& arguments, int64_t online_cpus,
                                 const std::vector<std::string>& engines, Flags* flags);

// "7" or "0-3,6": ascending without repeats. On failure *cpus is unchanged.
[[nodiscard]] Status parse_cpu_list(const std::string& text, std::vector<int>* cpus);

// "1,3,64,64", or "scalar" for no dimension at all. On failure *shape is unchanged.
[[nodiscard]] Status parse_shape(const std::string& text, std::vector<int64_t>* shape);

// What --help prints.
[[nodiscard]] std::string usage_text(const std::vector<std::string>& engines);

}  // namespace seaformer
