// See report.h.
#include "report.h"

namespace seaformer {
namespace {

void write_runner(const BuildInfo& build, JsonWriter* json) {
  json->key("runner").begin_object();
  json->field("version", build.version).field("build_type", build.build_type);
  json->field("compiler", build.compiler).field("build_id", build.build_id);
  json->field("sources_sha256", build.sources_sha256).field("host", "cpp").end_object();
}

void write_subject(const Report& report, JsonWriter* json) {
  json->key("engine").begin_object();
  json->field("name", report.engine_name).field("version", report.engine_version).end_object();
  json->key("model").begin_object().field("path", report.model.path);
  json->field("size_bytes", report.model.size_bytes).end_object();
  json->field("method", report.method).field("methods", report.methods);
}

void write_spec(const TensorSpec& spec, JsonWriter* json) {
  json->begin_object().field("name", spec.name);
  json->field("dtype", dtype_name(spec.dtype)).field("shape", spec.shape);
}

void write_tensors(const Report& report, JsonWriter* json) {
  json->key("inputs").begin_array();
  for (const InputReport& input : report.inputs) {
    write_spec(input.spec, json);
    json->field("source", input.source).end_object();
  }
  json->end_array().key("outputs").begin_array();
  for (const OutputReport& output : report.outputs) {
    write_spec(output.spec, json);
    json->key("file");
    if (output.file.empty()) json->null();
    else json->value(output.file);
    json->end_object();
  }
  json->end_array();
}

void write_process(const Report& report, JsonWriter* json) {
  json->key("threads").begin_object().field("requested", report.threads_requested);
  json->field("effective", report.threads_effective);
  json->field("os_threads", report.os_threads).end_object();
  json->key("affinity").begin_object().field("requested", report.affinity_requested);
  json->field("effective", report.affinity_effective).end_object();
}

void write_times(const Report& report, JsonWriter* json) {
  json->field("load_ns", report.load_ns).field("first_ns", report.first_ns);
  json->key("warmup").begin_object().field("runs", report.warmup_runs);
  json->field("samples_ns", report.warmup_samples_ns);
  json->field("reason", report.warmup_reason).end_object();
  json->field("samples_ns", report.samples_ns).field("sample_cpus", report.sample_cpus);
  json->key("stop").begin_object().field("reason", report.stop_reason);
  json->field("ci_half_width_rel", report.ci_half_width_rel).end_object();
}

void write_conditions(const Report& report, JsonWriter* json) {
  json->field("peak_rss_bytes", report.peak_rss_bytes);
  json->key("cpu_freq_khz").begin_object().field("before", report.freq_before_khz);
  json->field("after", report.freq_after_khz).end_object();
  json->field("profiled", !report.profile_file.empty()).key("profile_file");
  if (report.profile_file.empty()) json->null();
  else json->value(report.profile_file);
  json->field("markers", report.markers).field("clock", "CLOCK_MONOTONIC_RAW");
}

}  // namespace

std::string report_json(const Report& report) {
  JsonWriter json;
  json.begin_object().field("schema", kSchema);
  write_runner(report.build, &json);
  write_subject(report, &json);
  write_tensors(report, &json);
  write_process(report, &json);
  write_times(report, &json);
  write_conditions(report, &json);
  return json.end_object().text();
}

std::string methods_json(const Report& report) {
  JsonWriter json;
  json.begin_object().field("schema", kSchema);
  write_runner(report.build, &json);
  write_subject(report, &json);
  return json.end_object().text();
}

std::string version_json(const BuildInfo& build, const std::vector<BuiltEngine>& engines) {
  JsonWriter json;
  json.begin_object().field("schema", kSchema);
  write_runner(build, &json);
  json.key("engines").begin_array();
  for (const BuiltEngine& engine : engines) json.value(engine.name);
  json.end_array().key("linked").begin_object();
  for (const BuiltEngine& engine : engines) {
    if (!engine.linked_version.empty()) json.field(engine.name, engine.linked_version);
  }
  return json.end_object().end_object().text();
}

std::string error_json(const Status& status) {
  JsonWriter json;
  json.begin_object().field("schema", kSchema).key("error").begin_object();
  json.field("kind", failure_name(status.failure)).field("message", status.message);
  return json.end_object().end_object().text();
}

}  // namespace seaformer
