// What an A64 instruction is and how many bytes it moves, told from its 32 bits alone.
//
// Classes follow the top level of the encoding in the Arm Architecture Reference Manual (DDI 0487,
// C4.1). They are disjoint and every instruction has one, so they add up to the instructions.
// Sizes are those of the encoding: a loop's bytes need no look at its memory accesses. SVE, memory
// tags and MOPS, which no XNNPACK or MLAS kernel for a phone's core uses, count as `scalar` or as
// moving nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  kInstructions,
  kVectorFma,    // multiply-accumulate of vectors: FMLA, MLA, SMLAL, SDOT, BFMMLA and their kin
  kVectorOther,  // everything else of Advanced SIMD's vector forms
  kScalar,       // integer and scalar floating point, address arithmetic, system, hints
  kBranch,
  kLoad,   // atomics that read and write count as loads; prefetches are loads of no bytes
  kStore,  // DC ZVA is a store of 64 bytes, as on every core a profile names
  kLoadedBytes,
  kStoredBytes,
  kFmaFp16,  // of kVectorFma: FMLA, FMLS of half-precision lanes: the proof that fp16 was computed
  kFmaFp32,  // of kVectorFma: FMLA, FMLS of single-precision lanes
  kTallies
} TallyField;

typedef struct {
  uint64_t of[kTallies];
} Tally;

static inline uint32_t bits(uint32_t word, int high, int low) {
  return (word >> low) & ((1u << (high - low + 1)) - 1u);
}

// One row for each multiply-accumulate: an instruction is of it when word & mask == value.
static inline bool is_vector_fma(uint32_t word) {
  static const struct {
    uint32_t mask, value;
  } kRows[] = {
      {0xBF20FC00, 0x0E20CC00},  // FMLA, FMLS  float, double
      {0xBF60FC00, 0x0E400C00},  // FMLA, FMLS  half
      {0xBF00B400, 0x0F001000},  // FMLA, FMLS  by element
      {0xBF60FC00, 0x0E20EC00},  // FMLAL, FMLSL
      {0xBF60FC00, 0x2E20CC00},  // FMLAL2, FMLSL2
      {0xBFC0B400, 0x0F800000},  // FMLAL, FMLSL  by element
      {0xBFC0B400, 0x2F808000},  // FMLAL2, FMLSL2  by element
      {0x9F20FC00, 0x0E209400},  // MLA, MLS
      {0xBF00B400, 0x2F000000},  // MLA, MLS  by element
      {0x9F20DC00, 0x0E208000},  // SMLAL, UMLAL, SMLSL, UMLSL
      {0x9F00B400, 0x0F002000},  // SMLAL, UMLAL, SMLSL, UMLSL  by element
      {0x9F20FC00, 0x0E009400},  // SDOT, UDOT
      {0x9F00F400, 0x0F00E000},  // SDOT, UDOT  by element
      {0xBFE0FC00, 0x0E809C00},  // USDOT
      {0xBF00F400, 0x0F00F000},  // USDOT, SUDOT, BFDOT, BFMLAL  by element
      {0xBF60FC00, 0x2E40FC00},  // BFDOT, BFMLAL
      {0xFFE0FC00, 0x6E40EC00},  // BFMMLA
      {0xDFE0FC00, 0x4E80A400},  // SMMLA, UMMLA
      {0xFFE0FC00, 0x4E80AC00},  // USMMLA
  };
  for (size_t i = 0; i < sizeof kRows / sizeof kRows[0]; ++i) {
    if ((word & kRows[i].mask) == kRows[i].value) return true;
  }
  return false;
}

// FMLA and FMLS by vector and by element; those that widen (FMLAL) are neither.
static inline bool is_fma_fp16(uint32_t word) {
  return (word & 0xBF60FC00) == 0x0E400C00 || (word & 0xBFC0B400) == 0x0F001000;
}

static inline bool is_fma_fp32(uint32_t word) {
  return (word & 0xBF60FC00) == 0x0E20CC00 || (word & 0xBFC0B400) == 0x0F801000;
}

