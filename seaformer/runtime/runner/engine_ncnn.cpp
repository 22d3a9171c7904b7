// ncnn as an Engine, on its C API through dlopen (ncnn_abi.h). Methods beside "forward" are parts of
// the network between blobs that its text names (ncnn_param.h): the whole is loaded, a part is run.
//
// Options are ncnn's own: half precision where the core has it. A network that is to compute in
// single precision has that in its text, as a mask of each layer's features (31=3). Inputs and
// outputs are single precision; ncnn has no axis for the batch, which is 1 here.
//
// Timed are a fresh extractor, the layers, and the conversion of the outputs. For a profile the blobs
// are extracted one after the other, twice: the first time a layer computes its blob and the blob is
// converted, the second time it is converted alone. The difference is the layer's.
#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "device_state.h"
#include "engine.h"
#include "json_line.h"
#include "ncnn_abi.h"
#include "ncnn_param.h"
#include "registry.h"
#include "timing.h"

namespace seaformer {
namespace {

using ncnn_abi::Api;
using ncnn_abi::Extractor;
using ncnn_abi::Mat;
using ncnn_abi::Net;

constexpr size_t kMostAxes = 4;  // the batch included

struct LayerTime {
  int64_t run;
  std::string name;
  std::string type;
  int64_t duration_ns;
};

// A JSON array with an object for each layer of each recorded run.
Status write_layer_times(const std::string& path, const std::vector<LayerTime>& times) {
  JsonWriter json;
  json.begin_array();
  for (const LayerTime& time : times) {
    json.begin_object().field("run", time.run).field("name", time.name);
    json.field("kind", time.type).field("duration_ns", time.duration_ns).end_object();
  }
  const std::string text = json.end_array().text();
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return io_error(path + ": " + std::strerror(errno) + ".");
  const bool whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && whole ? ok_status() : io_error(path + " could not be written.");
}

class NcnnEngine final : public Engine {
 public:
  explicit NcnnEngine(const Api& api) : api_(api) {}

  ~NcnnEngine() override {
    before_run();
    release_inputs();
    if (net_ != nullptr) api_.net_destroy(net_);
  }

  std::string name() const override { return "ncnn"; }
  std::string version() const override { return api_.version(); }
  const std::vector<TensorSpec>& inputs() const override { return specs_; }

  // OpenMP starts its threads at the first inference.
  int64_t effective_threads() const override { return os_threads() - threads_before_ + 1; }

  Status prepare(int64_t threads) override {
    // ncnn 1.0.20261020: weights in half precision are loaded by as many threads as there are cores,
    // whatever the option says. Without a level of OpenMP there is no thread but this one.
    if (threads == 1 && api_.omp_set_max_active_levels != nullptr) {
      api_.omp_set_max_active_levels(0);
    }
    net_ = api_.net_create();
    api_.option_set_num_threads(api_.net_get_option(net_), static_cast<int>(threads));
    return ok_status();
  }

  Status methods(const std::string& model_path, std::vector<std::string>* out) override {
    NcnnParam param;
    if (Status s = read_ncnn_param(model_path, &param); !s.ok()) return s;
    std::vector<std::string> names;
    for (const NcnnMethod& method : param.methods) names.push_back(method.name);
    std::sort(names.begin(), names.end());
    *out = std::move(names);
    return ok_status();
  }

  Status load(const LoadRequest& request) override {
    threads_before_ = os_threads();
    profile_path_ = request.profile_path;
    NcnnParam param;
    if (Status s = read_ncnn_param(request.model_path, &param); !s.ok()) return s;
    if (Status s = load_files(request.model_path, param); !s.ok()) return s;
    layers_ = std::move(param.layers);
    for (const NcnnMethod& method : param.methods) {
      if (method.name == request.method) return read_signature(method, request.shapes);
    }
    return model_error(request.model_path + " has no method '" + request.method + "'.");
  }

  Status set_inputs(std::vector<Tensor> tensors) override {
    release_inputs();
    before_run();
    for (const Tensor& tensor : tensors) {
      Mat* mat = create(tensor.spec.shape);
      const auto& shape = tensor.spec.shape;
      const size_t channels = shape.size() == kMostAxes ? static_cast<size_t>(shape[1]) : 1;
      const size_t bytes = tensor.data.size() / channels;
      for (size_t i = 0; i < channels; ++i) {  // a channel begins at an address of its own
        void* to = api_.mat_get_channel_data(mat, static_cast<int>(i));
        std::memcpy(to, tensor.data.data() + i * bytes, bytes);
      }
      input_mats_.push_back(mat);
    }
    output_mats_.assign(output_names_.size(), nullptr);
    return ok_status();
  }

