// The engines in this binary and the formats it recognises. Each registers itself from its own file
// by a static object, so that a new one adds a file and changes none. What registers is linked as
// an object file: a static library would drop it.
//
//   engine_<name>.cpp    an engine; engine_<name>.cmake, if it is there, says what it links
//   format_<format>.cpp  a format; in every binary, so that a file of an engine that was not built
//                        in is named too. An engine's own file may register its format instead.
#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "status.h"

namespace seaformer {

constexpr size_t kHeadBytes = 40;

// A model file that is open and not empty. `head` has its first bytes, zeros where it has fewer.
struct ModelBytes {
  const std::string& path;
  int64_t size_bytes;
  const char (&head)[kHeadBytes];
  std::istream& stream;
};

struct Format {
  std::string engine;  // the one that runs it
  std::string one;     // "an ONNX model"
  std::string many;    // "ONNX models"
  // False where recognising is a guess: such a format is asked after those with a magic number.
  bool has_magic = true;
  // Sets *is_one when the file is of this format. Fails (kModel) when it is and was cut short.
  Status (*inspect)(const ModelBytes& bytes, bool* is_one) = nullptr;
};

struct EngineMaker {
  std::string name;
  std::string linked_version;  // empty where nothing is linked
  // Makes the engine, or says why this process cannot have it (kEngine). `library` is the path of
  // the engine's shared library, empty for the loader's own search; an engine that opens none
  // ignores it. On failure *out is unchanged.
  Status (*make)(const std::string& library, std::unique_ptr<Engine>* out) = nullptr;
};

struct RegisterFormat {
  explicit RegisterFormat(Format format);
};

struct RegisterEngine {
  explicit RegisterEngine(EngineMaker maker);
};

// In the order in which they are asked: those with a magic number first, then by engine.
[[nodiscard]] const std::vector<Format>& formats();

// The engines that were built in, by name.
[[nodiscard]] const std::vector<EngineMaker>& engines();

// Every engine there is a file for, built in or not: what --engine may be. Sorted.
[[nodiscard]] std::vector<std::string> known_engines();

// Fails (kEngine) for an engine that was not built in, else as EngineMaker::make.
[[nodiscard]] Status make_engine(const std::string& name, const std::string& library,
                                 std::unique_ptr<Engine>* out);

}  // namespace seaformer
