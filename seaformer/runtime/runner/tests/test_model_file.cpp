// Which format a file is, told by its bytes; and whether it is whole.
#include "model_file.h"

#include <cstdio>

#include "check.h"

using seaformer::ModelFile;
using seaformer::Status;

namespace {

Status inspect(const std::string& bytes, ModelFile* file) {
  std::FILE* out = std::fopen("model.bin", "wb");
  std::fwrite(bytes.data(), 1, bytes.size(), out);
  std::fclose(out);
  return seaformer::inspect_model("model.bin", file);
}

// A program header that claims `size` bytes.
std::string pte(unsigned char size) {
  std::string bytes(40, '\0');
  bytes.replace(4, 8, "ET12eh00");
  bytes[12] = 24;
  bytes[16] = static_cast<char>(size);
  return bytes;
}

std::string engine_of(const ModelFile& file) {
  return file.format == nullptr ? "none" : file.format->engine;
}

const std::string kOnnx = std::string("\x08\x08\x12\x01x\x3a\x03", 7) + "abc";

}  // namespace

TEST("programs and models are recognised by their content") {
  ModelFile file;
  CHECK(inspect(pte(40), &file).ok());
  CHECK_EQ(engine_of(file), std::string("executorch"));
  CHECK_EQ(file.size_bytes, 40);
  CHECK(inspect(kOnnx, &file).ok());
  CHECK_EQ(engine_of(file), std::string("onnxruntime"));
  CHECK(inspect(std::string("PK\x03\x04", 4) + std::string(60, 'z'), &file).ok());
  CHECK(file.is_zip);
  CHECK_EQ(engine_of(file), std::string("none"));
  CHECK(inspect("just some text that is long enough to be a model of some kind", &file).ok());
  CHECK(!file.is_zip);
  CHECK_EQ(engine_of(file), std::string("none"));
  CHECK(inspect("\x18\x01\x02\x03ORTM" + std::string(60, 'z'), &file).ok());
  CHECK_EQ(engine_of(file), std::string("onnxruntime"));
}

TEST("a program that is cut short reports how long it should be") {
  ModelFile file;
  CHECK_EQ(inspect(pte(200), &file).message,
           std::string("model.bin is truncated: expected 200 bytes, found 40."));
  CHECK(!inspect(pte(200).substr(0, 12), &file).ok());
}

TEST("a model that is cut short reports how long it should be") {
  ModelFile file;
  CHECK_EQ(inspect(kOnnx.substr(0, kOnnx.size() - 1), &file).message,
           std::string("model.bin is truncated: expected 10 bytes, found 9."));
}

TEST("missing and empty files and folders are errors") {
  ModelFile file;
  CHECK(!inspect("", &file).ok());
  CHECK(!seaformer::inspect_model("absent.bin", &file).ok());
  CHECK(!seaformer::inspect_model(".", &file).ok());
}

TEST("the right engine is named beside the wrong one") {
  ModelFile file;
  CHECK(inspect(kOnnx, &file).ok());
  CHECK_EQ(seaformer::check_engine(file, "executorch").message,
           std::string("model.bin is an ONNX model; executorch runs ExecuTorch programs. "
                       "Use --engine onnxruntime."));
  CHECK(seaformer::check_engine(file, "onnxruntime").ok());
  CHECK(inspect(pte(40), &file).ok());
  CHECK(seaformer::check_engine(file, "executorch").ok());
}

TEST("a file of no format reports what was expected") {
  CHECK_EQ(seaformer::check_engine({"m", 1, nullptr, false}, "executorch").message,
           std::string("m is neither an ExecuTorch program, a LiteRT model, an ncnn network nor an "
                       "ONNX model."));
  CHECK_EQ(seaformer::check_engine({"m", 1, nullptr, true}, "executorch").message,
           std::string("m is a zip file (a PyTorch checkpoint?); expected an ExecuTorch program, "
                       "a LiteRT model, an ncnn network or an ONNX model."));
  CHECK(seaformer::check_engine({"m", 1, nullptr, false}, "one without a format").ok());
}

RUN_TESTS()
