// The made-up engine of tests/fakes/replay for the runner: finds the answer on a tape by its input.
// A tape is "TAPE", u32 count, then rank and sizes of input and output, then pairs in float32.
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "engine.h"
#include "model_file.h"
#include "registry.h"

namespace seaformer {
namespace {

class ReplayEngine final : public Engine {
 public:
  std::string name() const override { return "replay"; }
  std::string version() const override { return "1.0"; }
  int64_t effective_threads() const override { return 1; }
  const std::vector<TensorSpec>& inputs() const override { return inputs_; }

  Status prepare(int64_t threads) override {
    return threads == 1 ? ok_status() : engine_error("Replay has one thread.");
  }

  Status methods(const std::string&, std::vector<std::string>* out) override {
    *out = {"forward"};
    return ok_status();
  }

  Status load(const LoadRequest& request) override {
    std::ifstream in(request.model_path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    at_ = 4;
    count_ = number();
    inputs_ = {{"image", DType::kFloat32, shape()}};
    output_.spec = {"output", DType::kFloat32, shape()};
    if (at_ + count_ * take_bytes() > bytes_.size()) return model_error("The tape is too short.");
    return ok_status();
  }

  Status set_inputs(std::vector<Tensor> tensors) override {
    input_ = std::move(tensors[0]);
    return ok_status();
  }

  Status run() override {
    for (size_t i = 0; i < count_; ++i) {
      const char* take = bytes_.data() + at_ + i * take_bytes();
      if (std::memcmp(take, input_.data.data(), input_.data.size()) != 0) continue;
      output_.data.resize(output_.spec.size_bytes());
      std::memcpy(output_.data.data(), take + input_.data.size(), output_.data.size());
      return ok_status();
    }
    return engine_error("The tape has no take of this input.");
  }

  Status outputs(std::vector<Tensor>* out) override {
    *out = {output_};
    return ok_status();
  }

 private:
  size_t take_bytes() const { return inputs_[0].size_bytes() + output_.spec.size_bytes(); }

  uint32_t number() {
    uint32_t value = 0;
    if (at_ + sizeof value <= bytes_.size()) std::memcpy(&value, &bytes_[at_], sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> sizes(number());
    for (int64_t& size : sizes) size = number();
    return sizes;
  }

  std::vector<char> bytes_;
  size_t at_ = 0;  // where the next number is; after load, the first take
  size_t count_ = 0;
  std::vector<TensorSpec> inputs_;
  Tensor input_;
  Tensor output_;
};

Status inspect(const ModelBytes& bytes, bool* is_one) {
  *is_one = std::memcmp(bytes.head, "TAPE", 4) == 0;
  return ok_status();
}

Status make(const std::string&, std::unique_ptr<Engine>* out) {
  *out = std::make_unique<ReplayEngine>();
  return ok_status();
}

const RegisterFormat format({"replay", "a tape", "tapes", /*has_magic=*/true, inspect});
const RegisterEngine engine({"replay", /*linked_version=*/"", make});

}  // namespace
}  // namespace seaformer
