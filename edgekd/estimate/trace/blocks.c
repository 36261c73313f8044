/*
 * A plugin of QEMU's user-mode emulators: how often each block of instructions was executed between marks.
 *
 * The program sets mark TAG with the system call close(0x5EED0000 + TAG), which fails and does nothing. At mark LAST a
 * line goes to QEMU's log for each block: "block", its number of instructions, its code in hexadecimal digits, and for
 * every tag how often it was executed in the last region that such a mark closed. A line "end" follows.
 */
#include "qemu_plugin.h"

void *calloc(size_t, size_t);
void *memcpy(void *, const void *, size_t);
void free(void *);

#define TAGS 5
#define LAST 3
#define INSTRUCTION 4 /* bytes; only A64 is traced */

struct block {
    struct block *next;
    uint64_t executed, marked, in_region[TAGS];
    size_t instructions;
    uint8_t code[];
};
static struct block *blocks;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *translation)
{
    size_t count = qemu_plugin_tb_n_insns(translation);
    struct block *block = calloc(1, sizeof *block + count * INSTRUCTION);

    (void)id;
    if (!block)
        return;
    block->instructions = count;
    for (size_t i = 0; i < count; i++)
        memcpy(block->code + i * INSTRUCTION, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(translation, i)),
               INSTRUCTION);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(translation, QEMU_PLUGIN_INLINE_ADD_U64, &block->executed, 1);
}

static void write_blocks(void)
{
    for (struct block *block = blocks; block; block = block->next) {
        size_t bytes = block->instructions * INSTRUCTION, size = 2 * bytes + 40 + 21 * TAGS;
        uint64_t any = 0;
        char *line;
        int used;

        for (int tag = 0; tag < TAGS; tag++)
            any |= block->in_region[tag];
        if (!any || !(line = calloc(size, 1)))
            continue;
        used = snprintf(line, size, "block %zu ", block->instructions);
        for (size_t i = 0; i < bytes; i++)
            used += snprintf(line + used, size - used, "%02x", block->code[i]);
        for (int tag = 0; tag < TAGS; tag++)
            used += snprintf(line + used, size - used, " %llu", (unsigned long long)block->in_region[tag]);
        snprintf(line + used, size - used, "\n");
        qemu_plugin_outs(line);
        free(line);
    }
    qemu_plugin_outs("end\n");
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t first, uint64_t a2, uint64_t a3,
                   uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    uint64_t tag = first & 0xFFFF;

    (void)id, (void)cpu, (void)number, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if ((first & ~(uint64_t)0xFFFF) != MARK || tag >= TAGS)
        return;
    for (struct block *block = blocks; block; block = block->next) {
        block->in_region[tag] = block->executed - block->marked;
        block->marked = block->executed;
    }
    if (tag == LAST)
        write_blocks();
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
