// LiteRT as an Engine, on its C API through dlopen (litert_abi.h). A model's first signature is
// "forward"; the others keep their names.
//
// CPU by XNNPACK, whose options are its own but for the number of threads. A model computes in half
// precision where its metadata allow it (reduced_precision_support) and the core has it.
#include <dirent.h>
#include <dlfcn.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "litert_abi.h"
#include "registry.h"

namespace seaformer {
namespace {

using litert_abi::Api;
using litert_abi::Buffer;
using litert_abi::RankedType;

constexpr char kForward[] = "forward";

DType from_element(int element) {
  switch (element) {
    case litert_abi::kFloat32: return DType::kFloat32;
    case litert_abi::kInt32: return DType::kInt32;
    case litert_abi::kUint8: return DType::kUint8;
    case litert_abi::kInt64: return DType::kInt64;
    case litert_abi::kBool: return DType::kBool;
    case litert_abi::kInt16: return DType::kInt16;
    case litert_abi::kInt8: return DType::kInt8;
    case litert_abi::kFloat16: return DType::kFloat16;
    case litert_abi::kFloat64: return DType::kFloat64;
    case litert_abi::kUint16: return DType::kUint16;
    case litert_abi::kBFloat16: return DType::kBFloat16;
    default: return DType::kUnknown;
  }
}

void free_text(void* text) { std::free(text); }

class LiteRtEngine final : public Engine {
 public:
  LiteRtEngine(const Api& api, std::string version) : api_(api), version_(std::move(version)) {}

  ~LiteRtEngine() override {
    for (Buffer* buffer : input_buffers_) api_.destroy_buffer(buffer);
    for (Buffer* buffer : output_buffers_) api_.destroy_buffer(buffer);
    if (compiled_ != nullptr) api_.destroy_compiled(compiled_);
    if (options_ != nullptr) api_.destroy_options(options_);
    if (model_ != nullptr) api_.destroy_model(model_);
    if (environment_ != nullptr) api_.destroy_environment(environment_);
  }

  std::string name() const override { return "litert"; }
  std::string version() const override { return version_; }
  const std::vector<TensorSpec>& inputs() const override { return specs_; }

  // XNNPACK's pool has the threads that it was asked for, the caller among them.
  int64_t effective_threads() const override { return threads_; }

  Status prepare(int64_t threads) override {
    threads_ = threads;
    if (int code = api_.create_environment(0, nullptr, &environment_)) return failed(code, "start");
    if (int code = api_.create_options(&options_)) return failed(code, "be configured");
    if (int code = api_.set_accelerators(options_, litert_abi::kCpu)) {
      return failed(code, "use the CPU");
    }
    const std::string text = "num_threads = " + std::to_string(threads) + "\n";
    litert_abi::OpaqueOptions* own = nullptr;
    if (int code = api_.create_opaque("xnnpack", strdup(text.c_str()), free_text, &own)) {
      return failed(code, "take a number of threads");
    }
    if (int code = api_.add_opaque(options_, own)) return failed(code, "take a number of threads");
    return ok_status();
  }

  Status methods(const std::string& model_path, std::vector<std::string>* out) override {
    if (Status s = read_model(model_path); !s.ok()) return s;
    *out = methods_;
    std::sort(out->begin(), out->end());
    return ok_status();
  }

  Status load(const LoadRequest& request) override {
    if (!request.profile_path.empty()) {
      return engine_error("LiteRT does not report the time of its operators here.");
    }
    if (Status s = read_model(request.model_path); !s.ok()) return s;
    const auto found = std::find(methods_.begin(), methods_.end(), request.method);
    if (found == methods_.end()) {
      return model_error(request.model_path + " has no method '" + request.method + "'.");
    }
    index_ = static_cast<size_t>(found - methods_.begin());
    path_ = request.model_path;
    if (api_.compile(environment_, model_, options_, &compiled_) != 0) return cannot_prepare();
    litert_abi::Signature* signature = nullptr;
    if (int code = api_.signature(model_, index_, &signature)) return failed(code, "read a method");
    if (Status s = read_inputs(signature, request.shapes); !s.ok()) return s;
    return read_outputs(signature);
  }

  Status set_inputs(std::vector<Tensor> tensors) override {
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (Status s = fill(input_buffers_[i], tensors[i]); !s.ok()) return s;
    }
    return ok_status();
  }

  Status run() override {
    const int code = api_.run(compiled_, index_, input_buffers_.size(), input_buffers_.data(),
                              output_buffers_.size(), output_buffers_.data());
    return code == 0 ? ok_status() : failed(code, "run the model");
  }

