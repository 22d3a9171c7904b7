// See session.h.
#include "session.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "device_state.h"
#include "ticks.h"
#include "timing.h"

namespace seaformer {
namespace {

// Signposts for an emulator's plugin: hints no processor gives a meaning to. Elsewhere nothing is
// executed, and the report says that there are none.
#if defined(__aarch64__)
constexpr bool kHasMarkers = true;
inline void mark_begin() { asm volatile("hint #96" ::: "memory"); }
inline void mark_end() { asm volatile("hint #97" ::: "memory"); }
#else
constexpr bool kHasMarkers = false;
inline void mark_begin() {}
inline void mark_end() {}
#endif

// One inference; *duration_ns covers Engine::run (and, with markers, two hints) and nothing else.
Status timed_run(Engine* engine, bool markers, int64_t* duration_ns) {
  engine->before_run();
  const int64_t begin = now_ns();
  if (markers) mark_begin();
  Status status = engine->run();
  if (markers) mark_end();
  *duration_ns = now_ns() - begin;
  return status;
}

// mkdir -p and a look whether files can be made there: before seconds are spent on a measurement.
Status prepare_output_dir(const std::string& path) {
  if (path.empty()) return ok_status();
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) {
      return io_error("--output-dir " + path + ": " + part + ": " + std::strerror(errno) + ".");
    }
    if (slash == std::string::npos) break;
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return io_error("--output-dir " + path + " is not a folder.");
  }
  if (access(path.c_str(), W_OK | X_OK) != 0) {
    return io_error("--output-dir " + path + ": " + std::strerror(errno) + ".");
  }
  return ok_status();
}

// The same look for the profile: an empty file is left until the events replace it.
Status prepare_profile(const std::string& path) {
  if (path.empty()) return ok_status();
  std::FILE* file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) return io_error("--profile-ops " + path + ": " + std::strerror(errno) + ".");
  std::fclose(file);
  return ok_status();
}

Status check_method(const Flags& flags, const std::vector<std::string>& methods) {
  if (std::find(methods.begin(), methods.end(), flags.method) != methods.end()) return ok_status();
  std::string known;
  for (const std::string& method : methods) known += (known.empty() ? "" : ", ") + method;
  return model_error(flags.model + " has no method '" + flags.method + "': it has " + known + ".");
}

// Gives the engine the tensors of one item; the report gets those of the first.
Status feed(const Flags& flags, int64_t item, Engine* engine, Report* report) {
  const std::vector<TensorSpec>& specs = engine->inputs();
  if (!flags.inputs.empty() && flags.inputs.size() != specs.size()) {
    return model_error("Method '" + flags.method + "' takes " + std::to_string(specs.size()) +
                       " inputs, --input names " + std::to_string(flags.inputs.size()) + ".");
  }
  std::vector<Tensor> tensors(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    if (flags.inputs.empty()) {
      tensors[i] = random_tensor(specs[i], flags.seed, i);
    } else if (Status status = read_tensor(flags.inputs[i], specs[i], {item, flags.items}, &tensors[i]);
               !status.ok()) {
      return status;
    }
    if (item == 0) report->inputs.push_back({specs[i], flags.inputs.empty() ? "random" : "file"});
  }
  return engine->set_inputs(std::move(tensors));
}

Status warm_up(const Flags& flags, Engine* engine, Report* report) {
  if (Status status = timed_run(engine, false, &report->first_ns); !status.ok()) return status;
  WarmupJudge judge(flags.warmup);
  while (!judge.finished()) {
    int64_t duration_ns = 0;
    if (Status status = timed_run(engine, false, &duration_ns); !status.ok()) return status;
    judge.add(duration_ns);
    if (report->warmup_samples_ns.size() < kWarmupSamplesKept) {
      report->warmup_samples_ns.push_back(duration_ns);
    }
  }
  report->warmup_runs = judge.runs();
  report->warmup_reason = judge.reason();
  return ok_status();
}

Status keep_outputs(const Flags& flags, int64_t item, Engine* engine, Report* report) {
  std::vector<Tensor> tensors;
  if (Status status = engine->outputs(&tensors); !status.ok()) return status;
  for (size_t i = 0; i < tensors.size(); ++i) {
    OutputReport output{tensors[i].spec, ""};
    if (!flags.output_dir.empty()) {
      output.file = flags.output_dir + "/output_" + std::to_string(i) + ".bin";
      if (Status status = write_tensor(output.file, item > 0, tensors[i]); !status.ok()) {
        return status;
      }
    }
    if (item == 0) report->outputs.push_back(std::move(output));
  }
  return ok_status();
}

Status take_samples(const Flags& flags, Engine* engine, Report* report) {
  StopRule rule = flags.stop;
  if (flags.items > 1) rule.fixed_runs = flags.items;
  StopJudge judge(rule);
  report->sample_cpus.reserve(judge.samples_ns().capacity());
  report->freq_before_khz = cpu_freq_khz(current_cpu());
  engine->record(true);
  for (int64_t item = 0; !judge.finished(); ++item) {
    if (flags.items > 1 && item > 0) {
      if (Status status = feed(flags, item, engine, report); !status.ok()) return status;
    }
    int64_t duration_ns = 0;
    if (Status status = timed_run(engine, flags.marker, &duration_ns); !status.ok()) return status;
    report->sample_cpus.push_back(current_cpu());
    judge.add(duration_ns);
    if (flags.items > 1) {
      if (Status status = keep_outputs(flags, item, engine, report); !status.ok()) return status;
    }
  }
  engine->record(false);
  report->freq_after_khz = cpu_freq_khz(current_cpu());
  report->samples_ns = judge.samples_ns();
  report->stop_reason = judge.reason();
  if (const auto interval = median_interval(judge.samples_ns())) {
    report->ci_half_width_rel = interval->half_width_rel();
  }
  return ok_status();
}

Status load(const Flags& flags, Engine* engine, Report* report) {
  if (Status status = prepare_output_dir(flags.output_dir); !status.ok()) return status;
  if (Status status = prepare_profile(flags.profile_ops); !status.ok()) return status;
  if (Status status = engine->prepare(flags.threads); !status.ok()) return status;
  if (Status status = engine->methods(flags.model, &report->methods); !status.ok()) return status;
  if (Status status = check_method(flags, report->methods); !status.ok()) return status;
  const int64_t begin = now_ns();
  Status status = engine->load({flags.model, flags.method, flags.profile_ops, flags.shapes});
  report->load_ns = now_ns() - begin;
  return status;
}

}  // namespace

Status run_session(const Flags& flags, Engine* engine, Report* report) {
  report->engine_name = engine->name();
  report->engine_version = engine->version();
  report->method = flags.method;
  report->threads_requested = flags.threads;
  report->affinity_requested = flags.cpus;
  report->affinity_effective = affinity();
  report->markers = flags.marker && kHasMarkers;
  report->profile_file = flags.profile_ops;
  if (flags.ticks && !use_ticks()) return usage_error("--ticks needs a runner for ARM on Linux.");
  if (Status status = load(flags, engine, report); !status.ok()) return status;
  if (Status status = feed(flags, 0, engine, report); !status.ok()) return status;
  if (Status status = warm_up(flags, engine, report); !status.ok()) return status;
  if (Status status = take_samples(flags, engine, report); !status.ok()) return status;
  report->threads_effective = engine->effective_threads();
  report->os_threads = os_threads();
  report->peak_rss_bytes = peak_rss_bytes();
  if (flags.items == 1) {
    if (Status status = keep_outputs(flags, 0, engine, report); !status.ok()) return status;
  }
  return engine->write_profile();
}

}  // namespace seaformer
