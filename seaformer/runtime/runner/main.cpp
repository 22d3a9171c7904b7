// seaformer_runner: flags in, one JSON line on stdout, log lines on stderr, exit code by kind of
// failure (status.h). The steps of a measurement stand in session.h, the flags in flags.h.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device_state.h"
#include "engine.h"
#include "flags.h"
#include "model_file.h"
#include "registry.h"
#include "report.h"
#include "session.h"
#include "tail_method.h"

namespace seaformer {
namespace {

std::string build_type() {
#if defined(__OPTIMIZE__) && defined(NDEBUG)
  return SEAFORMER_BUILD_TYPE;
#else
  return "Debug (" SEAFORMER_BUILD_TYPE ", not optimised or with assertions)";
#endif
}

BuildInfo build_info() {
  return {SEAFORMER_RUNNER_VERSION, build_type(), SEAFORMER_COMPILER, SEAFORMER_BUILD_ID,
          SEAFORMER_SOURCES_SHA256};
}

std::string version_line() {
  std::vector<BuiltEngine> built;
  for (const EngineMaker& maker : engines()) built.push_back({maker.name, maker.linked_version});
  return version_json(build_info(), built);
}

// The part of answer() that an engine does.
Status run(const Flags& flags, Engine* engine, Report* report, std::string* line) {
  if (flags.mode == Mode::kListMethods) {
    report->engine_name = engine->name();
    report->engine_version = engine->version();
    report->method = flags.method;
    if (Status status = engine->prepare(1); !status.ok()) return status;
    if (Status status = engine->methods(flags.model, &report->methods); !status.ok()) return status;
    return *line = methods_json(*report), ok_status();
  }
  if (Status status = run_session(flags, engine, report); !status.ok()) return status;
  return *line = report_json(*report), ok_status();
}

// Does what the flags ask for; *line is what belongs on stdout.
Status answer(const Flags& flags, std::string* line) {
  if (flags.mode == Mode::kVersion) return *line = version_line(), ok_status();
  if (flags.mode == Mode::kHelp) return *line = usage_text(known_engines()), ok_status();
  Report report;
  report.build = build_info();
  if (Status status = inspect_model(flags.model, &report.model); !status.ok()) return status;
  if (Status status = check_engine(report.model, flags.engine); !status.ok()) return status;
  // Before the engine: its library may start threads, which inherit the affinity.
  if (!flags.cpus.empty()) {
    if (Status status = set_affinity(flags.cpus); !status.ok()) return status;
  }
  std::unique_ptr<Engine> engine;
  if (Status status = make_engine(flags.engine, flags.library, &engine); !status.ok()) {
    return status;
  }
  if (!flags.tail.empty()) {
    engine = argmax_tail(std::move(engine), flags.tail_size[0], flags.tail_size[1]);
  }
  return run(flags, engine.get(), &report, line);
}

Status parse_and_answer(int argc, char** argv, std::string* line) {
  try {
    Flags flags;
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    Status status = parse_flags(arguments, online_cpus(), known_engines(), &flags);
    if (!status.ok()) return status;
    return answer(flags, line);
  } catch (const std::exception& error) {
    return engine_error(std::string("The runner met an error of its own: ") + error.what() + ".");
  }
}

// Keeps the real stdout for the one line and sends what libraries print there to stderr.
int claim_stdout() {
  const int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return out;
}

bool write_line(int out, std::string line) {
  if (line.empty() || line.back() != '\n') line += '\n';
  for (size_t done = 0; done < line.size();) {
    const ssize_t count = write(out, line.data() + done, line.size() - done);
    if (count <= 0) return false;
    done += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace
}  // namespace seaformer

int main(int argc, char** argv) {
  using seaformer::Status;
  const int out = seaformer::claim_stdout();
  std::string line;
  Status status = seaformer::parse_and_answer(argc, argv, &line);
  if (!status.ok()) {
    std::fprintf(stderr, "seaformer_runner: %s\n", status.message.c_str());
    line = seaformer::error_json(status);
  } else if (seaformer::build_type().rfind("Debug", 0) == 0) {
    std::fprintf(stderr, "seaformer_runner: debug build, its times mean nothing\n");
  }
  if (!seaformer::write_line(out, line) && status.ok()) {
    status = seaformer::io_error("stdout");
    std::fprintf(stderr, "seaformer_runner: the report could not be written to stdout\n");
  }
  std::fflush(nullptr);
  // Not exit(): destructors of the runtimes' static objects have nothing to add to a report that
  // is out, and under emulation some of them never return.
  _exit(static_cast<int>(status.failure));
}
