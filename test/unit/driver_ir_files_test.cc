// dump-ir and load-ir on real files.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "driver/compile_file.h"
#include "driver/files.h"
#include "ir/text.h"

namespace epass::driver {
namespace {

constexpr std::string_view kTwo = R"(epir 1
map counters
function first xdp "xdp" entry {
b0(v0:r1):
  v1 = symbol counters                         @1:r2
  v2 = load.u32 v1+0                           @2:r2
  v3 = mul v2, 8                               @3:r0
  return v3                                    @4
}
function second - ".text" {
b0(v0:r1):
  v1 = mul v0, 4                               @1:r0
  return v1                                    @2
}
)";

class IrFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("epass-ir-files-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void put(const std::string& name, std::string_view text) {
    ASSERT_TRUE(write_file(path(name), {reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  }
  std::string get(const std::string& name) const {
    auto bytes = read_file(path(name));
    return bytes ? std::string(bytes->begin(), bytes->end()) : "";
  }
  std::vector<std::string> names() const {
    std::vector<std::string> list;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      list.push_back(entry.path().filename().string());
    std::ranges::sort(list);
    return list;
  }

  // Runs `passes`, where @ stands for the folder.
  Result<CompiledFile> run(std::string passes, std::string_view text = kTwo, Format format = Format::kEpir) {
    for (size_t at; (at = passes.find('@')) != passes.npos;) passes.replace(at, 1, folder_.string() + "/");
    FileOptions options{.emit = Emit::kEpir};
    options.compile.threads = 4;
    options.pipeline.text = passes;
    return compile_file({.name = "in", .format = format, .bytes = {text.begin(), text.end()}}, options);
  }
  std::string run_text(std::string passes) {
    auto file = run(std::move(passes));
    return file ? std::string(file->bytes.begin(), file->bytes.end()) : "error: " + file.error().message;
  }
  // The code and message of the error.
  std::string error(std::string passes, std::string_view text = kTwo) {
    auto file = run(std::move(passes), text);
    return file ? "" : file.error().code + ": " + file.error().message;
  }

  std::filesystem::path folder_;
};

TEST_F(IrFilesTest, AllFunctionsGoToOneFileInTheirOrder) {
  run_text("dump-ir(path=@before.epir),simplify,dump-ir(path=@after.epir)");
  EXPECT_EQ(get("before.epir"), kTwo);
  const std::string after = get("after.epir");
  EXPECT_NE(after.find("shl v2, 3"), after.npos) << after;
  EXPECT_LT(after.find("function first"), after.find("function second"));
  EXPECT_EQ(names(), (std::vector<std::string>{"after.epir", "before.epir"}));
}

TEST_F(IrFilesTest, ThePlaceholderGivesAFileEach) {
  run_text("dump-ir(path=@x-{}.epir)");
  EXPECT_EQ(names(), (std::vector<std::string>{"x-first.epir", "x-second.epir"}));
  EXPECT_EQ(get("x-second.epir").find("counters"), std::string::npos);
}

TEST_F(IrFilesTest, NamesCannotLeaveTheFolder) {
  ASSERT_TRUE(
      run("dump-ir(path=@{})", "function \"../../etc/x\" - \"\" {\nb0:\n  v0 = const 0\n  return v0\n}\n"));
  EXPECT_EQ(names(), (std::vector<std::string>{"_.._.._etc_x"}));
}

TEST_F(IrFilesTest, TheLastStateStaysWhenAFunctionComesByTwice) {
  run_text("fixpoint(dump-ir(path=@a.epir),simplify)");
  auto module = parse(get("a.epir"));
  ASSERT_TRUE(module);
  EXPECT_EQ(module->functions.size(), 2u);
  EXPECT_NE(get("a.epir").find("shl"), std::string::npos);
}

TEST_F(IrFilesTest, WithoutPathTheTextIsShown) {
  auto file = run("dump-ir");
  ASSERT_TRUE(file);
  EXPECT_NE(file->passes.printed.find("; dump-ir of second\nfunction second"), std::string::npos);
}

TEST_F(IrFilesTest, ALoadedFunctionReplacesTheOneOfItsName) {
  put("edit.epir", R"(function second - ".text" {
b0(v0:r1):
  v1 = add v0, 77
  return v1
}
)");
  const std::string text = run_text("load-ir(path=@edit.epir)");
  EXPECT_NE(text.find("add v0, 77"), text.npos) << text;
  EXPECT_NE(text.find("mul v2, 8"), text.npos) << "the other function stays";
  put("edit-second.epir", get("edit.epir"));
  put("edit-first.epir", std::string(kTwo));
  EXPECT_EQ(run_text("load-ir(path=@edit-{}.epir)"), text);
}

TEST_F(IrFilesTest, SymbolsAreThoseOfTheProgram) {
  // The numbers of symbols differ: `other` stands first here.
  const std::string head = "map other\nmap counters\n";
  put("a.epir", head + std::string(kTwo.substr(kTwo.find("function"))));
  EXPECT_EQ(run_text("load-ir(path=@a.epir)"), kTwo);
  std::string wrong = get("a.epir");
  wrong.replace(wrong.find("symbol counters"), 15, "symbol other   ");
  put("b.epir", wrong);
  EXPECT_EQ(error("load-ir(path=@b.epir)"),
            "ir-file: `first` cannot be replaced: the program has no symbol `other` of that kind");
}

TEST_F(IrFilesTest, WhatDoesNotFitIsAnErrorAndNothingIsWritten) {
  const std::string head = "function first xdp \"xdp\" entry {\n";
  const std::string body = "  v9 = const 0\n  return v9\n}\n";
  put("section.epir", "function first xdp \"tc\" entry {\nb0(v0:r1):\n" + body);
  EXPECT_NE(error("load-ir(path=@section.epir),dump-ir(path=@out)").find("differs in the section"),
            std::string::npos);
  put("params.epir", head + "b0:\n" + body);
  EXPECT_NE(error("load-ir(path=@params.epir)").find("the parameters"), std::string::npos);
  put("syntax.epir", head + "b0(v0:r1):\n  v1 = nonsense v0\n" + body);
  EXPECT_NE(error("load-ir(path=@syntax.epir)").find("syntax.epir:3:8: "), std::string::npos);
  put("name.epir", "function third - \"\" {\nb0:\n" + body);
  EXPECT_EQ(error("load-ir(path=@name.epir)"),
            "ir-file: the file has `third`, which is no function of the program");
  EXPECT_EQ(error("load-ir(path=@none.epir)").substr(0, 12), "input-file: ");
  EXPECT_EQ(error("load-ir").substr(0, 13), "pass-option: ");
  EXPECT_EQ(error("dump-ir(path=@none/x.epir)").substr(0, 8), "output: ");
  EXPECT_EQ(error("dump-ir(path=@none/{}.epir)").substr(0, 8), "output: ");
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(IrFilesTest, RecordsThatTheInputDoesNotHaveKeepTheFunction) {
  auto lifted = run("dump-ir(path=@f.epir)", "183\n149\n", Format::kDump);  // r0 = 0; exit
  ASSERT_TRUE(lifted) << lifted.error().message;
  for (const auto& [from, to] : {std::pair("@0", "core(3) @0"), std::pair("@1", "@9")}) {
    std::string text = get("f.epir");
    ASSERT_NE(text.find(from), text.npos) << text;
    text.replace(text.find(from), 2, to);
    put("g.epir", text);
    FileOptions options;
    options.pipeline.text = "load-ir(path=" + path("g.epir") + ")";
    const std::string_view code = "183\n149\n";
    auto file =
        compile_file({.name = "in", .format = Format::kDump, .bytes = {code.begin(), code.end()}}, options);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(file->compiled.functions[0].kept) << text;
    EXPECT_NE(file->compiled.functions[0].kept->message.find("does not have"), std::string::npos);
    EXPECT_EQ(std::string(file->bytes.begin(), file->bytes.end()), code);
  }
}

}  // namespace
}  // namespace epass::driver
