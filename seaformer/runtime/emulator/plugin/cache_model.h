// Four levels of cache with LRU replacement, write-back and write-allocate, 64-byte lines: about a
// Cortex-A77 in a Snapdragon 865 (L1 64 KB, L2 512 KB, L3 4 MB, system cache 3 MB), without its
// prefetchers. What it yields is a count, no time.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { kLevels = 4, kMostWays = 16, kMostSets = 4096, kLineShift = 6 };

typedef struct {
  uint32_t sets, ways;
  // Line + 1, the most recently used first; 0 is an empty way.
  uint64_t line[kMostSets][kMostWays];
  bool dirty[kMostSets][kMostWays];
} CacheLevel;

typedef struct {
  CacheLevel level[kLevels];
  uint64_t misses[kLevels];
  uint64_t memory_writes;  // lines written back to memory
} CacheModel;

static inline void cache_init(CacheModel* model) {
  static const struct {
    uint32_t kbytes, ways;
  } kSizes[kLevels] = {{64, 4}, {512, 8}, {4096, 16}, {3072, 12}};
  memset(model, 0, sizeof *model);
  for (int i = 0; i < kLevels; ++i) {
    model->level[i].ways = kSizes[i].ways;
    model->level[i].sets = kSizes[i].kbytes * 1024 / kSizes[i].ways >> kLineShift;
  }
}

static inline void cache_clear_counts(CacheModel* model) {
  memset(model->misses, 0, sizeof model->misses);
  model->memory_writes = 0;
}

// One access to one line. `fetch` is false for a line that a level above writes back: it arrives
// whole, so it is no miss here. Below the last level is memory.
static void cache_access(CacheModel* model, int depth, uint64_t line, bool write, bool fetch) {
  if (depth == kLevels) {
    model->memory_writes += write;
    return;
  }
  CacheLevel* level = &model->level[depth];
  const uint32_t set = (uint32_t)(line % level->sets), last = level->ways - 1;
  uint64_t* lines = level->line[set];
  bool* dirty = level->dirty[set];
  uint32_t way = 0;
  while (way < last && lines[way] != line + 1) ++way;
  bool is_dirty = dirty[way];
  if (lines[way] != line + 1) {
    if (fetch) {
      model->misses[depth] += 1;
      cache_access(model, depth + 1, line, false, true);
    }
    if (lines[last] != 0 && dirty[last]) {
      cache_access(model, depth + 1, lines[last] - 1, true, false);
    }
    is_dirty = false;
  }
  memmove(lines + 1, lines, way * sizeof *lines);
  memmove(dirty + 1, dirty, way * sizeof *dirty);
  lines[0] = line + 1;
  dirty[0] = is_dirty || write;
}

static inline void cache_touch(CacheModel* model, uint64_t address, uint64_t bytes, bool write) {
  const uint64_t first = address >> kLineShift, last = (address + bytes - 1) >> kLineShift;
  for (uint64_t line = first; line <= last; ++line) cache_access(model, 0, line, write, true);
}
