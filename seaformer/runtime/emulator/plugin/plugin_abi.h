// The part of QEMU's TCG plugin interface that counter.c calls, declared here because Debian ships
// no header for it. Interface versions 0 and 1, which QEMU 4.2 to 8.2 speak; QEMU 9 changed both
// the inline counters and the way code words are read, and refuses this plugin by its version.
// docs/devel/tcg-plugins in QEMU's manual describes every call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { kPluginVersion = 1 };

// What QEMU tells about itself when it loads a plugin.
typedef struct {
  const char* target_name;
  struct {
    int min;
    int cur;
  } version;
  bool system_emulation;
  struct {
    int smp_vcpus;
    int max_vcpus;
  } system;
} PluginHost;

struct qemu_plugin_tb;    // a translated block, valid while it is being translated
struct qemu_plugin_insn;  // one of its instructions, as long

enum { kReadsNoRegisters = 0 };
enum { kMemoryReadsAndWrites = 3 };
enum { kInlineAdd = 0 };

typedef void (*TranslateCallback)(uint64_t plugin, struct qemu_plugin_tb* block);
typedef void (*ThreadCallback)(uint64_t plugin, unsigned thread);
typedef void (*ExecuteCallback)(unsigned thread, void* data);
typedef void (*MemoryCallback)(unsigned thread, uint32_t access, uint64_t address, void* data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, TranslateCallback callback);
void qemu_plugin_register_vcpu_init_cb(uint64_t plugin, ThreadCallback callback);
void qemu_plugin_register_vcpu_exit_cb(uint64_t plugin, ThreadCallback callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb* block, int operation,
                                              void* counter, uint64_t amount);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn* instruction,
                                            ExecuteCallback callback, int registers, void* data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn* instruction,
                                      MemoryCallback callback, int registers, int accesses,
                                      void* data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb* block);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* block, size_t index);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn* instruction);
unsigned qemu_plugin_mem_size_shift(uint32_t access);
bool qemu_plugin_mem_is_store(uint32_t access);
