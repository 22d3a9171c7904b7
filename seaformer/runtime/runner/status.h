// How a step of the runner says that it failed. From here come the exit codes of the binary and
// the "kind" of its error JSON. No exception crosses a function that returns a Status.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace seaformer {

// The value is the exit code.
enum class Failure : int {
  kNone = 0,
  kUsage = 2,   // a flag that does not exist or has a value it cannot have
  kModel = 3,   // the model or an input file is not what it should be
  kEngine = 4,  // the engine cannot be loaded, lacks an operator, or failed while running
  kIo = 5,      // an output file cannot be written
};

constexpr const char* failure_name(Failure failure) {
  switch (failure) {
    case Failure::kNone: return "none";
    case Failure::kUsage: return "usage";
    case Failure::kModel: return "model";
    case Failure::kEngine: return "engine";
    case Failure::kIo: return "io";
  }
  return "engine";
}

struct [[nodiscard]] Status {
  Failure failure = Failure::kNone;
  std::string message;  // one sentence: what was expected and what was seen; empty when ok

  bool ok() const { return failure == Failure::kNone; }
};

inline Status ok_status() { return {}; }
inline Status usage_error(std::string text) { return {Failure::kUsage, std::move(text)}; }
inline Status model_error(std::string text) { return {Failure::kModel, std::move(text)}; }
inline Status engine_error(std::string text) { return {Failure::kEngine, std::move(text)}; }
inline Status io_error(std::string text) { return {Failure::kIo, std::move(text)}; }

// For such a sentence: "a", "a or b", "a, b or c" where `last` is " or ".
inline std::string listed(const std::vector<std::string>& words, const std::string& last) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 < words.size() ? ", " : last;
    text += words[i];
  }
  return text;
}

}  // namespace seaformer
