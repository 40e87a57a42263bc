// Reads the text form that print() writes. What an instruction carries comes from the opcode table. Every
// error names line and column; any bytes are safe input.

#include <charconv>
#include <map>

#include "base/format.h"
#include "bpf/insn.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace epass {
namespace {

constexpr int64_t kMaxSlots = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Module> run() {
    if (auto ok = lines(); !ok) return fail(ok.error());
    if (in_function_) return bad("the text ends inside a function: `}` is missing");
    for (uint32_t n = 0; n < module_.symbols.size(); ++n) {
      bpf::Symbol& s = module_.symbols[bpf::SymbolId{n}];
      for (uint32_t k = 0; s.kind == bpf::Symbol::Kind::kFunc && k < module_.functions.size(); ++k)
        if (module_.functions[k].name == s.name) s.function = bpf::FunctionId{k};
    }
    return std::move(module_);
  }

 private:
  std::unexpected<Error> bad(std::string message) {
    return fail("epir", std::move(message),
                {.line = line_number_, .column = int64_t(line_.size() - rest_.size()) + 1});
  }

  Result<void> lines() {
    bool first = true;
    while (!text_.empty()) {
      size_t end = text_.find('\n');
      line_ = text_.substr(0, end);
      text_.remove_prefix(end == text_.npos ? text_.size() : end + 1);
      ++line_number_;
      if (size_t comment = comment_at(line_); comment != line_.npos) line_ = line_.substr(0, comment);
      rest_ = line_;
      skip();
      if (rest_.empty()) continue;
      if (std::exchange(first, false) && accept_word("epir")) {
        auto version = number();
        if (!version) return fail(version.error());
        if (*version != 1) return bad(format("version {} of the text form is not known", *version));
      } else if (auto ok = in_function_ ? function_line() : top_line(); !ok) {
        return ok;
      }
      skip();
      if (!rest_.empty()) return bad("unexpected text at the end of the line");
    }
    return {};
  }

  static size_t comment_at(std::string_view line) {
    bool quote = false;
    for (size_t n = 0; n < line.size(); ++n) {
      if (line[n] == '"') quote = !quote;
      if (line[n] == ';' && !quote) return n;
    }
    return line.npos;
  }

