/*
 * A plugin of QEMU's user-mode emulators: executed instructions of the program by class, between marks that it sets.
 *
 * The program sets mark TAG with the system call close(0x5EED0000 + TAG), which fails and does nothing. At each mark
 * a line goes to QEMU's log: the tag, then NAME=COUNT of every class since the mark before.
 */
#include <stdbool.h>
#include "qemu_plugin.h"

int strcmp(const char *, const char *);

enum kind { TOTAL, LOAD_STORE, VECTOR_LOAD_STORE, BRANCH, FP_MLA, FP_DIV, INT_MLA, DOT, VECTOR, SCALAR, KINDS };
static const char *const names[KINDS] = {
    "total",  "load-store",     "vector-load-store", "branch",       "float-multiply-add", "float-divide",
    "integer-multiply-add", "dot-product", "other-vector", "other-scalar",
};
static uint64_t executed[KINDS], marked[KINDS];

/* Arm Architecture Reference Manual, C4.1: top level of the A64 encoding, then "Advanced SIMD and floating point". */
static enum kind kind_of_a64(uint32_t w)
{
    unsigned group = w >> 25 & 0xF, opcode = w >> 12 & 0xF;
    bool is_unsigned = w >> 29 & 1;

    if ((group & 0x5) == 0x4)
        return w >> 26 & 1 ? VECTOR_LOAD_STORE : LOAD_STORE;
    if ((group & 0xE) == 0xA)
        return BRANCH;
    if ((group & 0x7) != 0x7)
        return SCALAR;
    if ((w & 0xFF000000u) == 0x1F000000u) /* FMADD and its like */
        return FP_MLA;
    if ((w & 0x9F20FC00u) == 0x0E20CC00u && !is_unsigned) /* FMLA, FMLS of vectors */
        return FP_MLA;
    if ((w & 0xBF60FC00u) == 0x0E400C00u) /* the same of half precision */
        return FP_MLA;
    if ((w & 0x9F000400u) == 0x0F000000u) { /* a vector times one element */
        if (!is_unsigned && (opcode == 1 || opcode == 5)) /* FMLA, FMLS */
            return FP_MLA;
        if (opcode == 0xE) /* SDOT, UDOT */
            return DOT;
        return opcode <= 0xA && opcode % 2 == 0 ? INT_MLA : VECTOR; /* MLA, MLS, SMLAL, SMLSL, MUL, SMULL */
    }
    if ((w & 0x9F20FC00u) == 0x0E009400u) /* SDOT, UDOT */
        return DOT;
    if ((w & 0xDFE0F400u) == 0x4E80A400u) /* SMMLA, UMMLA, USMMLA */
        return DOT;
    if ((w & 0x9F200C00u) == 0x0E200000u) /* three different: SMLAL, SQDMLAL, SMLSL, SQDMLSL, SMULL, SQDMULL */
        return opcode >= 8 && opcode <= 13 ? INT_MLA : VECTOR;
    if ((w & 0x9F3FFC00u) == 0x0E206800u) /* SADALP, UADALP */
        return INT_MLA;
    if ((w & 0xBFA0FC00u) == 0x2E20FC00u || (w & 0xBFBFFC00u) == 0x2EA1F800u) /* FDIV, FSQRT of vectors */
        return FP_DIV;
    if ((w & 0xFF20FC00u) == 0x1E201800u || (w & 0xFF3FFC00u) == 0x1E21C000u) /* FDIV, FSQRT */
        return FP_DIV;
    return VECTOR;
}

/* Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, appendix A: opcode maps. */
static enum kind kind_of_0f(uint8_t op)
{
    if (op >= 0x80 && op <= 0x8F) /* Jcc */
        return BRANCH;
    if (op == 0x51 || op == 0x5E) /* SQRT, DIV */
        return FP_DIV;
    if (op == 0xF5) /* PMADDWD */
        return INT_MLA;
    if ((op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2F) || (op >= 0x50 && op <= 0x7F))
        return VECTOR;
    return op == 0xC2 || (op >= 0xC4 && op <= 0xC6) || op >= 0xD0 ? VECTOR : SCALAR;
}

