// What an engine must do to be timed. One implementation per runtime, engine_<name>.cpp, which
// registers itself (registry.h). An engine runs one method of one model in this process and owns
// every buffer the runtime sees. No timing and no printing in an engine.
//
// Order of calls: prepare, (methods | load), set_inputs, then run as often as wanted; set_inputs again
// for other tensors.
// After a call failed, only the destructor may follow.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "status.h"
#include "tensor.h"

namespace seaformer {

struct LoadRequest {
  std::string model_path;
  std::string method;
  std::string profile_path;  // empty: no per-operator events
  std::vector<std::vector<int64_t>> shapes;  // chosen for the inputs; empty: the model's own
};

class Engine {
 public:
  virtual ~Engine() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::string version() const = 0;

  // Sets up what belongs to the process and not to the model: the thread pool. Not timed.
  // `threads` is exact; 1 is the calling thread alone.
  [[nodiscard]] virtual Status prepare(int64_t threads) = 0;

  // Names of the methods in the file, sorted. Not timed. On failure *out is unchanged.
  [[nodiscard]] virtual Status methods(const std::string& model_path,
                                       std::vector<std::string>* out) = 0;

  // Reads the program and makes the method ready to run: what the report calls load_ns.
  [[nodiscard]] virtual Status load(const LoadRequest& request) = 0;

  // Valid after load; shapes are concrete.
  [[nodiscard]] virtual const std::vector<TensorSpec>& inputs() const = 0;

  // Takes the tensors over, one per inputs() and of its spec, in the place of those of before. They
  // stay as they are.
  [[nodiscard]] virtual Status set_inputs(std::vector<Tensor> tensors) = 0;

  // Gives back what the last run left, so that freeing it is not timed. Never fails.
  virtual void before_run() {}

  // One inference: from the caller's input buffers to the runtime's output buffers. This alone
  // is timed.
  [[nodiscard]] virtual Status run() = 0;

  // Copies of the outputs of the last run. On failure *out is unchanged.
  [[nodiscard]] virtual Status outputs(std::vector<Tensor>* out) = 0;

  // Threads that compute, the caller included, as the runtime or the kernel tells; after load.
  [[nodiscard]] virtual int64_t effective_threads() const = 0;

  // Only runs between record(true) and record(false) leave events. Without a profile_path: nothing.
  // An engine that can only record from its start to its end ignores this: its file holds every
  // run.
  virtual void record(bool on) { (void)on; }

  // Writes the events to the profile_path of the request and ends profiling.
  [[nodiscard]] virtual Status write_profile() { return ok_status(); }
};

}  // namespace seaformer
