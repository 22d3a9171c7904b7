// Tiles of ncnn_integers.h: 8 positions by 8 outputs in registers v16 to v31, from their bias to
// halves in memory. Included by it, behind ncnn_pointwise_tile.h, whose multiplications it has.
//
// v0 to v7 are 16 channels of each position, whose fours are factors; v8 to v15 are weights.

#define INTEGERS_TARGET __attribute__((target("arch=armv8.2-a+fp16+dotprod")))
#define INTEGERS_BYTE "sdot", "4s", "16b", "4b"
#define INTEGERS_LANES \
    POINTWISE_LANES_A("0", "1", INTEGERS_BYTE) POINTWISE_LANES_B("2", "3", INTEGERS_BYTE)

enum
{
    INTEGERS_BLOCK = 16,        // channels of the input in a register
    INTEGERS_OUTPUTS = 8,       // of a tile
    INTEGERS_DIVIDED = 1024,    // sums of 16 bits, as they become halves: #10 below
    INTEGERS_AT_ONCE = 64,      // positions that are unpacked together
    INTEGERS_BYTES = 32 * 1024  // of codes, for all outputs: they stay in the first cache
};

// Before the weights of a tile's outputs, and read by it.
struct IntegersFront
{
    __fp16 scale[INTEGERS_OUTPUTS];
    __fp16 low[INTEGERS_OUTPUTS];
    __fp16 high[INTEGERS_OUTPUTS];
    int bias[4 * INTEGERS_OUTPUTS];  // four times the first four, four times the others
};

// Eight sums of a position as half precision, in the first register.
#define INTEGERS_SCALED(narrow, convert, first, second)                                           \
    narrow " v" first ".4h, v" first ".4s, %[shift]                  \n"                          \
    narrow "2 v" first ".8h, v" second ".4s, %[shift]                \n"                          \
    convert " v" first ".8h, v" first ".8h, #10                      \n"                          \
    "fmul v" first ".8h, v" first ".8h, v0.8h                        \n"

#define INTEGERS_BIAS                                                                             \
    "ld1 {v16.4s-v19.4s}, [%[weights]]               \n"                                          \
    "ld1 {v20.4s-v23.4s}, [%[weights]], #64          \n"                                          \
    "ld1 {v24.4s-v27.4s}, [%[weights]]               \n"                                          \
    "ld1 {v28.4s-v31.4s}, [%[weights]], #64          \n"

// 16 channels of the input. stride is from the middle of a tile to that of the next.
#define INTEGERS_STEP                                                                             \
    "ld1 {v0.16b-v3.16b}, [%[input]], #64            \n"                                          \
    "ld1 {v4.16b-v7.16b}, [%[input]], %[stride]      \n"                                          \
    POINTWISE_PAIR_A("0", "1", INTEGERS_BYTE) POINTWISE_PAIR_B("2", "3", INTEGERS_BYTE)

#define INTEGERS_END(narrow, convert)                                                             \
    "ldr q0, [%[front]]                              \n"                                          \
    INTEGERS_SCALED(narrow, convert, "16", "24") INTEGERS_SCALED(narrow, convert, "17", "25")     \
    INTEGERS_SCALED(narrow, convert, "18", "26") INTEGERS_SCALED(narrow, convert, "19", "27")     \
    INTEGERS_SCALED(narrow, convert, "20", "28") INTEGERS_SCALED(narrow, convert, "21", "29")     \
    INTEGERS_SCALED(narrow, convert, "22", "30") INTEGERS_SCALED(narrow, convert, "23", "31")     \
    "cbz %w[clamp], 6f                               \n"                                          \
    "ldp q1, q2, [%[front], #16]                     \n"                                          \
    POINTWISE_LIMIT_1("fmin", "8h", "2")                                                          \
    "tbz %w[clamp], #1, 6f                           \n"                                          \
    POINTWISE_LIMIT_1("fmax", "8h", "1")                                                          \
    "6:                                              \n"                                          \
    "sub %w[tiles], %w[tiles], #1                    \n"                                          \
    "st1 {v16.8h-v19.8h}, [%[to]], #64               \n"                                          \
    "st1 {v20.8h-v23.8h}, [%[to]], #64               \n"                                          \
    "cbnz %w[tiles], 0b                              \n"

#define INTEGERS_CLOBBERED                                                                        \
    "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",     \
    "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",    \
    "v25", "v26", "v27", "v28", "v29", "v30", "v31"