  void before_run() override {
    for (Mat*& mat : output_mats_) {
      if (mat != nullptr) api_.mat_destroy(mat);
      mat = nullptr;
    }
  }

  void record(bool on) override { recording_ = on && !profile_path_.empty(); }

  Status write_profile() override {
    return profile_path_.empty() ? ok_status() : write_layer_times(profile_path_, times_);
  }

  Status run() override {
    Extractor* extractor = api_.extractor_create(net_);
    Status status = ok_status();
    for (size_t i = 0; i < specs_.size() && status.ok(); ++i) {
      if (api_.extractor_input(extractor, specs_[i].name.c_str(), input_mats_[i]) != 0) {
        status = engine_error("ncnn does not take the input '" + specs_[i].name + "'.");
      }
    }
    if (recording_ && status.ok()) status = time_layers(extractor);
    for (size_t i = 0; i < output_names_.size() && status.ok(); ++i) {
      if (api_.extractor_extract(extractor, output_names_[i].c_str(), &output_mats_[i]) != 0) {
        status = engine_error("ncnn cannot compute the output '" + output_names_[i] + "'.");
      }
    }
    api_.extractor_destroy(extractor);
    return status;
  }

  Status outputs(std::vector<Tensor>* out) override {
    std::vector<Tensor> tensors(output_mats_.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (Status status = copy_output(i, &tensors[i]); !status.ok()) return status;
    }
    *out = std::move(tensors);
    return ok_status();
  }

 private:
  void release_inputs() {
    for (Mat* mat : input_mats_) api_.mat_destroy(mat);
    input_mats_.clear();
  }

  // Extracts one blob and frees it; *duration_ns is what that took.
  Status time_blob(Extractor* extractor, const std::string& blob, int64_t* duration_ns) {
    Mat* mat = nullptr;
    const int64_t begin = now_ns();
    const int problem = api_.extractor_extract(extractor, blob.c_str(), &mat);
    *duration_ns = now_ns() - begin;
    if (mat != nullptr) api_.mat_destroy(mat);
    return problem == 0 ? ok_status() : engine_error("ncnn cannot compute the blob '" + blob + "'.");
  }

  // Light mode frees a blob once it is used, which no layer here does before its turn.
  Status time_layers(Extractor* extractor) {
    ++runs_;
    for (const NcnnLayer& layer : layers_) {
      if (layer.type == "Input" || layer.outputs.empty()) continue;
      int64_t both_ns = 0;
      int64_t converted_ns = 0;
      if (Status s = time_blob(extractor, layer.outputs[0], &both_ns); !s.ok()) return s;
      if (Status s = time_blob(extractor, layer.outputs[0], &converted_ns); !s.ok()) return s;
      const int64_t own_ns = std::max<int64_t>(0, both_ns - converted_ns);
      times_.push_back({runs_, layer.name, layer.type, own_ns});
    }
    return ok_status();
  }

  Status load_files(const std::string& path, const NcnnParam& param) {
    const std::string weights = ncnn_weights(path);
    struct stat info {};
    if (stat(weights.c_str(), &info) != 0) {
      return model_error(path + " has its weights in " + weights + ", which is missing.");
    }
    if (Status status = check_layers(path, param); !status.ok()) return status;
    if (api_.net_load_param(net_, path.c_str()) != 0) {
      return model_error("ncnn " + version() + " cannot read " + path +
                         ": it is damaged, or of another ncnn.");
    }
    if (api_.net_load_model(net_, weights.c_str()) != 0) {
      return model_error(weights + " does not hold the weights of " + path +
                         ": it was cut short, or is of another network.");
    }
    return ok_status();
  }

  // A layer that this library lacks, by name.
  Status check_layers(const std::string& path, const NcnnParam& param) {
    for (const NcnnLayer& each : param.layers) {
      ncnn_abi::Layer* layer = api_.layer_create_by_type(each.type.c_str());
      if (layer == nullptr) {
        return engine_error(path + " needs the layer " + each.type + ", which this build of ncnn " +
                            version() + " lacks.");
      }
      api_.layer_destroy(layer);
    }
    return ok_status();
  }

