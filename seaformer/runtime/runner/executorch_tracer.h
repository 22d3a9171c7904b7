// ExecuTorch's per-operator events, kept in memory and written as JSON: an EventTracer of our own,
// because the wheel's ETDump needs one more library and a Python reader. Only times are kept; no
// tensor is logged. Used by engine_executorch.cpp alone.
#pragma once

#include <executorch/runtime/core/event_tracer.h>

#include <string>
#include <vector>

#include "status.h"

namespace seaformer {

// Not thread safe: the runtime calls it from the thread that runs the method.
class OpTracer final : public executorch::runtime::EventTracer {
 public:
  using Entry = executorch::runtime::EventTracerEntry;
  using AllocatorID = executorch::runtime::AllocatorID;
  using ChainID = executorch::runtime::ChainID;
  using DebugHandle = executorch::runtime::DebugHandle;
  using DelegateId = executorch::runtime::DelegateDebugIntId;
  using Logged = executorch::runtime::Result<bool>;
  using Tensor = executorch::aten::Tensor;

  // Events are kept while on; off at first.
  void record(bool on) { recording_ = on; }

  // A JSON array with one object per line:
  //   {"run":0,"kind":"runtime"|"delegate","name":...,"start_ns":...,"duration_ns":...,
  //    "chain":...,"debug_handle":...,"delegate_id":...}
  // `run` counts timed inferences from 0, `start_ns` is the runtime's own clock, delegate_id is
  // null where the delegate names its events. On failure (kIo) the file may be cut short.
  [[nodiscard]] Status write(const std::string& path) const;

  void create_event_block(const char* name) override;
  Entry start_profiling(const char* name, ChainID chain, DebugHandle handle) override;
  void end_profiling(Entry entry) override;
  Entry start_profiling_delegate(const char* name, DelegateId id) override;
  void end_profiling_delegate(Entry entry, const void* metadata, size_t length) override;
  void log_profiling_delegate(const char* name, DelegateId id, et_timestamp_t start,
                              et_timestamp_t end, const void* metadata, size_t length) override;
  void track_allocation(AllocatorID, size_t) override {}
  AllocatorID track_allocator(const char*) override { return 0; }
  Logged log_evalue(const executorch::runtime::EValue&,
                    executorch::runtime::LoggedEValueType) override {
    return false;
  }
  Logged log_intermediate_output_delegate(const char*, DelegateId, const Tensor&) override {
    return false;
  }
  Logged log_intermediate_output_delegate(const char*, DelegateId,
                                          const executorch::runtime::ArrayRef<Tensor>) override {
    return false;
  }
  Logged log_intermediate_output_delegate(const char*, DelegateId, const int&) override {
    return false;
  }
  Logged log_intermediate_output_delegate(const char*, DelegateId, const bool&) override {
    return false;
  }
  Logged log_intermediate_output_delegate(const char*, DelegateId, const double&) override {
    return false;
  }
  void set_delegation_intermediate_output_filter(
      executorch::runtime::EventTracerFilterBase*) override {}

 private:
  struct Event {
    int64_t run = 0;
    bool delegate = false;
    std::string name;
    DelegateId delegate_id = executorch::runtime::kUnsetDelegateDebugIntId;
    ChainID chain = executorch::runtime::kUnsetChainId;
    DebugHandle handle = executorch::runtime::kUnsetDebugHandle;
    et_timestamp_t start = 0;
    et_timestamp_t end = 0;
  };

  Entry open(Event event);
  void close(const Entry& entry);

  bool recording_ = false;
  int64_t run_ = -1;
  std::vector<Event> events_;
};

}  // namespace seaformer
