// A QEMU plugin that counts what an emulated A64 program executes between `hint #96` and
// `hint #97`, exactly: instructions by class and the bytes they move (a64.h), and on request the
// misses of a cache hierarchy (cache_model.h) and every executed block. Arguments:
//   out=FILE      one JSON line for each pair of markers, written when the second one is reached
//   blocks=FILE   one JSON line for each block executed between the last pair of markers
//   parts=FILE    in its place: the same for each part that `hint #98` cuts them into, a line of
//                 counts followed by its blocks
//   caches=on     run every access through the caches; takes up to half as long again
//
// Each translated block has one counter, which QEMU increments inline; everything else of a block
// is known from its code words, so nothing is called while a program computes. A marker is inside
// a block: of its own block, only the part after the first or before the second one counts.
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "a64.h"
#include "cache_model.h"
#include "plugin_abi.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int qemu_plugin_version = kPluginVersion;
EXPORTED int qemu_plugin_install(uint64_t plugin, const PluginHost* host, int argc, char** argv);

enum { kBegin = 0xD5032C1F, kEnd = 0xD5032C3F, kCut = 0xD5032C5F };  // hint #96, #97, #98
enum { kBuckets = 1 << 16 };

// Blocks live as long as the process: QEMU's code holds their counters' addresses.
typedef struct Block {
  struct Block* next;
  uint64_t address;
  uint64_t count;
  Tally tally;
  size_t length;
  uint32_t words[];
} Block;

// Where a marker stands: it is instruction `index` of the block.
typedef struct {
  Block* block;
  size_t index;
} Marker;

static struct {
  pthread_mutex_t lock;
  Block* buckets[kBuckets];
  Marker passed;  // the marker that was passed last; no block before the first one
  bool inside;    // it was a begin
  uint64_t before;  // instructions from the end before it, or the start, to this begin
  unsigned threads;  // alive now; the counters are exact while it is one
  FILE* out;
  const char* blocks_path;
  FILE* parts;
  Tally earlier;  // of the parts since the begin that was passed last
  CacheModel* caches;
  uint64_t accessed_bytes[2];  // seen by on_access: a check of a64.h's sizes
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static Tally tally_of(const uint32_t* words, size_t length) {
  Tally tally = {{0}};
  for (size_t i = 0; i < length; ++i) tally_instruction(words[i], &tally);
  return tally;
}

static void add(Tally* sum, const Tally* tally, uint64_t times) {
  for (int i = 0; i < kTallies; ++i) sum->of[i] += times * tally->of[i];
}

static uint32_t word_at(const struct qemu_plugin_tb* tb, size_t index) {
  uint32_t word;
  memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, index)), sizeof word);
  return word;
}

// The block of these words at this address, kept from an earlier translation or new.
static Block* find_block(const struct qemu_plugin_tb* tb) {
  const size_t length = qemu_plugin_tb_n_insns(tb);
  Block* fresh = calloc(1, sizeof *fresh + length * sizeof fresh->words[0]);
  if (fresh == NULL) abort();
  fresh->address = qemu_plugin_tb_vaddr(tb);
  fresh->length = length;
  for (size_t i = 0; i < length; ++i) fresh->words[i] = word_at(tb, i);
  Block** bucket = &g.buckets[(fresh->address >> 2 ^ fresh->address >> 18) % kBuckets];
  for (Block* old = *bucket; old != NULL; old = old->next) {
    if (old->address == fresh->address && old->length == length &&
        memcmp(old->words, fresh->words, length * sizeof fresh->words[0]) == 0) {
      free(fresh);
      return old;
    }
  }
  fresh->tally = tally_of(fresh->words, length);
  fresh->next = *bucket;
  return *bucket = fresh;
}

static Tally sum_of_blocks(void) {
  Tally sum = {{0}};
  for (size_t i = 0; i < kBuckets; ++i) {
    for (const Block* b = g.buckets[i]; b != NULL; b = b->next) add(&sum, &b->tally, b->count);
  }
  return sum;
}

static void clear_counters(void) {
  for (size_t i = 0; i < kBuckets; ++i) {
    for (Block* block = g.buckets[i]; block != NULL; block = block->next) block->count = 0;
  }
}

// Instructions `from` up to `to` of a block, as a block of their own.
static void write_block(FILE* file, const Block* block, size_t from, size_t to, uint64_t count) {
  if (from >= to || count == 0) return;
  fprintf(file, "{\"address\":\"0x%" PRIx64 "\",\"count\":%" PRIu64 ",\"words\":\"",
          block->address + 4 * from, count);
  for (size_t i = from; i < to; ++i) {
    fprintf(file, "%s%08" PRIx32, i > from ? " " : "", block->words[i]);
  }
  fprintf(file, "\"}\n");
}