  // Words and numbers.
  void skip() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r"), rest_.size())); }
  bool accept(char c) {
    skip();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  static bool is_word(char c) {
    return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '$';
  }
  std::string_view peek_word() {
    skip();
    size_t n = 0;
    while (n < rest_.size() && is_word(rest_[n])) ++n;
    return rest_.substr(0, n);
  }
  std::string_view word() {
    std::string_view w = peek_word();
    rest_.remove_prefix(w.size());
    return w;
  }
  bool accept_word(std::string_view w) {
    if (peek_word() != w) return false;
    rest_.remove_prefix(w.size());
    return true;
  }
  Result<int64_t> number() {
    skip();
    bool negative = accept('-');
    if (!negative) accept('+');
    bool hex = rest_.starts_with("0x");
    if (hex) rest_.remove_prefix(2);
    uint64_t n = 0;
    auto [end, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n, hex ? 16 : 10);
    if (code != std::errc()) return bad("a number is expected");
    rest_.remove_prefix(size_t(end - rest_.data()));
    return int64_t(negative ? 0 - n : n);
  }
  Result<int64_t> number_within(int64_t low, int64_t high) {
    auto n = number();
    if (n && (*n < low || *n > high)) return bad(format("{} lies outside {} to {}", *n, low, high));
    return n;
  }
  Result<std::string> name() {
    skip();
    if (!accept('"')) {
      std::string_view w = word();
      if (w.empty()) return bad("a name is expected");
      return std::string(w);
    }
    std::string out;
    for (;;) {
      if (rest_.empty()) return bad("a quoted name has no end");
      char c = rest_[0];
      if (c == '\\' && rest_.size() >= 4 && rest_[1] == 'x') {
        uint8_t byte = 0;
        std::from_chars(rest_.data() + 2, rest_.data() + 4, byte, 16);
        out += static_cast<char>(byte);
        rest_.remove_prefix(4);
        continue;
      }
      rest_.remove_prefix(1);
      if (c == '"') return out;
      out += c;
    }
  }
  // A letter and a number: `v3`, `b2`, `s0`.
  Result<uint32_t> numbered(char letter, const char* what) {
    skip();
    if (rest_.size() < 2 || rest_[0] != letter || !isdigit(static_cast<unsigned char>(rest_[1])))
      return bad(format("{} is expected", what));
    rest_.remove_prefix(1);
    auto n = number_within(0, 100'000'000);
    if (!n) return fail(n.error());
    return uint32_t(*n);
  }
  bool at_numbered(char letter) {
    skip();
    return rest_.size() > 1 && rest_[0] == letter && isdigit(static_cast<unsigned char>(rest_[1])) &&
           peek_word().find_first_not_of("0123456789", 1) == std::string_view::npos;
  }

  Result<void> top_line() {
    if (accept_word("function")) return function_header();
    constexpr std::string_view kKinds[] = {"map", "data", "func", "kfunc", "ksym", "table", "other"};
    for (size_t k = 0; k < std::size(kKinds); ++k) {
      if (!accept_word(kKinds[k])) continue;
      auto n = name();
      if (!n) return fail(n.error());
      bpf::Symbol symbol{.kind = bpf::Symbol::Kind(k), .name = *n};
      symbol.weak = accept_word("weak");
      if (accept_word("args")) {
        if (!accept('=')) return bad("`=` is expected");
        auto args = number_within(0, 255);
        if (!args) return fail(args.error());
        symbol.signature = bpf::Signature{.args = uint8_t(*args)};
        symbol.signature->returns_void = accept_word("void");
      }
      if (!symbols_.try_emplace(*n, bpf::SymbolId{module_.symbols.size()}).second)
        return bad("`" + *n + "` is declared twice");
      module_.symbols.add(std::move(symbol));
      return {};
    }
    return bad("a symbol declaration or `function` is expected");
  }

  Result<void> function_header() {
    fn_ = Function{};
    values_.clear(), blocks_.clear(), defined_.clear();
    auto n = name();
    if (!n) return fail(n.error());
    fn_.name = *n;
    if (!accept('-')) {
      auto type = name();
      if (!type) return fail(type.error());
      fn_.type = *type;
    }
    auto section = name();
    if (!section) return fail(section.error());
    fn_.section = *section;
    fn_.is_entry = accept_word("entry");
    fn_.is_global = accept_word("global");
    fn_.returns_void = accept_word("void");
    if (!accept('{')) return bad("`{` is expected");
    in_function_ = true;
    block_ = {};
    // Blocks in the order of the text, so that jumps forward know them.
    std::string_view ahead = text_;
    while (!ahead.empty() && !ahead.starts_with("}")) {
      size_t end = ahead.find('\n');
      std::string_view l = ahead.substr(0, end);
      ahead.remove_prefix(end == ahead.npos ? ahead.size() : end + 1);
      uint32_t number = 0;
      if (!l.starts_with("b") || std::from_chars(l.data() + 1, l.data() + l.size(), number).ec != std::errc())
        continue;
      if (!blocks_.contains(number)) blocks_[number] = fn_.add_block();
    }
    return {};
  }

  Result<void> function_line() {
    if (accept('}')) return finish();
    if (accept_word("slot")) return slot();
    if (at_numbered('b')) return block_header();
    if (!block_) return bad("an instruction before the first block");
    return instruction();
  }

  Result<void> finish() {
    in_function_ = false;
    for (auto& [number, v] : values_)
      if (!defined_.contains(number)) return bad(format("v{} is used but never defined", number));
    for (Block b : fn_.all_blocks())
      if (!fn_.blocks[b].first || !ends_block(fn_.insts[fn_.terminator(b)].op))
        return bad("a block of this function has no end");
    if (!fn_.entry()) return bad("a function without blocks");
    fn_.compact_aliases();
    if (auto ok = verify(fn_); !ok) return bad("invalid function: " + ok.error().message);
    module_.functions.push_back(std::move(fn_));
    return {};
  }

  Result<void> slot() {
    auto n = numbered('s', "a slot");
    if (!n) return fail(n.error());
    if (*n != fn_.slots.size() || *n >= kMaxSlots) return bad("slots are numbered from s0");
    auto size = number_within(1, bpf::kStackSize);
    if (!size) return fail(size.error());
    SlotData data{.size = uint32_t(*size)};
    if (!accept_word("any")) {
      if (!accept_word("at") || !accept_word("fp")) return bad("`any` or `at fp-N` is expected");
      auto place = number_within(-bpf::kStackSize, -1);
      if (!place) return fail(place.error());
      data.place = int16_t(*place);
    }
    fn_.slots.add(data);
    return {};
  }

  Result<Block> block_ref() {
    auto n = numbered('b', "a block");
    if (!n) return fail(n.error());
    auto it = blocks_.find(*n);
    if (it == blocks_.end()) return bad(format("b{} does not exist in this function", *n));
    return it->second;
  }

  Result<Home> home() {
    if (accept_word("fp")) {
      auto n = number_within(-bpf::kStackSize, -8);
      if (!n) return fail(n.error());
      return Home::stack(int(*n));
    }
    auto n = numbered('r', "a register or stack slot");
    if (!n) return fail(n.error());
    if (*n > 9) return bad("homes are r0 to r9");
    return Home::reg(int(*n));
  }

  Result<void> block_header() {
    auto b = block_ref();
    if (!b) return fail(b.error());
    block_ = *b;
    if (!seen_.insert_or_assign({module_.functions.size(), block_.index}, true).second)
      return bad("this block stands twice");
    if (accept('(')) {
      do {
        auto v = numbered('v', "a value");
        if (!v) return fail(v.error());
        Home h;
        if (accept(':')) {
          auto parsed = home();
          if (!parsed) return fail(parsed.error());
          h = *parsed;
        }
        if (auto ok = define(*v, fn_.add_param(block_, h)); !ok) return ok;
      } while (accept(','));
      if (!accept(')')) return bad("`)` is expected");
    }
    if (accept_word("table")) {
      auto n = number_within(0, 1 << 24);
      if (!n) return fail(n.error());
      fn_.blocks[block_].table_target = uint32_t(*n);
    }
    return accept(':') ? Result<void>{} : bad("`:` is expected");
  }

  Result<void> define(uint32_t number, Value v) {
    if (!defined_.insert_or_assign(number, true).second) return bad(format("v{} is defined twice", number));
    auto [it, is_new] = values_.try_emplace(number, v);
    if (!is_new) fn_.values[it->second].alias = v;  // used before
    return {};
  }
  Result<Value> value_ref() {
    auto n = numbered('v', "a value");
    if (!n) return fail(n.error());
    auto [it, is_new] = values_.try_emplace(*n);
    if (is_new) it->second = fn_.values.add({});
    return it->second;
  }
  Result<Slot> slot_ref() {
    auto n = numbered('s', "a slot");
    if (!n) return fail(n.error());
    if (*n >= fn_.slots.size()) return bad(format("s{} is not declared", *n));
    return Slot{*n};
  }

  Result<void> instruction();
  Result<void> body(InstData& d, std::vector<Value>& operands, std::vector<InstData>& in_place);
  Result<void> call_body(InstData& d, std::vector<Value>& operands);
  Result<void> edges(std::vector<std::pair<Block, std::vector<Value>>>& list);
  Result<bpf::SymbolId> symbol_ref();
  bool suffixes(std::string_view mnemonic, InstData& d);

  // `imm(5)` and the like.
  Result<bool> attribute(std::string_view word_text, int64_t low, int64_t high, int64_t& to) {
    if (!accept_word(word_text)) return false;
    if (!accept('(')) return bad("`(` is expected");
    auto n = number_within(low, high);
    if (!n) return fail(n.error());
    if (!accept(')')) return bad("`)` is expected");
    to = *n;
    return true;
  }

  std::string_view text_, line_, rest_;
  int64_t line_number_ = 0;
  Module module_;
  Function fn_;
  Block block_;
  bool in_function_ = false;
  std::map<std::string, bpf::SymbolId, std::less<>> symbols_;
  std::map<uint32_t, Value> values_;
  std::map<uint32_t, bool> defined_;
  std::map<uint32_t, Block> blocks_;
  std::map<std::pair<size_t, uint32_t>, bool> seen_;
  static constexpr Value kInPlace{UINT32_MAX - 1};
};

// `load.u32`, `add.32`, `const.mov32`: the opcode and what its suffixes say.
bool Parser::suffixes(std::string_view mnemonic, InstData& d) {
  size_t dot = mnemonic.find('.');
  auto op = opcode_named(mnemonic.substr(0, dot));
  if (!op) return false;
  d.op = *op;
  constexpr std::string_view kSizes[] = {"u8", "u16", "u32", "u64", "s8", "s16", "s32"};
  bool sized = !(info(*op).fields & kSize);
  while (dot != mnemonic.npos) {
    mnemonic.remove_prefix(dot + 1);
    dot = mnemonic.find('.');
    std::string_view suffix = mnemonic.substr(0, dot);
    if (suffix == "32" && info(*op).fields & kWidth)
      d.width = Width::k32;
    else if (suffix == "mov32" && *op == Opcode::Const)
      d.form = Form::kMov32;
    else if (suffix == "imm64" && *op == Opcode::Const)
      d.form = Form::kLdImm64;
    else if (!sized) {
      size_t k = 0;
      while (k < std::size(kSizes) && kSizes[k] != suffix) ++k;
      if (k == std::size(kSizes) || (k > 3 && *op != Opcode::Load)) return false;
      d.size = MemSize(k);
      sized = true;
    } else {
      return false;
    }
  }
  return sized;
}

Result<bpf::SymbolId> Parser::symbol_ref() {
  auto n = name();
  if (!n) return fail(n.error());
  auto it = symbols_.find(*n);
  if (it == symbols_.end()) return bad("`" + *n + "` is not declared on top");
  return it->second;
}

Result<void> Parser::call_body(InstData& d, std::vector<Value>& operands) {
  Value target;
  if (d.op == Opcode::CallHelper) {
    word();
    if (!accept('#')) return bad("a helper is written `name#number`");
    auto n = number_within(INT32_MIN, INT32_MAX);
    if (!n) return fail(n.error());
    d.imm = *n;
  } else if (d.op == Opcode::CallX) {
    auto v = value_ref();
    if (!v) return fail(v.error());
    target = *v;
  } else {
    auto s = symbol_ref();
    if (!s) return fail(s.error());
    d.symbol = *s;
  }
  if (!accept('(')) return bad("`(` is expected");
  while (!accept(')')) {
    if (!operands.empty() && !accept(',')) return bad("`,` or `)` is expected");
    auto v = value_ref();
    if (!v) return fail(v.error());
    operands.push_back(*v);
    if (operands.size() > size_t(bpf::kMaxArguments)) return bad("a call takes at most five arguments");
  }
  if (target) operands.push_back(target);
  int64_t imm = d.imm, off = 0, pseudo = 0;
  for (auto [word_text, low, high, to] : {std::tuple{"imm", int64_t{INT32_MIN}, int64_t{INT32_MAX}, &imm},
                                          std::tuple{"off", int64_t{INT16_MIN}, int64_t{INT16_MAX}, &off},
                                          std::tuple{"pseudo", int64_t{0}, int64_t{15}, &pseudo}})
    if (auto ok = attribute(word_text, low, high, *to); !ok) return fail(ok.error());
  d.imm = imm, d.offset = int16_t(off), d.pseudo = uint8_t(pseudo);
  return {};
}

Result<void> Parser::edges(std::vector<std::pair<Block, std::vector<Value>>>& list) {
  do {
    auto to = block_ref();
    if (!to) return fail(to.error());
    std::vector<Value> args;
    if (accept('(')) {
      do {
        auto v = value_ref();
        if (!v) return fail(v.error());
        args.push_back(*v);
      } while (accept(','));
      if (!accept(')')) return bad("`)` is expected");
    }
    list.emplace_back(*to, std::move(args));
  } while (accept(','));
  return {};
}

// Operands in the order of print(). Numbers in place of values become constants in front.
Result<void> Parser::body(InstData& d, std::vector<Value>& operands, std::vector<InstData>& in_place) {
  const OpcodeInfo& op = info(d.op);
  if (d.op == Opcode::Const) {
    auto n = number();
    if (!n) return fail(n.error());
    d.imm = *n;
    return {};
  }
  if (d.op == Opcode::Symbol) {
    auto s = symbol_ref();
    if (!s) return fail(s.error());
    d.symbol = *s;
    if (accept('+')) {
      auto n = number();
      if (!n) return fail(n.error());
      d.imm = *n;
    }
    int64_t pseudo = 0;
    if (auto ok = attribute("pseudo", 0, 15, pseudo); !ok) return fail(ok.error());
    d.pseudo = uint8_t(pseudo);
    return {};
  }
  if (d.op == Opcode::SlotAddr) {
    auto s = slot_ref();
    if (!s) return fail(s.error());
    auto n = number_within(INT32_MIN, INT32_MAX);
    if (!n) return fail(n.error());
    d.slot = *s, d.imm = *n;
    return {};
  }
  for (size_t k = 0; k < op.operands; ++k) {
    if (k && !accept(',')) return bad("`,` is expected");
    bool memory = k == 0 && op.fields & kOffset;
    if (memory && at_numbered('s')) {
      auto s = slot_ref();
      if (!s) return fail(s.error());
      in_place.push_back({.op = Opcode::SlotAddr, .slot = *s});
      operands.push_back(kInPlace);
    } else if (at_numbered('v')) {
      auto v = value_ref();
      if (!v) return fail(v.error());
      operands.push_back(*v);
    } else {
      auto n = number();
      if (!n) return fail(n.error());
      in_place.push_back({.op = Opcode::Const, .imm = *n});
      operands.push_back(kInPlace);
    }
    if (!memory) continue;
    auto offset = number_within(INT16_MIN, INT16_MAX);
    if (!offset) return fail(offset.error());
    d.offset = int16_t(*offset);
  }
  if (d.op == Opcode::AddrSpaceCast || d.op == Opcode::LdAbs || d.op == Opcode::LdInd) {
    if (!accept(',')) return bad("`,` is expected");
    auto n = number_within(INT32_MIN, INT32_MAX);
    if (!n) return fail(n.error());
    d.imm = *n;
  }
  return {};
}

Result<void> Parser::instruction() {
  if (fn_.blocks[block_].last && ends_block(fn_.insts[fn_.terminator(block_)].op))
    return bad("an instruction after the end of its block");
  std::optional<uint32_t> result;
  if (at_numbered('v')) {
    auto n = numbered('v', "a value");
    if (!n) return fail(n.error());
    result = *n;
    if (!accept('=')) return bad("`=` is expected");
  }
  InstData d;
  std::string_view mnemonic = word();
  if (!suffixes(mnemonic, d)) return bad("no instruction is called `" + std::string(mnemonic) + "`");
  if (bool(result) != info(d.op).has_result)
    return bad(result ? "this instruction makes no value"
                      : "`vN =` is missing: this instruction makes a value");
  std::vector<Value> operands;
  std::vector<InstData> in_place;
  std::vector<std::pair<Block, std::vector<Value>>> targets;
  if (auto ok = is_call(d.op) ? call_body(d, operands) : body(d, operands, in_place); !ok) return ok;
  if (info(d.op).edges) {
    if (info(d.op).operands && !accept(',')) return bad("`,` is expected");
    if (auto ok = edges(targets); !ok) return ok;
    if (info(d.op).edges != kVariadic && targets.size() != info(d.op).edges)
      return bad(format("{} targets are expected", info(d.op).edges));
    if (targets.size() > 255) return bad("more than 255 targets");
  }
  int64_t core = -1;
  if (auto ok = attribute("core", 0, UINT32_MAX - 1, core); !ok) return fail(ok.error());
  if (core >= 0) d.core = uint32_t(core);
  Home at_home;
  if (accept('@')) {
    skip();
    if (!rest_.empty() && isdigit(static_cast<unsigned char>(rest_[0]))) {
      auto n = number_within(0, UINT32_MAX - 1);
      if (!n) return fail(n.error());
      d.origin = uint32_t(*n);
    }
    if (accept(':')) {
      auto h = home();
      if (!h) return fail(h.error());
      at_home = *h;
    }
  }
  size_t next = 0;
  for (Value& v : operands) {
    if (v != kInPlace) continue;
    in_place[next].origin = d.origin;
    v = fn_.insts[fn_.append(block_, in_place[next++])].result;
  }
  Inst i = fn_.append(block_, d, operands, at_home);
  if (result)
    if (auto ok = define(*result, fn_.insts[i].result); !ok) return ok;
  if (targets.empty()) return {};
  std::vector<Block> to;
  for (auto& [b, args] : targets) to.push_back(b);
  Edge first = fn_.set_targets(i, to);
  for (size_t n = 0; n < targets.size(); ++n)
    fn_.set_args(Edge{first.index + uint32_t(n)}, targets[n].second);
  return {};
}

}  // namespace

Result<Module> parse(std::string_view text) { return Parser(text).run(); }

}  // namespace epass
