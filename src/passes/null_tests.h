#pragma once
// Tests of pointers against null that another test has decided.

#include <map>
#include <vector>

#include "analysis/analyses.h"

namespace epass {

// Each value with others that are the same number. Tests of any of them, or of copies, behind an edge of
// another such test become plain jumps; returns how many. Blocks that nothing leads to any more stay.
uint32_t decide_null_tests(Function& fn, Analyses& analyses, const std::map<Value, std::vector<Value>>& same);

}  // namespace epass
