// What counts as the same behaviour.

#include <gtest/gtest.h>

#include "vm/vm.h"

namespace epass::vm {
namespace {

Outcome outcome(std::vector<std::string> events, std::string error = "") {
  Outcome out;
  for (std::string& what : events) out.events.push_back({.what = std::move(what)});
  out.error = std::move(error);
  return out;
}

TEST(VmCompare, AFaultOfTheOriginalMayDisappear) {
  EXPECT_EQ(difference(outcome({"a"}, "load at 0x0"), outcome({"a", "b"})), "");
  EXPECT_EQ(difference(outcome({"a"}, "load at 0x0"), outcome({"a"}, "load at 0x8")), "");
}

TEST(VmCompare, WhatWasDoneBeforeTheFaultStays) {
  EXPECT_NE(difference(outcome({"a"}, "load at 0x0"), outcome({})), "");
  EXPECT_NE(difference(outcome({"a"}, "load at 0x0"), outcome({"b", "a"})), "");
}

TEST(VmCompare, ANewFaultIsADifference) {
  EXPECT_NE(difference(outcome({"a"}), outcome({"a"}, "load at 0x0")), "");
}

TEST(VmCompare, EventsResultAndMemoryCount) {
  EXPECT_NE(difference(outcome({"a"}), outcome({"a", "b"})), "");
  Outcome one = outcome({}), two = outcome({});
  two.r0 = 1;
  EXPECT_NE(difference(one, two), "");
  two = one;
  two.memory["map"] = 7;
  EXPECT_NE(difference(one, two), "");
  two = one;
  two.packet = {1};
  EXPECT_NE(difference(one, two), "");
}

}  // namespace
}  // namespace epass::vm