// Tiles one after the other, of vectors of 8 channels of the input. clamp is 0, 1 for at most high,
// 2 for at least low too. The second is for 16 channels, whose weights stay in registers.
#define INTEGERS_KERNEL(name, narrow, convert)                                                    \
    template<int SHIFT>                                                                           \
    INTEGERS_TARGET static void name(const signed char* input, size_t stride,                     \
                                     const IntegersFront* front, int vectors, int clamp,          \
                                     int tiles, __fp16* to)                                       \
    {                                                                                             \
        const int fours = vectors / 8;                                                            \
        const size_t back = (size_t)(vectors / 2) * stride - 128;                                 \
        const signed char* weights;                                                               \
        int count;                                                                                \
        asm volatile(                                                                             \
            "0:                                              \n"                                  \
            "mov %[weights], %[bias]                         \n"                                  \
            INTEGERS_BIAS                                                                         \
            "cbz %w[fours], 2f                               \n"                                  \
            "mov %w[count], %w[fours]                        \n"                                  \
            "1:                                              \n"                                  \
            "sub %w[count], %w[count], #1                    \n"                                  \
            INTEGERS_STEP INTEGERS_STEP INTEGERS_STEP INTEGERS_STEP                               \
            "cbnz %w[count], 1b                              \n"                                  \
            "2:                                              \n"                                  \
            "tbz %w[vectors], #2, 3f                         \n"                                  \
            INTEGERS_STEP INTEGERS_STEP                                                           \
            "3:                                              \n"                                  \
            "tbz %w[vectors], #1, 4f                         \n"                                  \
            INTEGERS_STEP                                                                         \
            "4:                                              \n"                                  \
            "tbz %w[vectors], #0, 5f                         \n"                                  \
            "ld1 {v0.16b-v3.16b}, [%[input]], #64            \n"                                  \
            "ld1 {v4.16b-v7.16b}, [%[input]]                 \n"                                  \
            "sub %[input], %[input], #64                     \n"                                  \
            POINTWISE_PAIR_A("0", "1", INTEGERS_BYTE)                                             \
            "5:                                              \n"                                  \
            "sub %[input], %[input], %[back]                 \n"                                  \
            INTEGERS_END(narrow, convert)                                                         \
            : [input] "+r"(input), [tiles] "+r"(tiles), [to] "+r"(to), [weights] "=&r"(weights),  \
            [count] "=&r"(count)                                                                  \
            : [stride] "r"(stride - 64), [front] "r"(front), [bias] "r"(front->bias),             \
            [fours] "r"(fours), [vectors] "r"(vectors), [back] "r"(back), [clamp] "r"(clamp),     \
            [shift] "i"(SHIFT)                                                                    \
            : INTEGERS_CLOBBERED);                                                                \
    }                                                                                             \
    template<int SHIFT>                                                                           \
    INTEGERS_TARGET static void name##_16(const signed char* input, size_t,                       \
                                          const IntegersFront* front, int, int clamp,             \
                                          int tiles, __fp16* to)                                  \
    {                                                                                             \
        const signed char* weights = (const signed char*)(front + 1);                             \
        asm volatile(                                                                             \
            POINTWISE_A POINTWISE_B                                                               \
            "0:                                              \n"                                  \
            "mov %[weights], %[bias]                         \n"                                  \
            INTEGERS_BIAS                                                                         \
            "ld1 {v0.16b-v3.16b}, [%[input]], #64            \n"                                  \
            "ld1 {v4.16b-v7.16b}, [%[input]], #64            \n"                                  \
            INTEGERS_LANES                                                                        \
            INTEGERS_END(narrow, convert)                                                         \
            : [input] "+r"(input), [tiles] "+r"(tiles), [to] "+r"(to), [weights] "+r"(weights)    \
            : [front] "r"(front), [bias] "r"(front->bias), [clamp] "r"(clamp), [shift] "i"(SHIFT) \
            : INTEGERS_CLOBBERED);                                                                \
    }

INTEGERS_KERNEL(integers_signed, "sqrshrn", "scvtf")
INTEGERS_KERNEL(integers_positive, "sqrshrun", "ucvtf")

// Shifts that there is a kernel for, in the order of their number.
enum { INTEGERS_SHIFTS = 6 };
typedef void (*IntegersKernel)(const signed char*, size_t, const IntegersFront*, int, int, int,
                               __fp16*);
#define INTEGERS_ROW(name) {name<2>, name<4>, name<6>, name<8>, name<10>, name<12>}
static const IntegersKernel integers_kernels[2][2][INTEGERS_SHIFTS] = {
    {INTEGERS_ROW(integers_signed), INTEGERS_ROW(integers_positive)},
    {INTEGERS_ROW(integers_signed_16), INTEGERS_ROW(integers_positive_16)}};

static int integers_shift(int number)
{
    return 2 * number + 2;
}
