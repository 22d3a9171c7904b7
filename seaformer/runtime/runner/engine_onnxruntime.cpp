// ONNX Runtime as an Engine, on its C ABI through dlopen (onnxruntime_abi.h). A model has one
// method, "forward". CPU provider, sequential, all graph optimisations, as its users run it.
#include <dlfcn.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device_state.h"
#include "engine.h"
#include "onnxruntime_abi.h"
#include "registry.h"

namespace seaformer {
namespace {

DType from_element(int element) {
  switch (element) {
    case ort::kFloat: return DType::kFloat32;
    case ort::kUint8: return DType::kUint8;
    case ort::kInt8: return DType::kInt8;
    case ort::kInt16: return DType::kInt16;
    case ort::kInt32: return DType::kInt32;
    case ort::kInt64: return DType::kInt64;
    case ort::kBool: return DType::kBool;
    case ort::kFloat16: return DType::kFloat16;
    case ort::kDouble: return DType::kFloat64;
    case ort::kBFloat16: return DType::kBFloat16;
    default: return DType::kUnknown;
  }
}

int to_element(DType dtype) {
  for (int element = ort::kFloat; element <= ort::kBFloat16; ++element) {
    if (from_element(element) == dtype) return element;
  }
  return 0;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (int64_t size : shape) {
    text += (text.empty() ? "" : ",") + (size < 0 ? "?" : std::to_string(size));
  }
  return "[" + text + "]";
}

class OnnxRuntimeEngine final : public Engine {
 public:
  OnnxRuntimeEngine(void* const* table, std::string version)
      : ort_(table), version_(std::move(version)) {}

  ~OnnxRuntimeEngine() override {
    before_run();
    release_inputs();
    if (session_ != nullptr) ort_.call<ort::ReleaseSession>(session_);
    if (options_ != nullptr) ort_.call<ort::ReleaseOptions>(options_);
    // The environment stays: it is the process's, like the library.
  }

  std::string name() const override { return "onnxruntime"; }
  std::string version() const override { return version_; }
  const std::vector<TensorSpec>& inputs() const override { return specs_; }
  int64_t effective_threads() const override { return threads_; }

  Status prepare(int64_t threads) override {
    if (auto* s = ort_.call<ort::CreateEnv>(ort::kLogError, "seaformer", &env_)) return failed(s);
    if (auto* s = ort_.call<ort::CreateOptions>(&options_)) return failed(s);
    const int count = static_cast<int>(threads);
    if (auto* s = ort_.call<ort::SetIntraThreads>(options_, count)) return failed(s);
    if (auto* s = ort_.call<ort::SetInterThreads>(options_, 1)) return failed(s);
    if (auto* s = ort_.call<ort::SetExecutionMode>(options_, ort::kSequential)) return failed(s);
    if (auto* s = ort_.call<ort::SetOptimization>(options_, ort::kOptimizeAll)) return failed(s);
    if (auto* s = ort_.call<ort::DefaultAllocator>(&allocator_)) return failed(s);
    return ok_status();
  }

  Status methods(const std::string&, std::vector<std::string>* out) override {
    *out = {"forward"};
    return ok_status();
  }

  Status load(const LoadRequest& request) override {
    profile_path_ = request.profile_path;
    shapes_ = request.shapes;
    if (!profile_path_.empty()) {
      const std::string prefix = profile_path_ + ".part";
      if (auto* s = ort_.call<ort::EnableProfiling>(options_, prefix.c_str())) return failed(s);
    }
    const int64_t before = os_threads();
    const char* path = request.model_path.c_str();
    if (auto* s = ort_.call<ort::CreateSession>(env_, path, options_, &session_)) {
      Status status = failed(s);
      // What the file asks for and this library has not is the engine's failure, the rest the
      // file's.
      if (!lacks_operator_) status.failure = Failure::kModel;
      status.message = request.model_path + ": " + status.message;
      return status;
    }
    // The session's pool is the only thing that started threads meanwhile.
    threads_ = os_threads() - before + 1;
    return read_signature();
  }

  Status set_inputs(std::vector<Tensor> tensors) override {
    release_inputs();
    before_run();
    inputs_ = std::move(tensors);
    ort::MemInfo* memory = nullptr;
    if (auto* s = ort_.call<ort::CpuMemory>(0, 0, &memory)) return failed(s);
    for (Tensor& tensor : inputs_) {
      ort::Value* value = nullptr;
      const auto& shape = tensor.spec.shape;
      if (auto* s = ort_.call<ort::WrapTensor>(memory, tensor.data.data(), tensor.data.size(),
                                          shape.data(), shape.size(),
                                          to_element(tensor.spec.dtype), &value)) {
        return failed(s);
      }
      input_values_.push_back(value);
    }
    output_values_.assign(output_names_.size(), nullptr);
    return ok_status();
  }

