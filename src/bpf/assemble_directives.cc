// Directives: sections, data, and what is said about symbols.

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "base/format.h"
#include "bpf/assembler.h"

namespace epass::bpf {

namespace {

constexpr uint64_t kMostBytes = 1 << 24;  // that text may ask for without writing them

uint32_t data_size(std::string_view name) {
  if (name == ".byte") return 1;
  if (name == ".short" || name == ".half" || name == ".hword" || name == ".2byte") return 2;
  if (name == ".long" || name == ".int" || name == ".word" || name == ".4byte") return 4;
  if (name == ".quad" || name == ".8byte" || name == ".xword") return 8;
  return 0;
}

std::string unescaped(std::string_view quoted) {
  std::string out;
  for (size_t n = 1; n + 1 < quoted.size(); ++n) {
    char c = quoted[n];
    if (c != '\\' || n + 2 >= quoted.size()) {
      out += c;
      continue;
    }
    c = quoted[++n];
    if (c >= '0' && c <= '7') {
      unsigned value = 0;
      size_t digits = 0;
      for (; digits < 3 && quoted[n + digits] >= '0' && quoted[n + digits] <= '7'; ++digits)
        value = value * 8 + static_cast<unsigned>(quoted[n + digits] - '0');
      n += digits - 1;
      out += static_cast<char>(value);
    } else {
      const std::string_view letters = "ntrbf", values = "\n\t\r\b\f";
      const size_t at = letters.find(c);
      out += at == letters.npos ? c : values[at];
    }
  }
  return out;
}

}  // namespace

bool Assembler::enter(std::string_view name) {
  skipped_ = false;
  for (uint32_t n = 0; n < out_.sections.size(); ++n)
    if (out_.sections[n].name == name) return current_ = n, true;
  Assembly::Section fresh{.name = std::string(name)};
  auto is = [&](std::string_view base) {
    return name == base || (name.starts_with(base) && name[base.size()] == '.');
  };
  if (name == ".text") fresh.is_code = true, fresh.align = 8;
  fresh.writable = is(".data") || is(".bss") || name == ".maps" || name == "maps";
  fresh.is_zero = is(".bss");
  current_ = static_cast<uint32_t>(out_.sections.size());
  out_.sections.push_back(std::move(fresh));
  return true;
}

bool Assembler::directive(Cursor& c) {
  const Token word = c.next();
  const std::string_view name = word.text;
  if (name == ".section") return section_directive(c);
  if (name == ".text" || name == ".data" || name == ".bss") return enter(name) && c.expect_end();
  if (uint32_t size = data_size(name)) return data_directive(c, size);
  if (name == ".ascii") return string_directive(c, false);
  if (name == ".asciz" || name == ".string") return string_directive(c, true);
  if (name == ".type") return type_directive(c);
  if (name == ".size") return size_directive(c);
  if (name == ".comm") return common_directive(c);
  if (name == ".local" && c.is_word()) {
    locals_.emplace(c.next().text);
    return c.expect_end();
  }
  for (std::string_view fill : {".zero", ".space", ".skip", ".p2align", ".balign", ".align"})
    if (name == fill) return fill_directive(c, name);
  for (std::string_view binding : {".globl", ".global", ".weak", ".hidden"}) {
    if (name != binding) continue;
    do {
      if (!c.is_word()) return c.fail(format("`{}` takes names", name));
      Traits& traits = traits_[std::string(c.next().text)];
      traits.is_weak |= name == ".weak", traits.is_hidden |= name == ".hidden";
      traits.is_global |= name != ".hidden";
    } while (c.accept(","));
    return c.expect_end();
  }
  return c.fail_at(word.column, format("`{}` is no directive of this assembler", name),
                   "docs/assembler.md lists them");
}

// .section NAME [, "flags" [, @type ...]]
bool Assembler::section_directive(Cursor& c) {
  const Token first = c.peek();
  if (c.at_end()) return c.fail("`.section` needs a name");
  std::string name;
  // Names such as `tc/my-prog` or `tracepoint/x/y` are several tokens.
  if (first.kind == Token::Kind::kString) {
    name = unescaped(c.next().text);
  } else {
    while (!c.at_end() && !c.is(",")) {
      name += c.peek().text;
      c.next();
    }
  }
  if (name.starts_with(".debug") || name == ".llvm_addrsig" || name.starts_with(".note.")) {
    skipped_ = true;  // no loader looks at them
    return true;
  }
  enter(name);
  if (!c.accept(",")) return c.expect_end();
  if (c.peek().kind != Token::Kind::kString)
    return c.fail("the flags of a section stand in quotes", "`\"ax\"`");
  const std::string flags = unescaped(c.next().text);
  Assembly::Section& s = section();
  s.is_code = flags.find('x') != flags.npos;
  s.writable = flags.find('w') != flags.npos;
  s.allocated = flags.find('a') != flags.npos;
  s.strings = flags.find('S') != flags.npos;
  if (s.is_code) s.align = std::max(s.align, 8u);
  if (!c.accept(",")) return c.expect_end();
  c.accept("@");
  const bool is_zero = c.is("nobits");
  if (is_zero && !s.bytes.empty()) return c.fail(format("`{}` has bytes already", s.name));
  s.is_zero = is_zero;
  return true;  // entry sizes and groups say nothing to BPF
}

// .long 1, name, name+4, .Lb-.La
bool Assembler::data_directive(Cursor& c, uint32_t size) {
  do {
    Fixup fixup{.kind = Fixup::Kind::kData, .section = current_, .size = size, .line = c.line()};
    fixup.offset = bytes().size(), fixup.column = c.peek().column;
    if (section().is_zero) return c.fail(format("`{}` holds zeros only", section().name));
    if (c.is_word()) {
      fixup.name = c.next().text;
      if (c.is("-") && c.is_word(1)) {
        c.next();
        fixup.minus = c.next().text;
      }
      Number addend;
      if (c.is("+") || c.is("-")) {
        if (!c.read(addend)) return false;
        fixup.addend = static_cast<int64_t>(addend.bits());
      }
      fixups_.push_back(fixup);
    }
    uint64_t value = 0;
    if (fixup.name.empty()) {
      Number number;
      if (!c.read(number)) return false;
      const uint64_t most = size == 8 ? UINT64_MAX : (uint64_t{1} << size * 8) - 1;
      if (number.magnitude > most)
        return c.fail_at(number.column, format("the number does not fit into {} bytes", size), "",
                         "asm-range");
      value = number.bits();
    }
    for (uint32_t n = 0; n < size; ++n) bytes().push_back(static_cast<uint8_t>(value >> 8 * n));
  } while (c.accept(","));
  if (section().is_code) section().lines.resize((bytes().size() + 7) / 8, static_cast<uint32_t>(line_));
  return c.expect_end();
}

bool Assembler::string_directive(Cursor& c, bool terminated) {
  if (section().is_zero) return c.fail(format("`{}` holds zeros only", section().name));
  do {
    if (c.peek().kind != Token::Kind::kString) return c.fail("a string in quotes belongs here");
    const std::string text = unescaped(c.next().text);
    bytes().insert(bytes().end(), text.begin(), text.end());
    if (terminated) bytes().push_back(0);
  } while (c.accept(","));
  return c.expect_end();
}

// .type name,@function
bool Assembler::type_directive(Cursor& c) {
  if (!c.is_word()) return c.fail("`.type` needs a name");
  Traits& traits = traits_[std::string(c.next().text)];
  if (!c.expect(",")) return false;
  c.accept("@");
  traits.is_function = c.is("function"), traits.is_object = c.is("object") || c.is("tls_object");
  c.next();
  return c.expect_end();
}

// .size name, 16   .size name, .-name   .size name, .Lend-name
bool Assembler::size_directive(Cursor& c) {
  if (!c.is_word()) return c.fail("`.size` needs a name");
  Traits& traits = traits_[std::string(c.next().text)];
  if (!c.expect(",")) return false;
  if (c.is_number()) {
    traits.size = c.next().number;
    return c.expect_end();
  }
  if (!c.is_word()) return c.fail("`.size` needs a number, or the difference of two labels");
  const std::string_view to = c.next().text;
  if (!c.expect("-")) return false;
  if (!c.is_word()) return c.fail("`.size` needs a number, or the difference of two labels");
  traits.size_from = c.next().text;
  if (to == ".") {
    auto from = labels_.find(traits.size_from);
    if (from != labels_.end()) traits.size = bytes().size() - from->second.offset;
  } else {
    traits.size_to = to;
  }
  return c.expect_end();
}

// .comm name, size [, alignment]: a variable of zeros, global unless `.local` said otherwise
bool Assembler::common_directive(Cursor& c) {
  if (!c.is_word()) return c.fail("`.comm` needs a name");
  const Token name = c.next();
  Number size, align{.magnitude = 1};
  if (!c.expect(",") || !c.read(size)) return false;
  if (c.accept(",") && !c.read(align)) return false;
  const bool small = size.magnitude <= kMostBytes && align.magnitude <= 4096;
  if (!small || size.negative || align.negative || !std::has_single_bit(align.magnitude))
    return c.fail_at(size.column, "no size and alignment of a variable", "", "asm-range");
  const uint32_t before = current_;
  enter(".bss");
  Assembly::Section& s = section();
  s.align = std::max(s.align, static_cast<uint32_t>(align.magnitude));
  s.zeros = (s.zeros + align.magnitude - 1) & ~(align.magnitude - 1);
  const bool defined = define(c, name.text, name.column);
  s.zeros += size.magnitude;
  current_ = before;
  Traits& traits = traits_[std::string(name.text)];
  traits.is_object = true, traits.size = size.magnitude;
  traits.is_global = !locals_.contains(name.text);
  return defined && c.expect_end();
}

bool Assembler::fill_directive(Cursor& c, std::string_view name) {
  Number number;
  if (!c.read(number)) return false;
  uint64_t size = number.magnitude;
  const bool aligns = name.ends_with("align");
  if (number.negative || (name == ".p2align" ? size > 12 : size > kMostBytes))
    return c.fail_at(number.column, format("`{}` takes a small positive number", name), "", "asm-range");
  uint64_t fill = 0;
  if (c.accept(",") && !c.is(",")) {
    Number byte;
    if (!c.read(byte)) return false;
    fill = byte.magnitude;
  }
  while (c.accept(",") || c.is_number()) c.next();  // the most to skip
  Assembly::Section& s = section();
  if (aligns) {
    const uint64_t align = name == ".p2align" ? uint64_t{1} << size : std::max<uint64_t>(size, 1);
    if (align & (align - 1) || align > 4096)
      return c.fail_at(number.column, "alignments are powers of two up to 4,096", "", "asm-range");
    s.align = std::max(s.align, static_cast<uint32_t>(align));
    const uint64_t at = s.is_zero ? s.zeros : s.bytes.size();
    size = (align - at % align) % align;
  }
  if (s.is_zero) {
    s.zeros += size;
  } else {
    filled_ += size;
    if (filled_ > kMostBytes)
      return c.fail_at(number.column, "the object would get too large", "", "asm-range");
    s.bytes.insert(s.bytes.end(), size, static_cast<uint8_t>(fill));
    if (s.is_code) s.lines.resize((s.bytes.size() + 7) / 8, static_cast<uint32_t>(line_));
  }
  return c.expect_end();
}

}  // namespace epass::bpf
