// The fields of JSON reports: their names, order and types are a promise (docs/json.md).

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "run_epass.h"

namespace epass::test {
namespace {

using Json = nlohmann::ordered_json;

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::string keys(const Json& object) {
  std::string text;
  for (const auto& [key, value] : object.items()) text += (text.empty() ? "" : " ") + key;
  return text;
}

TEST(ToolJson, OptFields) {
  ScratchDirectory dir;
  write_text(dir / "p", kSmallDump);
  Outcome o = run_epass({"opt", "p", "-O0", "--json"}, "", dir.path());
  ASSERT_EQ(o.status, 0) << o.err;
  auto lines = lines_of(o.out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(keys(lines[0]),
            "schema object section program type kind insns_in insns_out x86_bytes_in x86_bytes_out "
            "verifier_insns_in verifier_insns_out "
            "dropped inlined kept");
  EXPECT_EQ(
      lines[0].dump(),
      R"({"schema":1,"object":"p","section":"","program":"main","type":null,"kind":"program",)"
      R"("insns_in":2,"insns_out":2,"x86_bytes_in":19,"x86_bytes_out":19,"verifier_insns_in":2,"verifier_insns_out":2,)"
      R"("dropped":false,"inlined":[],"kept":null})");
}

TEST(ToolJson, FileInsteadOfStandardOutput) {
  ScratchDirectory dir;
  write_text(dir / "p", kSmallDump);
  Outcome o = run_epass({"opt", "p", "-O0", "--json=r", "-o", "-"}, "", dir.path());
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.out, kSmallDump);
  EXPECT_EQ(lines_of(read_text(dir / "r")).size(), 1u);
  EXPECT_EQ(run_epass({"opt", "p", "--json", "-o", "-"}, "", dir.path()).status, 2);
}

TEST(ToolJson, ForeignBytesStayValid) {
  ScratchDirectory dir;
  write_text(dir / "a\xff\n\"", kSmallDump);
  Outcome o = run_epass({"opt", "a\xff\n\"", "-O0", "--json"}, "", dir.path());
  ASSERT_EQ(o.status, 0) << o.err;
  auto lines = lines_of(o.out);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["object"], "a\xef\xbf\xbd\n\"");
}

}  // namespace
}  // namespace epass::test
