// See registry.h.
#include "registry.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace seaformer {
namespace {

// Made at the first use: static objects of other files register before main, in any order.
std::vector<Format>& all_formats() {
  static std::vector<Format> all;
  return all;
}

std::vector<EngineMaker>& all_engines() {
  static std::vector<EngineMaker> all;
  return all;
}

}  // namespace

RegisterFormat::RegisterFormat(Format format) {
  auto& all = all_formats();
  all.push_back(std::move(format));
  std::sort(all.begin(), all.end(), [](const Format& a, const Format& b) {
    return std::tie(b.has_magic, a.engine) < std::tie(a.has_magic, b.engine);
  });
}

RegisterEngine::RegisterEngine(EngineMaker maker) {
  auto& all = all_engines();
  all.push_back(std::move(maker));
  std::sort(all.begin(), all.end(),
            [](const EngineMaker& a, const EngineMaker& b) { return a.name < b.name; });
}

const std::vector<Format>& formats() { return all_formats(); }

const std::vector<EngineMaker>& engines() { return all_engines(); }

std::vector<std::string> known_engines() {
  std::set<std::string> names;
  for (const Format& format : formats()) names.insert(format.engine);
  for (const EngineMaker& maker : engines()) names.insert(maker.name);
  return {names.begin(), names.end()};
}

Status make_engine(const std::string& name, const std::string& library,
                   std::unique_ptr<Engine>* out) {
  for (const EngineMaker& maker : engines()) {
    if (maker.name == name) return maker.make(library, out);
  }
  return engine_error("This runner was built without " + name + ".");
}

}  // namespace seaformer
