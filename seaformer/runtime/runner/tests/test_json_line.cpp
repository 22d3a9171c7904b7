// JSON as it leaves the runner: escapes, numbers, nesting.
#include "json_line.h"

#include <cmath>
#include <limits>

#include "check.h"
#include "report.h"

using seaformer::json_quote;
using seaformer::JsonWriter;

TEST("quotes, backslashes and control characters are escaped") {
  CHECK_EQ(json_quote("a\"b\\c\n\r\t\x01\x7f"),
           std::string("\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\""));
}

TEST("valid UTF-8 stays as it is") {
  CHECK_EQ(json_quote("Größe 像 🙂"), std::string("\"Größe 像 🙂\""));
}

TEST("bytes that are not UTF-8 become the replacement character") {
  const std::string r = "\xEF\xBF\xBD";
  CHECK_EQ(json_quote("a\xFFz"), "\"a" + r + "z\"");
  CHECK_EQ(json_quote("\xC3"), "\"" + r + "\"");                  // cut short
  CHECK_EQ(json_quote("\xC0\xAF"), "\"" + r + r + "\"");          // overlong
  CHECK_EQ(json_quote("\xED\xA0\x80"), "\"" + r + r + r + "\"");  // surrogate
}

TEST("numbers that JSON lacks become null") {
  JsonWriter json;
  json.begin_array().value(std::nan("")).value(std::numeric_limits<double>::infinity());
  json.value(0.5).value(int64_t{9007199254740993}).end_array();
  CHECK_EQ(json.text(), std::string("[null,null,0.5,9007199254740993]"));
}

TEST("nested values get their commas") {
  JsonWriter json;
  json.begin_object().field("a", 1).key("b").begin_array().begin_object().end_object();
  json.value("x").end_array().field("c", true).field("d", std::optional<int64_t>());
  json.field("e", std::vector<int>{1, 2}).end_object();
  CHECK_EQ(json.text(), std::string(R"({"a":1,"b":[{},"x"],"c":true,"d":null,"e":[1,2]})"));
}

TEST("an error names its kind") {
  CHECK_EQ(seaformer::error_json(seaformer::model_error("no")),
           std::string(R"({"schema":1,"error":{"kind":"model","message":"no"}})"));
}

RUN_TESTS()
