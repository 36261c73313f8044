/*
 * The plugin interface of QEMU's user-mode emulators, version 1 (QEMU 7.2 to 8.2), as far as our plugins need it.
 *
 * Distributions package no header of it, so the few documented functions are declared here. Nothing but the compiler is
 * needed: the C library is that of the running emulator.
 */
#include <stddef.h>
#include <stdint.h>

int snprintf(char *, size_t, const char *, ...);

typedef uint64_t qemu_plugin_id_t;
typedef struct { const char *target_name; } qemu_info_t; /* the first member of it */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
typedef void (*translated_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*syscall_cb)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_cb);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_cb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
void qemu_plugin_outs(const char *);

#define EXPORTED __attribute__((visibility("default")))
#define MARK 0x5EED0000u /* close(MARK + TAG) is a mark of the program; it fails and does nothing */

EXPORTED int qemu_plugin_version = 1;
