// The smallest test frame that names what failed: TEST("a sentence") { CHECK(...); CHECK_EQ(a, b); }
// and one RUN_TESTS() per file. No framework, nothing registered twice.
#pragma once

#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace check {

struct Case {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Register {
  Register(std::string name, std::function<void()> body) {
    cases().push_back({std::move(name), std::move(body)});
  }
};

inline void fail(const char* file, int line, const std::string& what) {
  std::cerr << file << ":" << line << ": " << what << "\n";
  ++failures();
}

template <typename A, typename B>
void equal(const A& seen, const B& expected, const char* text, const char* file, int line) {
  if (seen == expected) return;
  std::ostringstream message;
  message << text << " is " << seen << ", expected " << expected;
  fail(file, line, message.str());
}

inline int run() {
  for (const Case& one : cases()) {
    const int before = failures();
    one.body();
    std::cout << (failures() == before ? "ok    " : "FAIL  ") << one.name << "\n";
  }
  return failures() == 0 ? 0 : 1;
}

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
#define TEST(name)                                                                       \
  static void CHECK_JOIN(test_, __LINE__)();                                             \
  static const check::Register CHECK_JOIN(reg_, __LINE__)(name, CHECK_JOIN(test_, __LINE__)); \
  static void CHECK_JOIN(test_, __LINE__)()
#define CHECK(truth) \
  do { if (!(truth)) check::fail(__FILE__, __LINE__, #truth " is false"); } while (false)
#define CHECK_EQ(seen, expected) check::equal(seen, expected, #seen, __FILE__, __LINE__)
#define RUN_TESTS() \
  int main() { return check::run(); }
