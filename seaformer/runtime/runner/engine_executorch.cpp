// ExecuTorch as an Engine: Program and Method (not the Module facade, whose C++ ABI drags in
// std::string and whose execute() copies vectors inside the timed call). Kernels and the XNNPACK
// delegate register themselves from the libraries CMake links.
//
// Timed are set_input for every input and execute: memory planning may reuse an input's buffer, so
// a caller has to set inputs for each inference, and a planned input costs a copy.
#include <executorch/extension/data_loader/mmap_data_loader.h>
#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>
#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine.h"
#include "executorch_tracer.h"
#include "registry.h"

// The thread pool's header is not in the wheel; these members of it are (checked with 1.5.1: nm on
// libexecutorch_threadpool.so). Drop when the wheel ships extension/threadpool/threadpool.h.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t new_thread_count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace seaformer {
namespace {

namespace et = executorch::runtime;
using executorch::aten::ScalarType;
using executorch::extension::MallocMemoryAllocator;
using executorch::extension::MmapDataLoader;

constexpr size_t kLoggedErrorsKept = 3;

// What the runtime logged as errors since the last look; ExecuTorch returns codes, the reason
// stands only in its log. One engine, one thread.
std::vector<std::string>& logged_errors() {
  static std::vector<std::string> errors;
  return errors;
}

void keep_errors(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
                 const char* message, size_t length) {
  if (level != kError && level != kFatal) return;
  std::fprintf(stderr, "executorch: %.*s\n", static_cast<int>(length), message);
  std::string line(message, length);
  while (!line.empty() && (line.back() == '.' || line.back() == '\n')) line.pop_back();
  auto& kept = logged_errors();
  const bool is_new = std::find(kept.begin(), kept.end(), line) == kept.end();
  if (is_new && kept.size() < kLoggedErrorsKept) kept.push_back(std::move(line));
}

// The error's name and what was logged about it, as the end of a sentence. Forgets the log.
std::string reason(et::Error error) {
  std::string text = std::string("ExecuTorch reports ") + et::to_string(error);
  for (const std::string& line : logged_errors()) text += "; " + line;
  logged_errors().clear();
  return text + ".";
}

DType from_scalar(ScalarType type) {
  switch (type) {
    case ScalarType::Bool: return DType::kBool;
    case ScalarType::Byte: return DType::kUint8;
    case ScalarType::Char: return DType::kInt8;
    case ScalarType::Short: return DType::kInt16;
    case ScalarType::Int: return DType::kInt32;
    case ScalarType::Long: return DType::kInt64;
    case ScalarType::Half: return DType::kFloat16;
    case ScalarType::BFloat16: return DType::kBFloat16;
    case ScalarType::Float: return DType::kFloat32;
    case ScalarType::Double: return DType::kFloat64;
    default: return DType::kUnknown;
  }
}

// The spec of input or output `index`, or why the runner cannot handle it.
template <typename Tag, typename Info>
Status read_spec(const std::string& what, const Tag& tag, const Info& info, TensorSpec* spec) {
  if (!tag.ok() || *tag != et::Tag::Tensor || !info.ok()) {
    return model_error(what + " is not a tensor; the runner handles tensors only.");
  }
  const auto order = info->dim_order();
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != i) return model_error(what + " is not laid out row by row (channels last?).");
  }
  spec->dtype = from_scalar(info->scalar_type());
  if (spec->dtype == DType::kUnknown) {
    return model_error(what + " has an element type the runner does not handle.");
  }
  const auto sizes = info->sizes();
  spec->shape.assign(sizes.begin(), sizes.end());
  spec->name = std::string(info->name());
  return ok_status();
}

// One input as the runtime wants it; points into `data`, which the engine keeps.
struct BoundInput {
  std::vector<int32_t> sizes;
  std::vector<uint8_t> dim_order;
  std::vector<int32_t> strides;
  std::unique_ptr<executorch::runtime::etensor::TensorImpl> impl;

  BoundInput(Tensor* tensor, ScalarType type)
      : sizes(tensor->spec.shape.begin(), tensor->spec.shape.end()),
        dim_order(sizes.size()),
        strides(sizes.size()) {
    int32_t stride = 1;
    for (size_t i = sizes.size(); i-- > 0;) {
      dim_order[i] = static_cast<uint8_t>(i);
      strides[i] = stride;
      stride *= sizes[i];
    }
    impl = std::make_unique<executorch::runtime::etensor::TensorImpl>(
        type, static_cast<ssize_t>(sizes.size()), sizes.data(), tensor->data.data(),
        dim_order.data(), strides.data());
  }
};