  Status read_signature(const NcnnMethod& method,
                        const std::vector<std::vector<int64_t>>& shapes) {
    output_names_ = method.outputs;
    for (size_t i = 0; i < method.inputs.size(); ++i) {
      TensorSpec spec = method.inputs[i];
      if (Status s = choose_shape(shapes, i, false, &spec); !s.ok()) return s;
      for (int64_t size : spec.shape) {
        if (size < 1) {
          return model_error("The text of the network does not state the sizes of input '" +
                             spec.name + "': choose them with --shape.");
        }
      }
      if (spec.shape.size() > kMostAxes || spec.shape[0] != 1) {
        return model_error("Input " + describe(spec) + " must have a batch of 1 and 4 axes at " +
                           "most: ncnn takes no other.");
      }
      specs_.push_back(std::move(spec));
    }
    const int whole = method.outputs.empty() ? api_.net_get_output_count(net_) : 0;
    for (int i = 0; i < whole; ++i) {
      output_names_.emplace_back(api_.net_get_output_name(net_, i));
    }
    return ok_status();
  }

  Mat* create(const std::vector<int64_t>& shape) {
    const auto size = [&](size_t from_the_end) {
      return static_cast<int>(shape[shape.size() - from_the_end]);
    };
    switch (shape.size()) {
      case 1: return api_.mat_create_1d(size(1), nullptr);
      case 2: return api_.mat_create_1d(size(1), nullptr);
      case 3: return api_.mat_create_2d(size(1), size(2), nullptr);
      default: return api_.mat_create_3d(size(1), size(2), size(3), nullptr);
    }
  }

  Status copy_output(size_t index, Tensor* tensor) {
    const Mat* mat = output_mats_[index];
    const int axes = api_.mat_get_dims(mat);
    tensor->spec = {output_names_[index], DType::kFloat32, {1}};
    if (axes < 1 || axes > 3 || api_.mat_get_elemsize(mat) != sizeof(float)) {
      return model_error("Output '" + tensor->spec.name + "' must have 1 to 3 axes of float32.");
    }
    const int64_t channels = axes == 3 ? api_.mat_get_c(mat) : 1;
    if (axes == 3) tensor->spec.shape.push_back(channels);
    if (axes > 1) tensor->spec.shape.push_back(api_.mat_get_h(mat));
    tensor->spec.shape.push_back(api_.mat_get_w(mat));
    tensor->data.resize(tensor->spec.size_bytes());
    const size_t bytes = tensor->data.size() / static_cast<size_t>(channels);
    for (int64_t i = 0; i < channels; ++i) {
      const void* from = api_.mat_get_channel_data(mat, static_cast<int>(i));
      std::memcpy(tensor->data.data() + static_cast<size_t>(i) * bytes, from, bytes);
    }
    return ok_status();
  }

  Api api_;
  Net* net_ = nullptr;
  int64_t threads_before_ = 1;
  std::vector<TensorSpec> specs_;
  std::vector<std::string> output_names_;
  std::vector<Mat*> input_mats_;
  std::vector<Mat*> output_mats_;  // null, or the outputs of the last run
  std::vector<NcnnLayer> layers_;
  std::string profile_path_;       // empty: not profiled
  bool recording_ = false;
  int64_t runs_ = 0;               // that were recorded
  std::vector<LayerTime> times_;
};

// Opens `library`, or libncnn.so.1 by the loader's own search when it is empty. The library stays
// open until the process ends.
Status make(const std::string& library, std::unique_ptr<Engine>* out) {
  const std::string name = library.empty() ? "libncnn.so.1" : library;
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return engine_error(std::string("ncnn cannot be loaded (") + dlerror() +
                        "): name its library with --library.");
  }
  Api api;
  if (const std::string missing = api.open(handle); !missing.empty()) {
    return engine_error(name + " is not a build of ncnn with its C API: it lacks " + missing + ".");
  }
  *out = std::make_unique<NcnnEngine>(api);
  return ok_status();
}

const RegisterEngine registered({"ncnn", /*linked_version=*/"", make});

}  // namespace
}  // namespace seaformer
