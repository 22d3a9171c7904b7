// See flags.h. One table names every flag with the function that takes its value.
#include "flags.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

namespace seaformer {
namespace {

constexpr int64_t kLongestSide = 1 << 15;
constexpr int64_t kMostItems = 1 << 16;

using Setter = std::function<Status(const std::string& value)>;

Status bad_value(const std::string& flag, const std::string& value, const std::string& expected) {
  return usage_error(flag + " must be " + expected + " (got " + (value.empty() ? "''" : value) +
                     ").");
}

Setter text(const std::string& flag, std::string* out) {
  return [=](const std::string& value) {
    if (value.empty()) return bad_value(flag, value, "a name or a path");
    *out = value;
    return ok_status();
  };
}

template <typename Integer>
Setter integer(const std::string& flag, int64_t least, int64_t most, Integer* out) {
  return [=](const std::string& value) {
    char* end = nullptr;
    errno = 0;
    const long long number = std::strtoll(value.c_str(), &end, 10);
    const bool digits = !value.empty() && *end == '\0' && std::isspace(value[0]) == 0;
    if (!digits || errno == ERANGE || number < least || number > most) {
      std::string expected = "a whole number from " + std::to_string(least);
      if (most != INT64_MAX) expected += " to " + std::to_string(most);
      return bad_value(flag, value, expected);
    }
    *out = static_cast<Integer>(number);
    return ok_status();
  };
}

Setter positive(const std::string& flag, bool zero_allowed, double* out) {
  return [=](const std::string& value) {
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    const bool parsed = !value.empty() && *end == '\0' && std::isfinite(number);
    if (!parsed || number < 0.0 || (number == 0.0 && !zero_allowed)) {
      return bad_value(flag, value, zero_allowed ? "a number, 0 or more" : "a number above 0");
    }
    *out = number;
    return ok_status();
  };
}

Setter one_of(const std::string& flag, const std::vector<std::string>& names, std::string* out) {
  return [=](const std::string& value) {
    if (std::find(names.begin(), names.end(), value) == names.end()) {
      return bad_value(flag, value, listed(names, " or "));
    }
    *out = value;
    return ok_status();
  };
}

Status parse_size(const std::string& value, std::vector<int64_t>* size) {
  std::vector<int64_t> sides;
  const bool parsed = parse_shape(value, &sides).ok() && sides.size() == 2;
  if (!parsed || std::min(sides[0], sides[1]) < 1 || std::max(sides[0], sides[1]) > kLongestSide) {
    return bad_value("--tail-size", value, "a height and a width such as 512,512");
  }
  *size = std::move(sides);
  return ok_status();
}

std::map<std::string, Setter> value_flags(int64_t cpus, const std::vector<std::string>& engines,
                                          Flags* f) {
  const auto one = int64_t{1};
  return {
      {"--engine", one_of("--engine", engines, &f->engine)},
      {"--model", text("--model", &f->model)},
      {"--library", text("--library", &f->library)},
      {"--method", text("--method", &f->method)},
      {"--threads", integer("--threads", 1, cpus, &f->threads)},
      {"--cpus", [=](const std::string& value) { return parse_cpu_list(value, &f->cpus); }},
      {"--shape",
       [=](const std::string& value) { return parse_shape(value, &f->shapes.emplace_back()); }},
      {"--items", integer("--items", 1, kMostItems, &f->items)},
      {"--seed", integer("--seed", 0, INT64_MAX, &f->seed)},
      {"--input",
       [=](const std::string& value) { return text("--input", &f->inputs.emplace_back())(value); }},
      {"--output-dir", text("--output-dir", &f->output_dir)},
      {"--warmup", integer("--warmup", 0, INT64_MAX, &f->warmup.fixed_runs)},
      {"--warmup-min-runs", integer("--warmup-min-runs", 0, INT64_MAX, &f->warmup.min_runs)},
      {"--warmup-min-secs", positive("--warmup-min-secs", true, &f->warmup.min_secs)},
      {"--warmup-max-secs", positive("--warmup-max-secs", false, &f->warmup.max_secs)},
      {"--warmup-tolerance", positive("--warmup-tolerance", false, &f->warmup.tolerance)},
      {"--runs", integer("--runs", one, INT64_MAX, &f->stop.fixed_runs)},
      {"--min-runs", integer("--min-runs", one, INT64_MAX, &f->stop.min_runs)},
      {"--min-secs", positive("--min-secs", true, &f->stop.min_secs)},
      {"--max-runs", integer("--max-runs", one, INT64_MAX, &f->stop.max_runs)},
      {"--max-secs", positive("--max-secs", false, &f->stop.max_secs)},
      {"--ci-width", positive("--ci-width", false, &f->stop.ci_width)},
      {"--profile-ops", text("--profile-ops", &f->profile_ops)},
      {"--tail", one_of("--tail", {"argmax"}, &f->tail)},
      {"--tail-size", [=](const std::string& value) { return parse_size(value, &f->tail_size); }},
  };
}

bool set_switch(const std::string& name, Flags* f) {
  if (name == "--marker") f->marker = true;
  else if (name == "--ticks") f->ticks = true;
  else if (name == "--list-methods") f->mode = Mode::kListMethods;
  else if (name == "--version") f->mode = Mode::kVersion;
  else if (name == "--help" || name == "-h") f->mode = Mode::kHelp;
  else return false;
  return true;
}

Status check_together(const Flags& f, const std::vector<std::string>& engines) {
  if (f.mode == Mode::kVersion || f.mode == Mode::kHelp) return ok_status();
  if (f.engine.empty()) {
    return usage_error("--engine is missing: " + listed(engines, " or ") + ".");
  }
  if (f.model.empty()) return usage_error("--model is missing: the file to run.");
  if (f.tail.empty() != f.tail_size.empty()) {
    return usage_error("--tail and --tail-size go together.");
  }
  if (!f.tail.empty() && (f.threads != 1 || !f.profile_ops.empty())) {
    return usage_error("--tail takes one thread and no --profile-ops.");
  }
  if (f.items > 1 && (f.inputs.empty() || f.output_dir.empty() || !f.tail.empty())) {
    return usage_error("--items takes --input and --output-dir, and no --tail.");
  }
  if (f.warmup.fixed_runs < 0 && f.warmup.min_secs > f.warmup.max_secs) {
    return usage_error("--warmup-min-secs is more than --warmup-max-secs.");
  }
  if (f.stop.fixed_runs < 0 && f.stop.min_secs > f.stop.max_secs) {
    return usage_error("--min-secs is more than --max-secs.");
  }
  if (f.stop.fixed_runs < 0 && f.stop.min_runs > f.stop.max_runs) {
    return usage_error("--min-runs is more than --max-runs.");
  }
  return ok_status();
}

bool is_flag(const std::string& argument) { return argument.rfind("--", 0) == 0; }

// Reads one integer at *cursor and moves it past the digits.
bool read_cpu(const char** cursor, int* cpu) {
  if (**cursor < '0' || **cursor > '9') return false;
  char* end = nullptr;
  const long number = std::strtol(*cursor, &end, 10);
  if (number > 65535) return false;
  *cpu = static_cast<int>(number);
  *cursor = end;
  return true;
}

}  // namespace

Status parse_cpu_list(const std::string& text_, std::vector<int>* cpus) {
  const Status bad = bad_value("--cpus", text_, "CPU numbers such as 7 or 0-3,6");
  std::set<int> found;
  const char* cursor = text_.c_str();
  while (true) {
    int first = 0;
    if (!read_cpu(&cursor, &first)) return bad;
    int last = first;
    if (*cursor == '-') {
      ++cursor;
      if (!read_cpu(&cursor, &last) || last < first) return bad;
    }
    for (int cpu = first; cpu <= last; ++cpu) found.insert(cpu);
    if (*cursor == '\0') break;
    if (*cursor != ',') return bad;
    ++cursor;
  }
  cpus->assign(found.begin(), found.end());
  return ok_status();
}

Status parse_shape(const std::string& text_, std::vector<int64_t>* shape) {
  const Status bad = bad_value("--shape", text_, "sizes such as 1,3,512,512, or scalar");
  std::vector<int64_t> sizes;
  const char* cursor = text_.c_str();
  while (text_ != "scalar") {
    if (*cursor < '0' || *cursor > '9') return bad;
    char* end = nullptr;
    errno = 0;
    const long long size = std::strtoll(cursor, &end, 10);
    if (errno == ERANGE || size > INT32_MAX) return bad;
    sizes.push_back(size);
    if (*end == '\0') break;
    if (*end != ',') return bad;
    cursor = end + 1;
  }
  *shape = std::move(sizes);
  return ok_status();
}

Status parse_flags(const std::vector<std::string>& arguments, int64_t online_cpus,
                   const std::vector<std::string>& engines, Flags* flags) {
  *flags = Flags{};
  const auto setters = value_flags(online_cpus, engines, flags);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const size_t equals = is_flag(arguments[i]) ? arguments[i].find('=') : std::string::npos;
    const std::string name = arguments[i].substr(0, equals);
    const bool attached = equals != std::string::npos;
    if (!attached && set_switch(name, flags)) continue;
    const auto setter = setters.find(name);
    if (setter == setters.end()) {
      return usage_error("Unknown argument " + arguments[i] + "; --help lists the flags.");
    }
    if (!attached && (i + 1 >= arguments.size() || is_flag(arguments[i + 1]))) {
      return usage_error(name + " needs a value.");
    }
    const std::string value = attached ? arguments[i].substr(equals + 1) : arguments[++i];
    if (Status status = setter->second(value); !status.ok()) return status;
    const bool several = name == "--input" || name == "--shape";
    while (several && i + 1 < arguments.size() && !is_flag(arguments[i + 1])) {
      if (Status status = setter->second(arguments[++i]); !status.ok()) return status;
    }
  }
  return check_together(*flags, engines);
}