  void before_run() override {
    for (ort::Value*& value : output_values_) {
      if (value != nullptr) ort_.call<ort::ReleaseValue>(value);
      value = nullptr;
    }
  }

  Status run() override {
    if (auto* s = ort_.call<ort::Run>(session_, nullptr, input_names_c_.data(),
                                      input_values_.data(), input_values_.size(),
                                      output_names_c_.data(), output_names_c_.size(),
                                      output_values_.data())) {
      return failed(s);
    }
    return ok_status();
  }

  Status outputs(std::vector<Tensor>* out) override {
    std::vector<Tensor> tensors(output_values_.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (Status status = copy_output(i, &tensors[i]); !status.ok()) return status;
    }
    *out = std::move(tensors);
    return ok_status();
  }

  Status write_profile() override {
    if (profile_path_.empty()) return ok_status();
    char* written = nullptr;
    if (auto* s = ort_.call<ort::EndProfiling>(session_, allocator_, &written)) return failed(s);
    const std::string from = take(written);
    if (std::rename(from.c_str(), profile_path_.c_str()) != 0) {
      return io_error("--profile-ops " + profile_path_ + ": " + std::strerror(errno) + ".");
    }
    return ok_status();
  }

 private:
  void release_inputs() {
    for (ort::Value* value : input_values_) ort_.call<ort::ReleaseValue>(value);
    input_values_.clear();
  }

  // Reads and releases a status that is not null.
  Status failed(ort::OrtStatus* status) {
    lacks_operator_ = ort_.call<ort::GetErrorCode>(status) == ort::kCodeNotImplemented;
    std::string text = ort_.call<ort::GetErrorMessage>(status);
    ort_.call<ort::ReleaseStatus>(status);
    return engine_error("ONNX Runtime " + version_ + ": " + text);
  }

  // A string the runtime allocated, copied and given back.
  std::string take(char* text) {
    std::string copy = text;
    if (auto* s = ort_.call<ort::Free>(allocator_, text)) (void)failed(s);
    return copy;
  }

  Status read_signature() {
    size_t input_count = 0;
    size_t output_count = 0;
    if (auto* s = ort_.call<ort::InputCount>(session_, &input_count)) return failed(s);
    if (auto* s = ort_.call<ort::OutputCount>(session_, &output_count)) return failed(s);
    for (size_t i = 0; i < input_count; ++i) {
      if (Status status = read_input(i); !status.ok()) return status;
    }
    for (size_t i = 0; i < output_count; ++i) {
      char* text = nullptr;
      if (auto* s = ort_.call<ort::OutputName>(session_, i, allocator_, &text)) return failed(s);
      output_names_.push_back(take(text));
    }
    for (const TensorSpec& spec : specs_) input_names_c_.push_back(spec.name.c_str());
    for (const std::string& text : output_names_) output_names_c_.push_back(text.c_str());
    return ok_status();
  }

  Status read_input(size_t index) {
    TensorSpec spec;
    char* text = nullptr;
    if (auto* s = ort_.call<ort::InputName>(session_, index, allocator_, &text)) return failed(s);
    spec.name = take(text);
    ort::TypeInfo* type = nullptr;
    if (auto* s = ort_.call<ort::InputType>(session_, index, &type)) return failed(s);
    const ort::ShapeInfo* info = nullptr;
    ort::OrtStatus* problem = ort_.call<ort::TensorInfo>(type, &info);
    Status status = problem != nullptr ? failed(problem) : ok_status();
    if (status.ok() && info == nullptr) {
      status = model_error("Input '" + spec.name + "' is not a tensor.");
    }
    if (status.ok()) status = read_shape(info, &spec);
    ort_.call<ort::ReleaseTypeInfo>(type);
    if (!status.ok()) return status;
    if (Status chosen = choose_shape(shapes_, index, false, &spec); !chosen.ok()) return chosen;
    // A free batch is one image; any other free dimension has no value to assume.
    if (!spec.shape.empty() && spec.shape[0] < 0) spec.shape[0] = 1;
    for (int64_t size : spec.shape) {
      if (size < 0) {
        return model_error("Input '" + spec.name + "' has the shape " + shape_text(spec.shape) +
                           "; expected known sizes: choose them with --shape.");
      }
    }
    if (spec.dtype == DType::kUnknown) {
      return model_error("Input '" + spec.name + "' has an element type the runner cannot feed.");
    }
    specs_.push_back(std::move(spec));
    return ok_status();
  }

