// Engines and formats that register themselves, one made up for this test among them.
#include "registry.h"

#include "check.h"
#include "model_file.h"

using seaformer::Engine;
using seaformer::Status;

namespace {

Status make(const std::string& library, std::unique_ptr<Engine>*) {
  return seaformer::engine_error("made with " + library);
}

Status inspect(const seaformer::ModelBytes& bytes, bool* is_one) {
  *is_one = std::string(bytes.head, 4) == "TAPE";
  return *is_one && bytes.size_bytes < 8 ? seaformer::cut_short(bytes.path, 8, bytes.size_bytes)
                                         : seaformer::ok_status();
}

const seaformer::RegisterEngine engine({"replay", "1.0", make});
const seaformer::RegisterFormat format({"replay", "a tape", "tapes", true, inspect});

void write(const std::string& bytes) {
  std::FILE* out = std::fopen("tape.bin", "wb");
  std::fwrite(bytes.data(), 1, bytes.size(), out);
  std::fclose(out);
}

}  // namespace

TEST("an engine that registered is made with the library it is given") {
  std::unique_ptr<Engine> made;
  CHECK_EQ(seaformer::make_engine("replay", "lib.so", &made).message,
           std::string("made with lib.so"));
  CHECK_EQ(seaformer::engines().size(), size_t{1});
}

TEST("an engine that was not built in is named") {
  std::unique_ptr<Engine> made;
  const Status status = seaformer::make_engine("executorch", "", &made);
  CHECK(status.failure == seaformer::Failure::kEngine);
  CHECK_EQ(status.message, std::string("This runner was built without executorch."));
}

TEST("every engine with a format is known, built in or not") {
  CHECK(seaformer::known_engines() ==
        std::vector<std::string>({"executorch", "litert", "ncnn", "onnxruntime", "replay"}));
}

TEST("formats with a magic number are asked first") {
  bool guesses = false;
  for (const seaformer::Format& one : seaformer::formats()) {
    CHECK(!(guesses && one.has_magic));
    guesses = guesses || !one.has_magic;
  }
  CHECK(guesses);
}

TEST("a registered format recognises its files and those that were cut short") {
  seaformer::ModelFile file;
  write("TAPE1234");
  CHECK(seaformer::inspect_model("tape.bin", &file).ok());
  CHECK(file.format != nullptr && file.format->engine == "replay");
  CHECK_EQ(seaformer::check_engine(file, "executorch").message,
           std::string("tape.bin is a tape; executorch runs ExecuTorch programs. "
                       "Use --engine replay."));
  write("TAPE12");
  CHECK_EQ(seaformer::inspect_model("tape.bin", &file).message,
           std::string("tape.bin is truncated: expected 8 bytes, found 6."));
}

TEST("words are listed with the last one apart") {
  CHECK_EQ(seaformer::listed({"a"}, " or "), std::string("a"));
  CHECK_EQ(seaformer::listed({"a", "b"}, " or "), std::string("a or b"));
  CHECK_EQ(seaformer::listed({"a", "b", "c"}, " nor "), std::string("a, b nor c"));
}

RUN_TESTS()
