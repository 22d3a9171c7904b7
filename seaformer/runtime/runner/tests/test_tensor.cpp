// Tensors at the edge: half precision, raw files of the right and the wrong length, random values.
#include "tensor.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include <unistd.h>

#include "check.h"

using seaformer::DType;
using seaformer::half_from_float;
using seaformer::Tensor;
using seaformer::TensorSpec;

namespace {

std::string write(const std::string& name, const std::vector<float>& values) {
  std::FILE* file = std::fopen(name.c_str(), "wb");
  std::fwrite(values.data(), sizeof(float), values.size(), file);
  std::fclose(file);
  return name;
}

}  // namespace

TEST("a chosen shape fills free sizes, and only a bounded input takes smaller ones") {
  const TensorSpec free{"x", DType::kFloat32, {-1, 3, -1, 8}};
  TensorSpec spec = free;
  CHECK(seaformer::choose_shape({}, 0, false, &spec).ok());
  CHECK(spec.shape == free.shape);
  CHECK(seaformer::choose_shape({{2, 3, 5, 8}}, 0, false, &spec).ok());
  CHECK(spec.shape == (std::vector<int64_t>{2, 3, 5, 8}));
  spec = free;
  CHECK(!seaformer::choose_shape({{2, 3, 5, 7}}, 0, false, &spec).ok());
  CHECK(!seaformer::choose_shape({{2, 3, 5}}, 0, false, &spec).ok());
  CHECK(!seaformer::choose_shape({{2, 3, 5, 8}}, 1, false, &spec).ok());
  CHECK(spec.shape == free.shape);
  CHECK(seaformer::choose_shape({{2, 3, 5, 7}}, 0, true, &spec).ok());
}

TEST("half precision rounds to nearest even, with its edges") {
  CHECK_EQ(half_from_float(0.0F), 0x0000);
  CHECK_EQ(half_from_float(-0.0F), 0x8000);
  CHECK_EQ(half_from_float(1.0F), 0x3C00);
  CHECK_EQ(half_from_float(-2.0F), 0xC000);
  CHECK_EQ(half_from_float(0.1F), 0x2E66);
  CHECK_EQ(half_from_float(1.0F + 0x1p-11F), 0x3C00);            // a tie goes to even
  CHECK_EQ(half_from_float(1.0F + 3 * 0x1p-11F), 0x3C02);        // a tie goes to even
  CHECK_EQ(half_from_float(65504.0F), 0x7BFF);                   // largest
  CHECK_EQ(half_from_float(65519.0F), 0x7BFF);
  CHECK_EQ(half_from_float(65520.0F), 0x7C00);                   // infinity
  CHECK_EQ(half_from_float(0x1p-14F), 0x0400);                   // smallest normal
  CHECK_EQ(half_from_float(0x1p-24F), 0x0001);                   // smallest subnormal
  CHECK_EQ(half_from_float(0x1p-25F), 0x0000);                   // a tie goes to zero
  CHECK_EQ(half_from_float(0x1.8p-25F), 0x0001);
  CHECK_EQ(half_from_float(std::numeric_limits<float>::infinity()), 0x7C00);
  CHECK_EQ(half_from_float(std::nanf("")) & 0x7E00, 0x7E00);
}

TEST("a float32 file feeds a float16 input") {
  Tensor tensor;
  const TensorSpec spec{"x", DType::kFloat16, {1, 2}};
  CHECK(seaformer::read_tensor(write("half.bin", {1.0F, -2.0F}), spec, {}, &tensor).ok());
  const uint16_t expected[] = {0x3C00, 0xC000};
  CHECK_EQ(tensor.data.size(), sizeof expected);
  CHECK_EQ(std::memcmp(tensor.data.data(), expected, sizeof expected), 0);
}

TEST("a file of another length is refused with both lengths") {
  Tensor tensor;
  const TensorSpec spec{"x", DType::kFloat32, {1, 4}};
  const auto status = seaformer::read_tensor(write("short.bin", {1.0F}), spec, {}, &tensor);
  CHECK_EQ(status.message,
           std::string("Input 'x' float32 [1,4] expects 16 bytes, short.bin has 4."));
  CHECK(tensor.data.empty());
  CHECK(!seaformer::read_tensor("absent.bin", spec, {}, &tensor).ok());
  CHECK(!seaformer::read_tensor(write("long.bin", {1, 2, 3, 4, 5}), spec, {}, &tensor).ok());
}

TEST("a file of several tensors is read place by place") {
  const seaformer::TensorSpec spec{"x", seaformer::DType::kFloat32, {1, 2}};
  const std::string path = write("two.bin", {1.0F, 2.0F, 3.0F, 4.0F});
  seaformer::Tensor first, second;
  CHECK(seaformer::read_tensor(path, spec, {0, 2}, &first).ok());
  CHECK(seaformer::read_tensor(path, spec, {1, 2}, &second).ok());
  float values[2];
  std::memcpy(values, second.data.data(), sizeof values);
  CHECK(values[0] == 3.0F && values[1] == 4.0F);
  CHECK(!seaformer::read_tensor(path, spec, {0, 1}, &first).ok());
  CHECK(!seaformer::read_tensor(path, spec, {2, 3}, &first).ok());
  const auto status = seaformer::read_tensor(path, spec, {0, 3}, &first);  // before any is used
  CHECK_EQ(status.message,
           std::string("Input 'x' float32 [1,2] expects 24 bytes, two.bin has 16."));
  CHECK(seaformer::write_tensor("both.bin", false, first).ok());
  CHECK(seaformer::write_tensor("both.bin", true, second).ok());
  CHECK(seaformer::read_tensor("both.bin", spec, {0, 2}, &second).ok());
  std::memcpy(values, second.data.data(), sizeof values);
  CHECK(values[0] == 1.0F && values[1] == 2.0F);
}

TEST("a pipe feeds one tensor, and is refused for several") {
  const TensorSpec spec{"x", DType::kFloat32, {1, 2}};
  const float values[] = {1.0F, 2.0F};
  for (const int64_t items : {1, 2}) {
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], values, sizeof values), static_cast<ssize_t>(sizeof values));
    close(ends[1]);
    const std::string path = "/dev/fd/" + std::to_string(ends[0]);
    Tensor tensor;
    const auto status = seaformer::read_tensor(path, spec, {0, items}, &tensor);
    CHECK_EQ(status.ok(), items == 1);
    if (items == 1) CHECK_EQ(std::memcmp(tensor.data.data(), values, sizeof values), 0);
    if (items > 1) CHECK(status.message.find("must be a regular file for --items") != std::string::npos);
    close(ends[0]);
  }
}

TEST("random tensors depend on the seed and the input alone") {
  const TensorSpec spec{"x", DType::kFloat32, {1, 100}};
  const Tensor one = seaformer::random_tensor(spec, 1, 0);
  CHECK(one.data == seaformer::random_tensor(spec, 1, 0).data);
  CHECK(one.data != seaformer::random_tensor(spec, 2, 0).data);
  CHECK(one.data != seaformer::random_tensor(spec, 1, 1).data);
  float values[100];
  std::memcpy(values, one.data.data(), sizeof values);
  for (float value : values) CHECK(value >= -1.0F && value < 1.0F);
}

RUN_TESTS()