// LD1..LD4, ST1..ST4 of whole registers, and of one element (also LD1R..LD4R).
static inline uint32_t structure_bytes(uint32_t word) {
  if (bits(word, 24, 24) == 0) {
    static const uint8_t kRegisters[16] = {4, 0, 4, 0, 3, 0, 3, 1, 2, 0, 2};
    return kRegisters[bits(word, 15, 12)] * (bits(word, 30, 30) ? 16u : 8u);
  }
  const uint32_t elements = (bits(word, 13, 13) << 1 | bits(word, 21, 21)) + 1;
  const uint32_t scale = bits(word, 15, 14), size = bits(word, 11, 10);
  const uint32_t log_bytes = scale == 3 ? size : scale == 2 && size == 1 ? 3 : scale;
  return elements << log_bytes;
}

// Adds one load or store. Bit 22 tells them apart in all but the single-register forms.
static inline void tally_memory(uint32_t word, Tally* tally) {
  const bool vector = bits(word, 26, 26) != 0;
  uint32_t bytes = 0;
  bool load = bits(word, 22, 22) != 0, both = false;
  if ((word & 0xBE000000) == 0x0C000000) {  // structures
    bytes = structure_bytes(word);
  } else if ((word & 0x3F000000) == 0x08000000) {  // exclusive, ordered, compare and swap
    const bool pair = bits(word, 21, 21) && !bits(word, 23, 23);
    both = bits(word, 21, 21) && (bits(word, 23, 23) || !bits(word, 31, 31));
    bytes = pair ? 8u << bits(word, 30, 30) : 1u << bits(word, 31, 30);
  } else if ((word & 0x3F200C00) == 0x19000000) {  // LDAPUR, STLUR
    load = bits(word, 23, 22) != 0;
    bytes = 1u << bits(word, 31, 30);
  } else if ((word & 0x3B000000) == 0x18000000) {  // literal; PRFM moves nothing
    const uint32_t opcode = bits(word, 31, 30);
    load = true;
    bytes = vector ? 4u << opcode : opcode == 3 ? 0 : opcode == 1 ? 8 : 4;
  } else if ((word & 0x3A000000) == 0x28000000) {  // pairs
    const uint32_t opcode = bits(word, 31, 30);
    bytes = 2 * (vector ? 4u << opcode : opcode == 2 || (opcode == 1 && !load) ? 8 : 4);
  } else if ((word & 0x3B200C00) == 0x38200000 && !vector) {  // LDADD, SWP, ...; LDAPR only reads
    load = true;
    both = (word & 0x001FFC00) != 0x001FC000;
    bytes = 1u << bits(word, 31, 30);
  } else if ((word & 0x3A000000) == 0x38000000) {  // one register
    const bool prefetch = !vector && bits(word, 31, 30) == 3 && bits(word, 23, 22) == 2;
    load = vector ? load : bits(word, 23, 22) != 0;
    bytes = prefetch ? 0 : 1u << (bits(word, 31, 30) | (vector ? bits(word, 23, 23) << 2 : 0));
  }
  tally->of[load || both ? kLoad : kStore] += 1;
  tally->of[kLoadedBytes] += load || both ? bytes : 0;
  tally->of[kStoredBytes] += !load || both ? bytes : 0;
}

// Adds one instruction to the tally.
static inline void tally_instruction(uint32_t word, Tally* tally) {
  tally->of[kInstructions] += 1;
  if ((word & 0x0A000000) == 0x08000000) {
    tally_memory(word, tally);
  } else if ((word & 0xFFFFFFE0) == 0xD50B7420) {  // DC ZVA
    tally->of[kStore] += 1;
    tally->of[kStoredBytes] += 64;
  } else if ((word & 0x9E000000) == 0x0E000000) {  // Advanced SIMD, vector forms
    tally->of[is_vector_fma(word) ? kVectorFma : kVectorOther] += 1;
    tally->of[kFmaFp16] += is_fma_fp16(word);
    tally->of[kFmaFp32] += is_fma_fp32(word);
  } else if ((word & 0x1C000000) == 0x14000000 && (word & 0xFF000000) != 0xD4000000 &&
             (word & 0xFF000000) != 0xD5000000) {  // SVC, BRK and system instructions are no branch
    tally->of[kBranch] += 1;
  } else {
    tally->of[kScalar] += 1;
  }
}