class ExecutorchEngine final : public Engine {
 public:
  std::string name() const override { return "executorch"; }
  std::string version() const override { return SEAFORMER_ET_VERSION; }
  const std::vector<TensorSpec>& inputs() const override { return specs_; }

  int64_t effective_threads() const override {
#if defined(SEAFORMER_ET_THREADPOOL)
    return static_cast<int64_t>(
        executorch::extension::threadpool::get_threadpool()->get_thread_count());
#else
    return 1;
#endif
  }

  Status prepare(int64_t threads) override {
#if defined(SEAFORMER_ET_THREADPOOL)
    auto* pool = executorch::extension::threadpool::get_threadpool();
    // Before loading: the delegate takes the pool as it finds it.
    if (pool == nullptr || !pool->_unsafe_reset_threadpool(static_cast<uint32_t>(threads))) {
      return engine_error("ExecuTorch's thread pool cannot be set to " + std::to_string(threads) +
                          " threads.");
    }
#else
    if (threads != 1) return engine_error("This ExecuTorch has no thread pool: --threads 1.");
#endif
    return ok_status();
  }

  Status methods(const std::string& path, std::vector<std::string>* out) override {
    // A program of its own, verified in depth: a damaged file must not get as far as load().
    logged_errors().clear();
    auto loader = MmapDataLoader::from(path.c_str(), MmapDataLoader::MlockConfig::NoMlock);
    if (!loader.ok()) return model_error(path + ": " + reason(loader.error()));
    auto program = et::Program::load(&*loader, et::Program::Verification::InternalConsistency);
    if (!program.ok()) return model_error(path + " is damaged: " + reason(program.error()));
    std::vector<std::string> names;
    for (size_t i = 0; i < program->num_methods(); ++i) {
      const auto method = program->get_method_name(i);
      if (method.ok()) names.emplace_back(*method);
    }
    std::sort(names.begin(), names.end());
    *out = std::move(names);
    return ok_status();
  }

  Status load(const LoadRequest& request) override {
    logged_errors().clear();
    model_ = request.model_path;
    method_name_ = request.method;  // kept: the runtime holds the pointer
    profile_path_ = request.profile_path;
    shapes_ = request.shapes;
    if (!profile_path_.empty()) tracer_ = std::make_unique<OpTracer>();
    auto loader = MmapDataLoader::from(model_.c_str(), MmapDataLoader::MlockConfig::NoMlock);
    if (!loader.ok()) return model_error(model_ + ": " + reason(loader.error()));
    loader_ = std::make_unique<MmapDataLoader>(std::move(*loader));
    auto program = et::Program::load(loader_.get(), et::Program::Verification::Minimal);
    if (!program.ok()) return model_error(model_ + ": " + reason(program.error()));
    program_ = std::make_unique<et::Program>(std::move(*program));
    if (Status status = plan_memory(); !status.ok()) return status;
    auto method = program_->load_method(method_name_.c_str(), memory_.get(), tracer_.get());
    if (!method.ok()) return cannot_load(method.error());
    method_ = std::make_unique<et::Method>(std::move(*method));
    return read_signature();
  }