static enum kind kind_of_vex(unsigned map, uint8_t op)
{
    if (map == 1)
        return kind_of_0f(op);
    if (map == 2) {
        if ((op >= 0x96 && op <= 0x9F) || (op >= 0xA6 && op <= 0xAF) || (op >= 0xB6 && op <= 0xBF)) /* FMA */
            return FP_MLA;
        if (op == 0x04) /* VPMADDUBSW */
            return INT_MLA;
        if (op >= 0x50 && op <= 0x53) /* VPDPBUSD, VPDPWSSD */
            return DOT;
        return op >= 0xF0 ? SCALAR : VECTOR; /* ANDN, BEXTR, SHLX... are on general registers */
    }
    return map == 3 && op == 0xF0 ? SCALAR : VECTOR; /* RORX */
}

static enum kind kind_of_x86(const uint8_t *code, size_t size)
{
    size_t at = 0;
    uint8_t op;

    while (at + 1 < size && (code[at] == 0x66 || code[at] == 0x67 || code[at] == 0xF2 || code[at] == 0xF3 ||
                             code[at] == 0xF0 || code[at] == 0x2E || code[at] == 0x3E || code[at] == 0x64 ||
                             code[at] == 0x65))
        at++;
    if (at + 1 < size && (code[at] & 0xF0) == 0x40) /* REX */
        at++;
    op = code[at];
    if (op == 0xC5 && at + 2 < size)
        return kind_of_vex(1, code[at + 2]);
    if (op == 0xC4 && at + 3 < size)
        return kind_of_vex(code[at + 1] & 0x1F, code[at + 3]);
    if (op == 0x0F && at + 1 < size) {
        if (code[at + 1] == 0x38 && at + 2 < size)
            return kind_of_vex(2, code[at + 2]);
        return code[at + 1] == 0x3A ? VECTOR : kind_of_0f(code[at + 1]);
    }
    if ((op >= 0x70 && op <= 0x7F) || (op >= 0xE0 && op <= 0xE3) || op == 0xE8 || op == 0xE9 || op == 0xEB ||
        op == 0xC2 || op == 0xC3)
        return BRANCH;
    if (op == 0xFF && at + 1 < size && (code[at + 1] >> 3 & 7) >= 2 && (code[at + 1] >> 3 & 7) <= 5) /* CALL, JMP */
        return BRANCH;
    return SCALAR;
}

static bool is_a64;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    uint64_t found[KINDS] = {0};

    (void)id;
    found[TOTAL] = qemu_plugin_tb_n_insns(block);
    for (size_t i = 0; i < found[TOTAL]; i++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        const uint8_t *code = qemu_plugin_insn_data(instruction);
        if (is_a64)
            found[kind_of_a64(code[0] | code[1] << 8 | code[2] << 16 | (uint32_t)code[3] << 24)]++;
        else
            found[kind_of_x86(code, qemu_plugin_insn_size(instruction))]++;
    }
    for (int kind = 0; kind < KINDS; kind++)
        if (found[kind])
            qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &executed[kind], found[kind]);
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t first, uint64_t a2, uint64_t a3,
                   uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    char line[800];
    int used;

    (void)id, (void)cpu, (void)number, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if ((first & ~(uint64_t)0xFFFF) != MARK)
        return;
    used = snprintf(line, sizeof line, "mark %u", (unsigned)(first & 0xFFFF));
    for (int kind = 0; kind < KINDS; kind++) {
        used += snprintf(line + used, sizeof line - used, " %s=%llu", names[kind],
                         (unsigned long long)(executed[kind] - marked[kind]));
        marked[kind] = executed[kind];
    }
    snprintf(line + used, sizeof line - used, "\n");
    qemu_plugin_outs(line);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)argc, (void)argv;
    is_a64 = !strcmp(info->target_name, "aarch64");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