// Both markers in one block, and nothing but the words between them ran: a way back into the block
// would have counted it.
static bool straight(Marker from, Marker to) {
  return from.block == to.block && to.block->count == 0;
}

// What ran between two markers. QEMU counts a block when it is entered, so the rest of `from`'s
// block is missing from the counters, and of `to`'s block the part from the marker on is too much.
static Tally between(Marker from, Marker to) {
  Tally sum = sum_of_blocks();
  const uint32_t* after = from.block == NULL ? NULL : from.block->words + from.index + 1;
  if (straight(from, to)) return tally_of(after, to.index - from.index - 1);
  if (from.block != NULL) {
    const Tally head = tally_of(after, from.block->length - from.index - 1);
    add(&sum, &head, 1);
  }
  const Tally tail = tally_of(to.block->words + to.index, to.block->length - to.index);
  add(&sum, &tail, UINT64_MAX);  // minus once
  return sum;
}

// The same as blocks: the markers' own ones are written in the parts that ran.
static void write_code(FILE* file, Marker from, Marker to) {
  if (straight(from, to)) {
    write_block(file, from.block, from.index + 1, to.index, 1);
  } else {
    for (size_t i = 0; i < kBuckets; ++i) {
      for (const Block* block = g.buckets[i]; block != NULL; block = block->next) {
        write_block(file, block, 0, block->length, block->count - (block == to.block));
      }
    }
    write_block(file, from.block, from.index + 1, from.block->length, 1);
    write_block(file, to.block, 0, to.index, 1);
  }
}

static void write_blocks(Marker from, Marker to) {
  FILE* file = fopen(g.blocks_path, "w");
  if (file == NULL) {
    perror(g.blocks_path);
    return;
  }
  write_code(file, from, to);
  fclose(file);
}

static void write_counts(FILE* file, const Tally* sum) {
  static const char* const kNames[kTallies] = {
      "instructions", "vector_fma", "vector_other", "scalar",      "branch",
      "load",         "store",      "loaded_bytes", "stored_bytes", "fma_fp16",
      "fma_fp32"};
  fprintf(file, "{\"threads\":%u,\"instructions_before\":%" PRIu64, g.threads, g.before);
  for (int i = 0; i < kTallies; ++i) fprintf(file, ",\"%s\":%" PRIu64, kNames[i], sum->of[i]);
}

static void write_window(FILE* file, const Tally* sum) {
  write_counts(file, sum);
  if (g.caches != NULL) {
    const uint64_t* m = g.caches->misses;
    fprintf(file, ",\"caches\":{\"l1_misses\":%" PRIu64 ",\"l2_misses\":%" PRIu64, m[0], m[1]);
    fprintf(file, ",\"l3_misses\":%" PRIu64 ",\"system_misses\":%" PRIu64, m[2], m[3]);
    fprintf(file, ",\"memory_writes\":%" PRIu64, g.caches->memory_writes);
    fprintf(file, ",\"loaded_bytes\":%" PRIu64 ",\"stored_bytes\":%" PRIu64 "}",
            g.accessed_bytes[0], g.accessed_bytes[1]);
  }
  fprintf(file, "}\n");
  fflush(file);
}

static void pass(Marker marker, bool inside) {
  g.passed = marker;
  g.inside = inside;
  clear_counters();
}

// What ran since the marker before is one part of the window.
static void end_part(Marker here) {
  const Tally sum = between(g.passed, here);
  add(&g.earlier, &sum, 1);
  if (g.parts == NULL) return;
  write_counts(g.parts, &sum);
  fprintf(g.parts, "}\n");
  write_code(g.parts, g.passed, here);
}

static void on_cut(unsigned thread, void* data) {
  (void)thread;
  const Marker here = *(const Marker*)data;
  pthread_mutex_lock(&g.lock);
  if (g.inside) {
    end_part(here);
    pass(here, true);
  }
  pthread_mutex_unlock(&g.lock);
}

static void on_begin(unsigned thread, void* data) {
  (void)thread;
  const Marker here = *(const Marker*)data;
  pthread_mutex_lock(&g.lock);
  g.before = between(g.passed, here).of[kInstructions];
  g.earlier = (Tally){{0}};
  memset(g.accessed_bytes, 0, sizeof g.accessed_bytes);
  if (g.caches != NULL) cache_clear_counts(g.caches);
  if (g.parts != NULL && ftruncate(fileno(g.parts), 0) == 0) rewind(g.parts);
  pass(here, true);
  pthread_mutex_unlock(&g.lock);
}

