#pragma once
// The forms of operations in Execution::run: only meant for execute.h. `pc` is the operation, `r` the
// registers, `s` the state; `no_time`, `bad_load` and `bad_store` are places there.

#define EPASS_OP(name) L##name:
#define EPASS_GO()                          \
  do {                                      \
    if constexpr (P::kStep)                 \
      if (!step(pc)) return leave(), false; \
    goto* labels[size_t(pc->code)];         \
  } while (0)
#define EPASS_NEXT() \
  do {               \
    ++pc;            \
    EPASS_GO();      \
  } while (0)
// To an operation that is not simply the next one: the meter is asked.
#define EPASS_ARRIVE(where)                     \
  do {                                          \
    pc = (where);                               \
    if constexpr (!P::kStep)                    \
      if ((s.left -= pc->run) < 0) [[unlikely]] \
        goto no_time;                           \
    EPASS_GO();                                 \
  } while (0)
#define EPASS_USES(reg)                  \
  do {                                   \
    if constexpr (P::kStep)              \
      if (!is_defined(reg)) [[unlikely]] \
        return leave(), false;           \
  } while (0)
#define EPASS_SETS(reg)                             \
  do {                                              \
    if constexpr (P::kStep) defined |= 1u << (reg); \
  } while (0)
// 64 and 32 bits, with immediate and register. x and y are the operands, sx and sy the same as signed
// numbers.
#define EPASS_ALU_FORM(name, U, S, uses_dst, operand, uses_src, result) \
  EPASS_OP(name) {                                                      \
    if (uses_dst) EPASS_USES(pc->dst);                                  \
    if (uses_src) EPASS_USES(pc->src);                                  \
    [[maybe_unused]] const U x = U(r[pc->dst]), y = U(operand);         \
    [[maybe_unused]] const S sx = S(x), sy = S(y);                      \
    r[pc->dst] = U(result);                                             \
    EPASS_SETS(pc->dst);                                                \
    EPASS_NEXT();                                                       \
  }
#define EPASS_ALU(name, result)                                                \
  EPASS_ALU_FORM(name##64K, uint64_t, int64_t, true, pc->imm, false, result)   \
  EPASS_ALU_FORM(name##64X, uint64_t, int64_t, true, r[pc->src], true, result) \
  EPASS_ALU_FORM(name##32K, uint32_t, int32_t, true, pc->imm, false, result)   \
  EPASS_ALU_FORM(name##32X, uint32_t, int32_t, true, r[pc->src], true, result)
#define EPASS_UNARY(name, uses, value) \
  EPASS_OP(name) {                     \
    EPASS_USES(pc->uses);              \
    const uint64_t v = r[pc->uses];    \
    r[pc->dst] = (value);              \
    EPASS_SETS(pc->dst);               \
    EPASS_NEXT();                      \
  }
#define EPASS_JUMP_FORM(name, U, S, operand, uses_src, condition) \
  EPASS_OP(name) {                                                \
    EPASS_USES(pc->dst);                                          \
    if (uses_src) EPASS_USES(pc->src);                            \
    const U x = U(r[pc->dst]), y = U(operand);                    \
    [[maybe_unused]] const S sx = S(x), sy = S(y);                \
    if (condition) EPASS_ARRIVE(ops + pc->target);                \
    EPASS_ARRIVE(pc + 1);                                         \
  }
#define EPASS_JUMP(name, condition)                                          \
  EPASS_JUMP_FORM(name##64K, uint64_t, int64_t, pc->imm, false, condition)   \
  EPASS_JUMP_FORM(name##64X, uint64_t, int64_t, r[pc->src], true, condition) \
  EPASS_JUMP_FORM(name##32K, uint32_t, int32_t, pc->imm, false, condition)   \
  EPASS_JUMP_FORM(name##32X, uint32_t, int32_t, r[pc->src], true, condition)
#define EPASS_LOAD(name, T, extended)                             \
  EPASS_OP(name) {                                                \
    EPASS_USES(pc->src);                                          \
    address = r[pc->src] + uint64_t(int64_t(pc->off));            \
    if (sizeof(T) == 4 && m.context_field(address, r[pc->dst])) { \
      EPASS_SETS(pc->dst);                                        \
      EPASS_NEXT();                                               \
    }                                                             \
    T value = 0;                                                  \
    if (!load(address, value)) [[unlikely]] {                     \
      size = sizeof(T);                                           \
      goto bad_load;                                              \
    }                                                             \
    r[pc->dst] = uint64_t(extended(value));                       \
    EPASS_SETS(pc->dst);                                          \
    EPASS_NEXT();                                                 \
  }
#define EPASS_STORE(name, T, value, uses_src)          \
  EPASS_OP(name) {                                     \
    EPASS_USES(pc->dst);                               \
    if (uses_src) EPASS_USES(pc->src);                 \
    address = r[pc->dst] + uint64_t(int64_t(pc->off)); \
    if (!store(address, T(value))) [[unlikely]] {      \
      size = sizeof(T);                                \
      goto bad_store;                                  \
    }                                                  \
    EPASS_NEXT();                                      \
  }
