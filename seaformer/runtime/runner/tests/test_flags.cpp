// The command line: what is understood, and the sentence for each thing that is not.
#include "flags.h"

#include "check.h"

using seaformer::Failure;
using seaformer::Flags;
using seaformer::Mode;
using seaformer::Status;

namespace {

const std::vector<std::string> kEngines = {"executorch", "onnxruntime"};
const std::vector<std::string> kBase = {"--engine", "executorch", "--model", "m.pte"};

Status parse(std::vector<std::string> extra, Flags* flags, int64_t cpus = 4) {
  extra.insert(extra.begin(), kBase.begin(), kBase.end());
  return seaformer::parse_flags(extra, cpus, kEngines, flags);
}

std::string message(const std::vector<std::string>& extra) {
  Flags flags;
  const Status status = parse(extra, &flags);
  CHECK(status.failure == Failure::kUsage);
  return status.message;
}

}  // namespace

TEST("defaults are those of the measurement rules") {
  Flags flags;
  CHECK(parse({}, &flags).ok());
  CHECK_EQ(flags.method, std::string("forward"));
  CHECK_EQ(flags.threads, 1);
  CHECK_EQ(flags.warmup.min_runs, 5);
  CHECK_EQ(flags.stop.max_runs, 500);
  CHECK_EQ(flags.stop.ci_width, 0.01);
  CHECK_EQ(flags.stop.fixed_runs, -1);
}

TEST("a value may follow or be attached") {
  Flags flags;
  CHECK(parse({"--threads=2", "--runs", "1", "--warmup=0", "--marker"}, &flags).ok());
  CHECK_EQ(flags.threads, 2);
  CHECK_EQ(flags.stop.fixed_runs, 1);
  CHECK_EQ(flags.warmup.fixed_runs, 0);
  CHECK(flags.marker);
}

TEST("shape takes sizes of several inputs, one of them a scalar") {
  Flags flags;
  CHECK(parse({"--shape", "1,3,64,96", "scalar", "--shape=7"}, &flags).ok());
  CHECK_EQ(flags.shapes.size(), size_t{3});
  CHECK(flags.shapes[0] == (std::vector<int64_t>{1, 3, 64, 96}));
  CHECK(flags.shapes[1].empty());
  CHECK_EQ(flags.shapes[2].at(0), int64_t{7});
  for (const char* bad : {"1,", "x", "1x3", "-1", "99999999999"}) {
    CHECK(!parse({"--shape", bad}, &flags).ok());
  }
}

TEST("input takes several files and may be repeated") {
  Flags flags;
  CHECK(parse({"--input", "a", "b", "--input", "c", "--marker"}, &flags).ok());
  CHECK_EQ(flags.inputs.size(), size_t{3});
  CHECK_EQ(flags.inputs.back(), std::string("c"));
}

TEST("cpu lists are ascending without repeats") {
  std::vector<int> cpus;
  CHECK(seaformer::parse_cpu_list("6,0-2,1", &cpus).ok());
  CHECK(cpus == std::vector<int>({0, 1, 2, 6}));
}

TEST("a malformed cpu list leaves the list unchanged") {
  for (const char* text : {"", "a", "1-", "3-1", "1,,2", "1,", "-1", "99999", "1 "}) {
    std::vector<int> cpus = {5};
    CHECK(seaformer::parse_cpu_list(text, &cpus).failure == Failure::kUsage);
    CHECK(cpus == std::vector<int>({5}));
  }
}

TEST("zero threads or more than the machine has are refused with the range") {
  CHECK_EQ(message({"--threads", "0"}),
           std::string("--threads must be a whole number from 1 to 4 (got 0)."));
  CHECK_EQ(message({"--threads", "5"}),
           std::string("--threads must be a whole number from 1 to 4 (got 5)."));
}

TEST("numbers that are none are refused") {
  for (const char* text : {"", "x", "1x", " 1", "1.5", "-1", "99999999999999999999"}) {
    CHECK(!message({std::string("--runs=") + text}).empty());
  }
  for (const char* text : {"", "x", "nan", "inf", "-1", "0"}) {
    CHECK(!message({std::string("--max-secs=") + text}).empty());
  }
}

TEST("an unknown flag and a missing value are named") {
  CHECK_EQ(message({"--bogus"}),
           std::string("Unknown argument --bogus; --help lists the flags."));
  CHECK_EQ(message({"--runs"}), std::string("--runs needs a value."));
  CHECK_EQ(message({"--runs", "--marker"}), std::string("--runs needs a value."));
  CHECK_EQ(message({"stray"}), std::string("Unknown argument stray; --help lists the flags."));
}

TEST("limits that contradict each other are refused") {
  CHECK(!message({"--min-secs", "9", "--max-secs", "1"}).empty());
  CHECK(!message({"--min-runs", "9", "--max-runs", "1"}).empty());
  CHECK(!message({"--warmup-min-secs", "9", "--warmup-max-secs", "1"}).empty());
}

TEST("engine and model are asked for, but not by version and help") {
  Flags flags;
  CHECK(!seaformer::parse_flags({"--model", "m"}, 4, kEngines, &flags).ok());
  CHECK(!seaformer::parse_flags({"--engine", "executorch"}, 4, kEngines, &flags).ok());
  const std::vector<std::string> unknown = {"--engine", "tflite", "--model", "m"};
  CHECK_EQ(seaformer::parse_flags(unknown, 4, kEngines, &flags).message,
           std::string("--engine must be executorch or onnxruntime (got tflite)."));
  CHECK(seaformer::parse_flags({"--version"}, 4, kEngines, &flags).ok());
  CHECK(flags.mode == Mode::kVersion);
  CHECK(seaformer::parse_flags({"--help"}, 4, kEngines, &flags).ok());
}

TEST("help names the engines it was given") {
  CHECK(seaformer::usage_text({"one", "two"}).find("--engine one|two --model") !=
        std::string::npos);
}

TEST("the tail has a size, one thread and no profile") {
  Flags flags;
  CHECK(parse({"--tail", "argmax", "--tail-size", "64,96"}, &flags).ok());
  CHECK_EQ(flags.tail, std::string("argmax"));
  CHECK(flags.tail_size == std::vector<int64_t>({64, 96}));
  CHECK(message({"--tail", "argmax"}).find("go together") != std::string::npos);
  CHECK(message({"--tail", "softmax", "--tail-size", "8,8"}).find("argmax") != std::string::npos);
  for (const char* size : {"64", "0,8", "8,8,8", "8,99999", "scalar"}) {
    CHECK(message({"--tail", "argmax", "--tail-size", size}).find("--tail-size must be") == 0);
  }
  const std::vector<std::string> tail = {"--tail", "argmax", "--tail-size", "8,8"};
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--threads", "2"}, {"--profile-ops", "p.json"}}) {
    std::vector<std::string> both = tail;
    both.insert(both.end(), more.begin(), more.end());
    CHECK(message(both).find("--tail takes one thread") == 0);
  }
}

TEST("items have files to come from and to go to") {
  Flags flags;
  CHECK(parse({"--items", "8", "--input", "a.bin", "--output-dir", "out"}, &flags).ok());
  CHECK_EQ(flags.items, int64_t{8});
  CHECK(message({"--items", "2", "--input", "a.bin"}).find("--items takes --input") == 0);
  CHECK(message({"--items", "2", "--output-dir", "out"}).find("--items takes --input") == 0);
  CHECK(message({"--items", "0"}).find("--items must be a whole number from 1") == 0);
}

RUN_TESTS()