static void on_end(unsigned thread, void* data) {
  (void)thread;
  const Marker here = *(const Marker*)data;
  pthread_mutex_lock(&g.lock);
  if (g.inside) {
    end_part(here);
    write_window(g.out, &g.earlier);
    if (g.parts != NULL) fflush(g.parts);
    if (g.blocks_path != NULL) write_blocks(g.passed, here);
  }
  pass(here, false);
  pthread_mutex_unlock(&g.lock);
}

static void on_access(unsigned thread, uint32_t access, uint64_t address, void* data) {
  (void)thread, (void)data;
  const bool write = qemu_plugin_mem_is_store(access);
  const uint64_t bytes = UINT64_C(1) << qemu_plugin_mem_size_shift(access);
  g.accessed_bytes[write] += bytes;
  cache_touch(g.caches, address, bytes, write);
}

static bool is_marker(uint32_t word) {
  return word == kBegin || word == kEnd || (word == kCut && g.parts != NULL);
}

static void watch_marker(struct qemu_plugin_insn* instruction, Block* block, size_t index) {
  Marker* marker = malloc(sizeof *marker);
  if (marker == NULL) abort();
  *marker = (Marker){block, index};
  const ExecuteCallback callback =
      block->words[index] == kBegin ? on_begin : block->words[index] == kEnd ? on_end : on_cut;
  qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, kReadsNoRegisters, marker);
}

static void on_translate(uint64_t plugin, struct qemu_plugin_tb* tb) {
  (void)plugin;
  pthread_mutex_lock(&g.lock);
  Block* block = find_block(tb);
  pthread_mutex_unlock(&g.lock);
  qemu_plugin_register_vcpu_tb_exec_inline(tb, kInlineAdd, &block->count, 1);
  for (size_t i = 0; i < block->length; ++i) {
    struct qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(tb, i);
    if (is_marker(block->words[i])) watch_marker(instruction, block, i);
    if (g.caches != NULL && (block->words[i] & 0x0A000000) == 0x08000000) {
      qemu_plugin_register_vcpu_mem_cb(instruction, on_access, kReadsNoRegisters,
                                       kMemoryReadsAndWrites, NULL);
    }
  }
}

static void on_thread_start(uint64_t plugin, unsigned thread) {
  (void)plugin, (void)thread;
  __atomic_add_fetch(&g.threads, 1, __ATOMIC_RELAXED);
}

static void on_thread_end(uint64_t plugin, unsigned thread) {
  (void)plugin, (void)thread;
  __atomic_sub_fetch(&g.threads, 1, __ATOMIC_RELAXED);
}

static const char* value_of(const char* argument, const char* name) {
  const size_t length = strlen(name);
  if (strncmp(argument, name, length) != 0 || argument[length] != '=') return NULL;
  return argument + length + 1;
}

static bool take_argument(const char* argument) {
  const char* value;
  if ((value = value_of(argument, "out")) != NULL) {
    g.out = fopen(value, "w");
    if (g.out == NULL) perror(value);
    return g.out != NULL;
  }
  if ((value = value_of(argument, "parts")) != NULL) {
    g.parts = fopen(value, "w");
    if (g.parts == NULL) perror(value);
    return g.parts != NULL;
  }
  if ((value = value_of(argument, "blocks")) != NULL) return (g.blocks_path = value) != NULL;
  if (strcmp(argument, "caches=on") == 0) {
    g.caches = malloc(sizeof *g.caches);
    if (g.caches != NULL) cache_init(g.caches);
    return g.caches != NULL;
  }
  fprintf(stderr, "counter: unknown argument %s\n", argument);
  return false;
}

int qemu_plugin_install(uint64_t plugin, const PluginHost* host, int argc, char** argv) {
  if (strcmp(host->target_name, "aarch64") != 0 || host->system_emulation) {
    fprintf(stderr, "counter: counts programs of qemu-aarch64, not of %s\n", host->target_name);
    return 1;
  }
  for (int i = 0; i < argc; ++i) {
    if (!take_argument(argv[i])) return 1;
  }
  if (g.parts != NULL && g.blocks_path != NULL) {
    return fprintf(stderr, "counter: parts=FILE and blocks=FILE do not go together\n"), 1;
  }
  if (g.out == NULL) return fprintf(stderr, "counter: out=FILE is missing\n"), 1;
  qemu_plugin_register_vcpu_init_cb(plugin, on_thread_start);
  qemu_plugin_register_vcpu_exit_cb(plugin, on_thread_end);
  qemu_plugin_register_vcpu_tb_trans_cb(plugin, on_translate);
  return 0;
}
