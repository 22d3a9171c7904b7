// One measurement from loading to the last output: the order in which an engine is asked, timed
// and read. No flags are parsed and nothing is printed here.
#pragma once

#include "engine.h"
#include "flags.h"
#include "report.h"
#include "status.h"

namespace seaformer {

// Runs flags.method of the inspected model file report->model on `engine`: load, first inference,
// warm-up, timed inferences, outputs, profile. The affinity is the caller's business, before.
// Fills in everything of *report but build and model. On failure *report is half filled.
[[nodiscard]] Status run_session(const Flags& flags, Engine* engine, Report* report);

}  // namespace seaformer