  Status read_shape(const ort::ShapeInfo* info, TensorSpec* spec) {
    int element = 0;
    size_t rank = 0;
    if (auto* s = ort_.call<ort::ElementType>(info, &element)) return failed(s);
    if (auto* s = ort_.call<ort::Rank>(info, &rank)) return failed(s);
    spec->dtype = from_element(element);
    spec->shape.resize(rank);
    if (auto* s = ort_.call<ort::Dimensions>(info, spec->shape.data(), rank)) return failed(s);
    return ok_status();
  }

  Status copy_output(size_t index, Tensor* tensor) {
    ort::ShapeInfo* info = nullptr;
    if (auto* s = ort_.call<ort::ShapeOf>(output_values_[index], &info)) return failed(s);
    tensor->spec.name = output_names_[index];
    Status status = read_shape(info, &tensor->spec);
    ort_.call<ort::ReleaseShapeInfo>(info);
    if (!status.ok()) return status;
    if (tensor->spec.dtype == DType::kUnknown) {
      return model_error("Output '" + tensor->spec.name + "' has a type the runner cannot write.");
    }
    void* data = nullptr;
    if (auto* s = ort_.call<ort::TensorData>(output_values_[index], &data)) return failed(s);
    tensor->data.resize(tensor->spec.size_bytes());
    std::memcpy(tensor->data.data(), data, tensor->data.size());
    return ok_status();
  }

  ort::Api ort_;
  std::string version_;
  bool lacks_operator_ = false;  // the last failure was "not implemented"
  int64_t threads_ = 1;
  std::string profile_path_;
  std::vector<std::vector<int64_t>> shapes_;
  ort::Env* env_ = nullptr;
  ort::Options* options_ = nullptr;
  ort::Session* session_ = nullptr;
  ort::Alloc* allocator_ = nullptr;  // global, not ours
  std::vector<TensorSpec> specs_;
  std::vector<std::string> output_names_;
  std::vector<const char*> input_names_c_;   // into specs_
  std::vector<const char*> output_names_c_;  // into output_names_
  std::vector<Tensor> inputs_;               // the buffers input_values_ point into
  std::vector<ort::Value*> input_values_;
  std::vector<ort::Value*> output_values_;   // null, or the outputs of the last run
};

// A bare name of an existing file means that file, not the loader's search.
std::string absolute(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) == nullptr ? path : resolved;
}

// Why dlopen failed; with a hint when no path was given.
Status cannot_open(const std::string& library, const std::string& reason) {
  if (!library.empty()) {
    return engine_error("ONNX Runtime cannot be loaded from " + library + ": " + reason + ".");
  }
  return engine_error("ONNX Runtime is not where the loader looks (" + reason +
                      "): name it with --library.");
}

// Opens `library`, or libonnxruntime.so.1 / libonnxruntime.so by the loader's own search when it is
// empty. The library stays open until the process ends.
Status make(const std::string& library, std::unique_ptr<Engine>* out) {
  // onnxruntime 1.31.1 ships with telemetry on: a thread of its own, a database under ~/.cache and
  // uploads, all inside the process that is timed. Its documented switch (Privacy.md), read when
  // the environment is created; a user who set it to something else keeps that.
  setenv("ORT_DISABLE_TELEMETRY", "1", /*overwrite=*/0);
  const std::vector<std::string> candidates =
      library.empty() ? std::vector<std::string>{"libonnxruntime.so.1", "libonnxruntime.so"}
                      : std::vector<std::string>{absolute(library)};
  void* handle = nullptr;
  std::string reason;
  for (const std::string& candidate : candidates) {
    handle = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) break;
    if (reason.empty()) reason = dlerror();
  }
  if (handle == nullptr) return cannot_open(library, reason);
  const auto get_base = reinterpret_cast<ort::GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  if (get_base == nullptr) return cannot_open(library, "it has no OrtGetApiBase");
  const ort::ApiBase* base = get_base();
  void* const* table = base->get_api(ort::kApiVersion);
  if (table == nullptr) {
    return cannot_open(library, std::string("version ") + base->version_string() +
                                    " has no API " + std::to_string(ort::kApiVersion));
  }
  *out = std::make_unique<OnnxRuntimeEngine>(table, base->version_string());
  return ok_status();
}

const RegisterEngine registered({"onnxruntime", /*linked_version=*/"", make});

}  // namespace
}  // namespace seaformer
