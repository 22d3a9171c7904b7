// A writer for one line of JSON: what the runner prints on stdout. Writing only; no reader here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seaformer {

// The text as a JSON string with its quotes. Bytes that are no valid UTF-8 (a path may hold any)
// become U+FFFD, so the line is always valid JSON.
[[nodiscard]] std::string json_quote(std::string_view text);

// Builds one JSON value from the outside in; commas are its own business. Keys and values must be
// given in order: a key inside an object, no key inside an array. Doubles that are not finite
// become null: JSON has no NaN. Never fails.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(int64_t number);
  JsonWriter& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(double number);
  JsonWriter& value(bool truth);
  JsonWriter& null();

  template <typename T>
  JsonWriter& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  template <typename T>
  JsonWriter& value(const std::vector<T>& items) {
    begin_array();
    for (const T& item : items) value(item);
    return end_array();
  }
  template <typename T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }

  // The text so far; a complete line (without a newline) once every begin has its end.
  const std::string& text() const { return text_; }

 private:
  void separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace seaformer