  Status outputs(std::vector<Tensor>* out) override {
    std::vector<Tensor> tensors(output_buffers_.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      Tensor& tensor = tensors[i];
      tensor.spec = output_specs_[i];
      tensor.data.resize(tensor.spec.size_bytes());
      void* from = nullptr;
      if (int code = api_.lock(output_buffers_[i], &from, litert_abi::kLockRead)) {
        return failed(code, "give the output '" + tensor.spec.name + "'");
      }
      std::memcpy(tensor.data.data(), from, tensor.data.size());
      if (int code = api_.unlock(output_buffers_[i])) return failed(code, "give an output back");
    }
    *out = std::move(tensors);
    return ok_status();
  }

 private:
  Status failed(int code, const std::string& what) const {
    return engine_error("LiteRT " + version_ + " cannot " + what + ": error " +
                        std::to_string(code) + ".");
  }

  Status cannot_prepare() const {
    return engine_error(path_ + ": LiteRT " + version_ +
                        " cannot prepare it: it is damaged, or has an operator that this version "
                        "lacks in the precision asked for.");
  }

  // Opens the file, once, and names its methods.
  Status read_model(const std::string& path) {
    if (model_ != nullptr) return ok_status();
    if (api_.create_model(environment_, path.c_str(), &model_) != 0) {
      return model_error(path + ": LiteRT " + version_ +
                         " cannot read it: it was cut short or damaged.");
    }
    size_t count = 0;
    if (int code = api_.signature_count(model_, &count)) return failed(code, "count methods");
    for (size_t i = 0; i < count; ++i) {
      litert_abi::Signature* signature = nullptr;
      const char* key = "";
      if (int code = api_.signature(model_, i, &signature)) return failed(code, "read a method");
      if (int code = api_.signature_key(signature, &key)) return failed(code, "name a method");
      methods_.emplace_back(i == 0 ? kForward : key);
    }
    return ok_status();
  }

  Status read_inputs(litert_abi::Signature* signature,
                     const std::vector<std::vector<int64_t>>& shapes) {
    size_t count = 0;
    if (int code = api_.input_count(signature, &count)) return failed(code, "count inputs");
    for (size_t i = 0; i < count; ++i) {
      const char* text = "";
      litert_abi::TensorInfo* info = nullptr;
      if (int code = api_.input_name(signature, i, &text)) return failed(code, "name an input");
      if (int code = api_.input_tensor(signature, i, &info)) return failed(code, "read an input");
      RankedType type;
      TensorSpec spec;
      if (Status s = read_tensor_type(info, text, &type, &spec); !s.ok()) return s;
      // The library shows 1 for a size that the file leaves free, so that any may be chosen.
      if (!shapes.empty()) std::fill(spec.shape.begin(), spec.shape.end(), int64_t{-1});
      if (Status s = choose_shape(shapes, i, false, &spec); !s.ok()) return s;
      if (Status s = apply_shape(i, &type, &spec); !s.ok()) return s;
      specs_.push_back(std::move(spec));
      input_types_.push_back(type);
    }
    for (size_t i = 0; i < count; ++i) {
      Buffer* buffer = nullptr;
      litert_abi::Requirements* needs = nullptr;
      int code = api_.input_needs(compiled_, index_, i, &needs);
      if (code == 0) code = api_.create_buffer(environment_, &input_types_[i], needs, &buffer);
      if (code != 0) return failed(code, "make room for the input '" + specs_[i].name + "'");
      input_buffers_.push_back(buffer);
    }
    return ok_status();
  }

  // A free batch is one image; any other free size must have been chosen.
  Status apply_shape(size_t index, RankedType* type, TensorSpec* spec) {
    std::vector<int> sizes;
    bool changed = false;
    for (size_t axis = 0; axis < spec->shape.size(); ++axis) {
      if (spec->shape[axis] < 0 && axis == 0) spec->shape[axis] = 1;
      if (spec->shape[axis] < 0) {
        return model_error("Input '" + spec->name + "' leaves a size free: choose it (--shape).");
      }
      changed = changed || type->sizes[axis] != spec->shape[axis];
      type->sizes[axis] = static_cast<int32_t>(spec->shape[axis]);
      sizes.push_back(type->sizes[axis]);
    }
    if (!changed) return ok_status();
    const int code = api_.resize_input(compiled_, index_, index, sizes.data(), sizes.size());
    return code == 0 ? ok_status() : failed(code, "take that size of '" + spec->name + "'");
  }