std::string usage_text(const std::vector<std::string>& engines) {
  std::string names;
  for (const std::string& name : engines) names += (names.empty() ? "" : "|") + name;
  return R"(seaformer_runner: times one method of one model in this process, prints one JSON line.

  --engine )" + names + R"( --model FILE [--method forward]
  --library PATH           the engine's shared library, where it is opened at run time; absent:
                           the loader's own search
  --threads N              exact; 1 is the calling thread without a pool
  --cpus 7 | 0-3,6         pin the process before loading
  --input FILE ...         raw little-endian tensors: float32 for float inputs of any width,
                           the model's own type for others; absent: random from --seed
  --items N                each input file holds N tensors, one after another: a timed inference of
                           each, whose outputs are one after another too; --runs has no effect
  --shape 1,3,64,64 ...    sizes of the inputs in their order, for a model that leaves some free
  --output-dir DIR         write output_<i>.bin of the last timed inference

  warm-up  --warmup N  or  --warmup-min-runs 5 --warmup-min-secs 1 --warmup-max-secs 15
                           --warmup-tolerance 0.02
  timed    --runs N    or  --min-runs 30 --min-secs 3 --max-runs 500 --max-secs 20
                           --ci-width 0.01

  --profile-ops FILE       per-operator events (slows the run: the report says profiled)
  --tail argmax            time upsampling and argmax of the network's logits instead
  --tail-size 512,512      height and width of the class map

  --marker                 aarch64: hint #96 / hint #97 around each timed inference
  --ticks                  aarch64 Linux: every reading of a clock is hint #98, and one millisecond
                           later than the reading before
  --list-methods, --version, --help

Exit codes: 2 usage, 3 model or input, 4 engine, 5 output not writable.
)";
}

}  // namespace seaformer
