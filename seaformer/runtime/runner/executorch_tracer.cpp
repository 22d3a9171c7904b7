// See executorch_tracer.h.
#include "executorch_tracer.h"

#include <executorch/runtime/platform/platform.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "json_line.h"
#include "ticks.h"

namespace seaformer {
namespace {

namespace et = executorch::runtime;

int64_t to_ns(et_timestamp_t ticks) {
  const et_tick_ratio_t ratio = et::pal_ticks_to_ns_multiplier();
  return static_cast<int64_t>(static_cast<double>(ticks) * static_cast<double>(ratio.numerator) /
                              static_cast<double>(ratio.denominator));
}

}  // namespace

// The runtime opens one block, "Execute", for each inference.
void OpTracer::create_event_block(const char* name) {
  if (recording_ && name != nullptr && std::strcmp(name, "Execute") == 0) ++run_;
}

OpTracer::Entry OpTracer::open(Event event) {
  Entry entry{};
  entry.event_id = -1;
  if (!recording_) return entry;
  event.run = run_;
  entry.event_id = static_cast<int64_t>(events_.size());
  events_.push_back(std::move(event));
  // Last, so that keeping the event is not part of it.
  events_.back().start = et::pal_current_ticks();
  return entry;
}

void OpTracer::close(const Entry& entry) {
  const et_timestamp_t now = et::pal_current_ticks();
  if (entry.event_id < 0 || entry.event_id >= static_cast<int64_t>(events_.size())) return;
  events_[static_cast<size_t>(entry.event_id)].end = now;
}

OpTracer::Entry OpTracer::start_profiling(const char* name, ChainID chain, DebugHandle handle) {
  Event event;
  event.name = name == nullptr ? "" : name;
  event.chain = chain == et::kUnsetChainId ? chain_id_ : chain;
  event.handle = handle == et::kUnsetDebugHandle ? debug_handle_ : handle;
  return open(std::move(event));
}

void OpTracer::end_profiling(Entry entry) { close(entry); }

OpTracer::Entry OpTracer::start_profiling_delegate(const char* name, DelegateId id) {
  Event event;
  event.delegate = true;
  event.name = name == nullptr ? "" : name;
  event.delegate_id = id;
  event.chain = chain_id_;
  event.handle = debug_handle_;
  return open(std::move(event));
}

void OpTracer::end_profiling_delegate(Entry entry, const void*, size_t) { close(entry); }

void OpTracer::log_profiling_delegate(const char* name, DelegateId id, et_timestamp_t start,
                                      et_timestamp_t end, const void*, size_t) {
  const Entry entry = start_profiling_delegate(name, id);
  if (entry.event_id < 0) return;
  Event& event = events_[static_cast<size_t>(entry.event_id)];
  // XNNPACK's own clock is read once more after the delegate's start, which its times begin at.
  const et_timestamp_t late = ticking() ? kTickNs : 0;
  event.start = start + late;
  event.end = end + late;
}

Status OpTracer::write(const std::string& path) const {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return io_error("--profile-ops " + path + ": " + std::strerror(errno) + ".");
  std::string text = "[";
  for (const Event& event : events_) {
    JsonWriter json;
    json.begin_object().field("run", event.run);
    json.field("kind", event.delegate ? "delegate" : "runtime").field("name", event.name);
    json.field("start_ns", to_ns(event.start));
    json.field("duration_ns", to_ns(event.end) - to_ns(event.start));
    json.field("chain", static_cast<int64_t>(event.chain));
    json.field("debug_handle", static_cast<int64_t>(event.handle)).key("delegate_id");
    if (event.delegate_id == et::kUnsetDelegateDebugIntId) json.null();
    else json.value(static_cast<int64_t>(event.delegate_id));
    text += (text.size() == 1 ? "\n" : ",\n") + json.end_object().text();
  }
  text += "\n]\n";
  const size_t written = std::fwrite(text.data(), 1, text.size(), file);
  const bool closed = std::fclose(file) == 0;
  if (written != text.size() || !closed) {
    return io_error("--profile-ops " + path + " could not be written: " + std::strerror(errno) +
                    ".");
  }
  return ok_status();
}

}  // namespace seaformer
