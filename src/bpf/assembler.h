#pragma once
// The assembler's state. assemble.cc: lines, labels and what comes out; assemble_directives.cc: everything
// that begins with a dot; assemble_listing.cc: what disassemblers put around instructions; assemble_llvm.cc
// and assemble_ubpf.cc: the instructions of each dialect.

#include <map>
#include <set>

#include "bpf/assemble.h"
#include "bpf/assemble_cursor.h"

namespace epass::bpf {

// A line of a listing taken apart: label or instruction, and the bytes that stand beside it.
struct ListingLine {
  enum class Kind : uint8_t { kPlain, kIgnored, kZeros, kLabel, kSection, kInsn };
  Kind kind = Kind::kPlain;
  std::string_view text = {};        // what is left: statement, label or section name
  uint32_t column = 1;               // where it begins
  uint64_t address = 0;              // kLabel, kInsn: where it stands in its section, in bytes
  std::vector<uint8_t> bytes = {};   // kInsn: of the record or records; empty if the listing shows none
  std::optional<uint8_t> code = {};  // kInsn: the kernel's listing gives the operation code only
};
ListingLine read_listing_line(std::string_view line);

class Assembler {
 public:
  Assembler(std::string_view text, Dialect dialect) : text_(text) { out_.dialect = dialect; }
  Result<Assembly> run();

 private:
  struct Label {
    uint32_t section = 0;
    uint64_t offset = 0;
    int64_t line = -1;
  };
  // A field that waits for a label.
  struct Fixup {
    enum class Kind : uint8_t { kJump, kLongJump, kCall, kLoad, kData };
    Kind kind = Kind::kJump;
    uint32_t section = 0, size = 0;  // size: kData
    uint64_t offset = 0;
    std::string name = {}, minus = {};
    int64_t addend = 0;
    int64_t line = -1, column = -1;
  };
  // What was said about a name apart from its place.
  struct Traits {
    bool is_global = false, is_weak = false, is_hidden = false, is_function = false, is_object = false;
    std::optional<uint64_t> size = {};
    std::string size_from = {}, size_to = {};  // `.size f, .Lend-f`
  };

  bool line(std::string_view text);
  bool statements(std::string_view text, uint32_t column);
  bool statement(std::string_view text, uint32_t column);
  bool listed(const ListingLine& listing);
  bool fill_to(const ListingLine& listing);
  bool define(Cursor& c, std::string_view name, uint32_t column);
  bool instruction(Cursor& c);

  // assemble_directives.cc
  bool directive(Cursor& c);
  bool section_directive(Cursor& c);
  bool data_directive(Cursor& c, uint32_t size);
  bool string_directive(Cursor& c, bool terminated);
  bool type_directive(Cursor& c);
  bool size_directive(Cursor& c);
  bool fill_directive(Cursor& c, std::string_view name);
  bool common_directive(Cursor& c);
  bool enter(std::string_view name);

  // assemble_llvm.cc
  bool llvm(Cursor& c);
  bool assignment(Cursor& c);
  bool value(Cursor& c, Register dst);
  bool number_value(Cursor& c, Register dst);
  bool word_value(Cursor& c, Register dst);
  bool symbol_value(Cursor& c, Register dst);
  bool cast(Cursor& c, Register dst);
  bool load(Cursor& c, Register dst);
  bool store(Cursor& c);
  bool locked(Cursor& c);
  bool exchange(Cursor& c, Register dst, std::string_view word);
  bool store_release(Cursor& c);
  bool arithmetic(Cursor& c, Register dst);
  bool branch(Cursor& c);
  bool call(Cursor& c);
  bool ld_pseudo(Cursor& c);
  bool place(Cursor& c, uint8_t& base, int64_t& offset);
  bool typed_place(Cursor& c, uint8_t& size, bool& is_signed, uint8_t& base, int64_t& offset);

  // assemble_ubpf.cc
  bool ubpf(Cursor& c);
  bool ubpf_alu(Cursor& c, std::string_view word, bool& known);
  bool ubpf_jump(Cursor& c, std::string_view word, bool& known);
  bool ubpf_memory(Cursor& c, std::string_view word, bool& known);
  bool ubpf_lock(Cursor& c);
  bool ubpf_call(Cursor& c);
  bool ubpf_lddw(Cursor& c);
  bool bracketed(Cursor& c, uint8_t& base, int64_t& offset);

  // `goto`'s operand: a label, or a distance counted from the next record.
  bool target(Cursor& c, Insn insn);
  bool emit(Insn insn);
  bool emit_imm64(uint8_t dst, uint8_t src, uint64_t value);
  void wait_for(Fixup::Kind kind, std::string_view name, const Cursor& c, uint32_t column,
                int64_t addend = 0);

  // assemble_finish.cc
  Result<void> resolve();
  Result<void> resolve(const Fixup& fixup);
  const Label* find_label(const Fixup& fixup) const;
  std::unexpected<Error> unknown_label(const Fixup& fixup) const;
  uint32_t symbol(const std::string& name);
  void make_symbols();

  Assembly::Section& section() { return out_.sections[current_]; }
  std::vector<uint8_t>& bytes() { return section().bytes; }

  std::string_view text_;
  Assembly out_;
  uint32_t current_ = 0;
  int64_t line_ = 0;
  bool skipped_ = false;       // in a section that is left out
  bool zeros_ = false;         // the listing left out zeros here
  bool kernel_imm64_ = false;  // the kernel's listing says that a constant has 64 bits
  uint64_t filled_ = 0;        // bytes of `.zero` and alignment
  std::map<std::string, Label, std::less<>> labels_;
  std::map<std::string, Traits, std::less<>> traits_;
  std::vector<Fixup> fixups_;
  std::map<std::string, uint32_t, std::less<>> symbols_;
  std::set<std::string, std::less<>> called_, locals_;
  Error error_;
};

}  // namespace epass::bpf
