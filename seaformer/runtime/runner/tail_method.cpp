// See tail_method.h.
#include "tail_method.h"

#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tail.h"

namespace seaformer {
namespace {

constexpr int64_t kMostClasses = 65536;
constexpr uint16_t kHalfExponent = 0x7c00;  // all of it set: infinity or NaN

class ArgmaxTail final : public Engine {
 public:
  ArgmaxTail(std::unique_ptr<Engine> network, int64_t height, int64_t width)
      : network_(std::move(network)), height_(height), width_(width) {}

  std::string name() const override { return network_->name(); }
  std::string version() const override { return network_->version(); }
  const std::vector<TensorSpec>& inputs() const override { return network_->inputs(); }
  int64_t effective_threads() const override { return 1; }

  Status prepare(int64_t threads) override { return network_->prepare(threads); }

  Status methods(const std::string& model_path, std::vector<std::string>* out) override {
    return network_->methods(model_path, out);
  }

  Status load(const LoadRequest& request) override {
    return network_->load(request);
  }

  Status set_inputs(std::vector<Tensor> tensors) override {
    if (Status status = network_->set_inputs(std::move(tensors)); !status.ok()) return status;
    network_->before_run();
    if (Status status = network_->run(); !status.ok()) return status;
    std::vector<Tensor> outputs;
    if (Status status = network_->outputs(&outputs); !status.ok()) return status;
    if (outputs.size() != 1) {
      return model_error("--tail takes a network with 1 output (got " +
                         std::to_string(outputs.size()) + ").");
    }
    logits_ = std::move(outputs[0]);
    if (Status status = set_job(); !status.ok()) return status;
    best_.resize(static_cast<size_t>(height_ * width_));
    return ok_status();
  }

  Status run() override {
    if (seaformer_tail(&job_, best_.data(), nullptr, nullptr) == 0) return ok_status();
    return engine_error("The tail has no memory for " + describe(logits_.spec) + ".");
  }

  Status outputs(std::vector<Tensor>* out) override {
    Tensor classes{{"classes", DType::kUint16, {1, height_, width_}}, {}};
    classes.data.resize(classes.spec.size_bytes());
    std::memcpy(classes.data.data(), best_.data(), classes.data.size());
    *out = {std::move(classes), logits_};
    return ok_status();
  }

 private:
  Status set_job() {
    const std::vector<int64_t>& shape = logits_.spec.shape;
    const bool image = shape.size() == 4 && shape[0] == 1 && shape[1] >= 2 &&
                       shape[1] <= kMostClasses && shape[2] >= 1 && shape[3] >= 1;
    if (!image || !set_kind()) {
      return model_error("--tail takes logits (1, K, h, w) of float32, float16 or int8 (got " +
                         describe(logits_.spec) + ").");
    }
    if (!is_finite()) return model_error("The logits of this input hold NaN or infinity.");
    job_.logits = logits_.data.data();
    job_.classes = static_cast<int32_t>(shape[1]);
    job_.height = static_cast<int32_t>(shape[2]);
    job_.width = static_cast<int32_t>(shape[3]);
    job_.out_height = static_cast<int32_t>(height_);
    job_.out_width = static_cast<int32_t>(width_);
    job_.scale = 1.0f;
    return ok_status();
  }

  bool set_kind() {
    switch (logits_.spec.dtype) {
      case DType::kFloat32: job_.kind = SEAFORMER_TAIL_FP32; return true;
      case DType::kFloat16: job_.kind = SEAFORMER_TAIL_FP16; return true;
      case DType::kInt8: job_.kind = SEAFORMER_TAIL_INT8; return true;
      default: return false;
    }
  }

  bool is_finite() const {
    const size_t count = logits_.spec.elements();
    for (size_t i = 0; i < count; ++i) {
      if (job_.kind == SEAFORMER_TAIL_FP32) {
        float value;
        std::memcpy(&value, logits_.data.data() + i * sizeof value, sizeof value);
        if (!std::isfinite(value)) return false;
      } else if (job_.kind == SEAFORMER_TAIL_FP16) {
        uint16_t half;
        std::memcpy(&half, logits_.data.data() + i * sizeof half, sizeof half);
        if ((half & kHalfExponent) == kHalfExponent) return false;
      }
    }
    return true;
  }

  std::unique_ptr<Engine> network_;
  int64_t height_, width_;
  Tensor logits_;
  SeaformerTailJob job_{};
  std::vector<uint16_t> best_;
};

}  // namespace

std::unique_ptr<Engine> argmax_tail(std::unique_ptr<Engine> network, int64_t height,
                                    int64_t width) {
  return std::make_unique<ArgmaxTail>(std::move(network), height, width);
}

}  // namespace seaformer