  Status read_outputs(litert_abi::Signature* signature) {
    size_t count = 0;
    if (int code = api_.output_count(signature, &count)) return failed(code, "count outputs");
    // LiteRtLayout: a ranked type without its element.
    struct Layout {
      uint32_t rank_and_flags;
      int32_t sizes[litert_abi::kMostAxes];
      uint32_t strides[litert_abi::kMostAxes];
    };
    std::vector<Layout> layouts(count);
    if (api_.output_layouts(compiled_, index_, count, layouts.data(), true) != 0) {
      return cannot_prepare();
    }
    for (size_t i = 0; i < count; ++i) {
      const char* text = "";
      litert_abi::TensorInfo* info = nullptr;
      if (int code = api_.output_name(signature, i, &text)) return failed(code, "name an output");
      if (int code = api_.output_tensor(signature, i, &info)) return failed(code, "read an output");
      RankedType type;
      TensorSpec spec;
      if (Status s = read_tensor_type(info, text, &type, &spec); !s.ok()) return s;
      type.rank_and_flags = layouts[i].rank_and_flags;
      std::memcpy(type.sizes, layouts[i].sizes, sizeof type.sizes);
      spec.shape.assign(type.sizes, type.sizes + type.rank());
      Buffer* buffer = nullptr;
      litert_abi::Requirements* needs = nullptr;
      int code = api_.output_needs(compiled_, index_, i, &needs);
      if (code == 0) code = api_.create_buffer(environment_, &type, needs, &buffer);
      if (code != 0) return failed(code, "make room for the output '" + spec.name + "'");
      output_specs_.push_back(std::move(spec));
      output_buffers_.push_back(buffer);
    }
    return ok_status();
  }

  Status read_tensor_type(litert_abi::TensorInfo* info, const char* text, RankedType* type,
                          TensorSpec* spec) const {
    spec->name = text;
    if (api_.ranked_type(info, type) != 0 || type->rank() > litert_abi::kMostAxes) {
      return model_error("'" + spec->name + "' must have a known number of axes.");
    }
    spec->dtype = from_element(type->element);
    if (spec->dtype == DType::kUnknown) {
      return model_error("'" + spec->name + "' has an element type that the runner lacks.");
    }
    spec->shape.assign(type->sizes, type->sizes + type->rank());
    return ok_status();
  }

  Status fill(Buffer* buffer, const Tensor& tensor) {
    void* to = nullptr;
    if (int code = api_.lock(buffer, &to, litert_abi::kLockWrite)) {
      return failed(code, "take the input '" + tensor.spec.name + "'");
    }
    std::memcpy(to, tensor.data.data(), tensor.data.size());
    const int code = api_.unlock(buffer);
    return code == 0 ? ok_status() : failed(code, "take the input '" + tensor.spec.name + "'");
  }

  Api api_;
  std::string version_;
  std::string path_;
  int64_t threads_ = 1;
  litert_abi::Environment* environment_ = nullptr;
  litert_abi::Options* options_ = nullptr;
  litert_abi::Model* model_ = nullptr;
  litert_abi::CompiledModel* compiled_ = nullptr;
  size_t index_ = 0;                  // of the method's signature
  std::vector<std::string> methods_;  // in the order of the signatures
  std::vector<TensorSpec> specs_;
  std::vector<RankedType> input_types_;
  std::vector<TensorSpec> output_specs_;
  std::vector<Buffer*> input_buffers_;
  std::vector<Buffer*> output_buffers_;
};

// What follows `before` in `text` up to `after`, or to its end; empty where it does not begin so.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
  if (text.compare(0, before.size(), before) != 0) return "";
  return text.substr(before.size(), text.find(after, before.size()) - before.size());
}

// The version of an installed library, which only the names around it state: libLiteRt.so.2.3.0, or
// ai_edge_litert-2.3.0 above or beside the package's folder.
std::string version_of(const std::string& library) {
  char resolved[PATH_MAX];
  const std::string path = realpath(library.c_str(), resolved) == nullptr ? library : resolved;
  const auto above = [](const std::string& of) { return of.substr(0, of.rfind('/')); };
  const auto last = [](const std::string& of) { return of.substr(of.rfind('/') + 1); };
  std::string version = between(last(path), "libLiteRt.so.", "/");
  const std::string beside = above(above(path));
  if (version.empty()) version = between(last(beside), "ai_edge_litert-", "/");
  if (DIR* folder = version.empty() ? opendir(beside.c_str()) : nullptr) {
    while (const dirent* entry = readdir(folder)) {
      const std::string found = between(entry->d_name, "ai_edge_litert-", ".dist-info");
      if (!found.empty()) version = found;
    }
    closedir(folder);
  }
  return version.empty() ? "unknown" : version;
}

// Opens `library`, or libLiteRt.so by the loader's own search when it is empty. The library stays
// open until the process ends.
Status make(const std::string& library, std::unique_ptr<Engine>* out) {
  const std::string name = library.empty() ? "libLiteRt.so" : library;
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return engine_error(std::string("LiteRT cannot be loaded (") + dlerror() +
                        "): name its library with --library.");
  }
  Api api;
  if (const std::string missing = api.open(handle); !missing.empty()) {
    return engine_error(name + " is not LiteRT with its C API: it lacks " + missing + ".");
  }
  *out = std::make_unique<LiteRtEngine>(api, version_of(name));
  return ok_status();
}

const RegisterEngine registered({"litert", /*linked_version=*/"", make});

}  // namespace
}  // namespace seaformer