  Status set_inputs(std::vector<Tensor> tensors) override {
    values_.clear();
    bound_.clear();
    inputs_ = std::move(tensors);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      bound_.emplace_back(&inputs_[i], scalar_types_[i]);
      values_.emplace_back(executorch::aten::Tensor(bound_.back().impl.get()));
    }
    return ok_status();
  }

  Status run() override {
    for (size_t i = 0; i < values_.size(); ++i) {
      const et::Error error = method_->set_input(values_[i], i);
      if (error != et::Error::Ok) {
        return engine_error("Input " + std::to_string(i) + " was refused: " + reason(error));
      }
    }
    const et::Error error = method_->execute();
    if (error != et::Error::Ok) {
      return engine_error("Method '" + method_name_ + "' failed: " + reason(error));
    }
    return ok_status();
  }

  Status outputs(std::vector<Tensor>* out) override {
    std::vector<Tensor> tensors = output_specs_;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const et::EValue& value = method_->get_output(i);
      if (!value.isTensor()) return engine_error("Output " + std::to_string(i) + " is not a tensor.");
      const auto tensor = value.toTensor();
      tensors[i].spec.shape.assign(tensor.sizes().begin(), tensor.sizes().end());
      tensors[i].data.resize(tensors[i].spec.size_bytes());
      std::memcpy(tensors[i].data.data(), tensor.const_data_ptr(), tensors[i].data.size());
    }
    *out = std::move(tensors);
    return ok_status();
  }

  void record(bool on) override {
    if (tracer_) tracer_->record(on);
  }

  Status write_profile() override {
    return tracer_ ? tracer_->write(profile_path_) : ok_status();
  }

 private:
  Status plan_memory() {
    const auto meta = program_->method_meta(method_name_.c_str());
    if (!meta.ok()) return model_error(model_ + ": " + reason(meta.error()));
    for (size_t i = 0; i < meta->num_memory_planned_buffers(); ++i) {
      const auto size = meta->memory_planned_buffer_size(i);
      if (!size.ok() || *size < 0) return model_error(model_ + ": " + reason(size.error()));
      buffers_.emplace_back(static_cast<size_t>(*size));
    }
    for (auto& buffer : buffers_) spans_.emplace_back(buffer.data(), buffer.size());
    planned_ = std::make_unique<et::HierarchicalAllocator>(
        et::Span<et::Span<uint8_t>>(spans_.data(), spans_.size()));
    memory_ = std::make_unique<et::MemoryManager>(&method_allocator_, planned_.get(),
                                                  &temp_allocator_);
    return ok_status();
  }

  // Whether the file or this build of the runtime is at fault.
  Status cannot_load(et::Error error) const {
    const std::string text = model_ + ", method '" + method_name_ + "': " + reason(error);
    const bool lacking = error == et::Error::OperatorMissing || error == et::Error::NotFound ||
                         error == et::Error::NotSupported || error == et::Error::NotImplemented ||
                         error == et::Error::MemoryAllocationFailed;
    return lacking ? engine_error(text) : model_error(text);
  }

  Status read_signature() {
    const et::MethodMeta meta = method_->method_meta();
    for (size_t i = 0; i < meta.num_inputs(); ++i) {
      TensorSpec spec;
      const auto info = meta.input_tensor_meta(i);
      const std::string what = "Input " + std::to_string(i) + " of '" + method_name_ + "'";
      if (Status status = read_spec(what, meta.input_tag(i), info, &spec); !status.ok()) {
        return status;
      }
      if (spec.name.empty()) spec.name = "input_" + std::to_string(i);
      if (Status status = choose_shape(shapes_, i, true, &spec); !status.ok()) return status;
      specs_.push_back(std::move(spec));
      scalar_types_.push_back(info->scalar_type());
    }
    for (size_t i = 0; i < meta.num_outputs(); ++i) {
      if (Status status = read_output(meta, i); !status.ok()) return status;
    }
    return ok_status();
  }

  Status read_output(const et::MethodMeta& meta, size_t index) {
    Tensor tensor;
    const auto info = meta.output_tensor_meta(index);
    const std::string what = "Output " + std::to_string(index) + " of '" + method_name_ + "'";
    Status status = read_spec(what, meta.output_tag(index), info, &tensor.spec);
    if (!status.ok()) return status;
    if (tensor.spec.name.empty()) tensor.spec.name = "output_" + std::to_string(index);
    output_specs_.push_back(std::move(tensor));
    if (info->is_memory_planned()) return ok_status();
    output_buffers_.emplace_back(info->nbytes());
    const et::Error error = method_->set_output_data_ptr(output_buffers_.back().data(),
                                                         output_buffers_.back().size(), index);
    // A constant output has a buffer of its own and refuses another.
    if (error != et::Error::Ok) output_buffers_.pop_back();
    return ok_status();
  }

  // Members are destroyed last to first: the method before the memory and the file it points into.
  std::string model_;
  std::string method_name_;
  std::string profile_path_;
  std::vector<std::vector<int64_t>> shapes_;
  std::unique_ptr<OpTracer> tracer_;
  std::unique_ptr<MmapDataLoader> loader_;
  std::unique_ptr<et::Program> program_;
  MallocMemoryAllocator method_allocator_;
  MallocMemoryAllocator temp_allocator_;
  std::vector<std::vector<uint8_t>> buffers_;
  std::vector<et::Span<uint8_t>> spans_;
  std::unique_ptr<et::HierarchicalAllocator> planned_;
  std::unique_ptr<et::MemoryManager> memory_;
  std::vector<TensorSpec> specs_;
  std::vector<ScalarType> scalar_types_;
  std::vector<Tensor> output_specs_;  // without data
  std::vector<std::vector<uint8_t>> output_buffers_;
  std::vector<Tensor> inputs_;
  std::vector<BoundInput> bound_;
  std::vector<et::EValue> values_;
  std::unique_ptr<et::Method> method_;
};

Status make(const std::string&, std::unique_ptr<Engine>* out) {
  et::register_pal(et::PalImpl::create(keep_errors, __FILE__));
  et::runtime_init();
  *out = std::make_unique<ExecutorchEngine>();
  return ok_status();
}

const RegisterEngine registered({"executorch", SEAFORMER_ET_VERSION, make});

}  // namespace
}  // namespace seaformer
