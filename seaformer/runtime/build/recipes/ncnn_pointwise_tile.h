// Tiles of ncnn_pointwise.h: 8 positions by one or two vectors of output channels, in registers v16
// to v31, and what surrounds them. Included by it.
//
// v0 to v7 are a vector of input channels of each position, whose lanes are factors; v8 to v15 are
// weights. Inputs and weights are loaded four registers at once.

enum { POINTWISE_TILE = 8 };

// What multiplies: the instruction, and the types of sums, weights and factors.
#define POINTWISE_SINGLE "fmla", "4s", "4s", "s"
#define POINTWISE_HALF "fmla", "8h", "8h", "h"

// 8 positions times one vector of outputs, of weight register w, lane l of the inputs, into eight
// registers. A type is the last four words.
#define POINTWISE_TIMES(w, l, a, b, c, d, e, f, g, h, op, sum, by, part)        \
    op " v" a "." sum ", v" w "." by ", v0." part "[" l "]   \n"                \
    op " v" b "." sum ", v" w "." by ", v1." part "[" l "]   \n"                \
    op " v" c "." sum ", v" w "." by ", v2." part "[" l "]   \n"                \
    op " v" d "." sum ", v" w "." by ", v3." part "[" l "]   \n"                \
    op " v" e "." sum ", v" w "." by ", v4." part "[" l "]   \n"                \
    op " v" f "." sum ", v" w "." by ", v5." part "[" l "]   \n"                \
    op " v" g "." sum ", v" w "." by ", v6." part "[" l "]   \n"                \
    op " v" h "." sum ", v" w "." by ", v7." part "[" l "]   \n"
#define POINTWISE_FIRST(w, l, ...) \
    POINTWISE_TIMES(w, l, "16", "17", "18", "19", "20", "21", "22", "23", __VA_ARGS__)
#define POINTWISE_SECOND(w, l, ...) \
    POINTWISE_TIMES(w, l, "24", "25", "26", "27", "28", "29", "30", "31", __VA_ARGS__)

#define POINTWISE_INPUT                                                 \
    "ld1 {v0.16b-v3.16b}, [%[lower]], %[stride]  \n"                    \
    "ld1 {v4.16b-v7.16b}, [%[upper]], %[stride]  \n"
#define POINTWISE_A "ld1 {v8.16b-v11.16b}, [%[weights]], #64   \n"
#define POINTWISE_B "ld1 {v12.16b-v15.16b}, [%[weights]], #64  \n"

// Two vectors of outputs: two lanes of the inputs of a load of weights.
#define POINTWISE_PAIR_A(l, m, ...) POINTWISE_A POINTWISE_LANES_A(l, m, __VA_ARGS__)
#define POINTWISE_LANES_A(l, m, ...)                                                \
    POINTWISE_FIRST("8", l, __VA_ARGS__) POINTWISE_SECOND("9", l, __VA_ARGS__)      \
    POINTWISE_FIRST("10", m, __VA_ARGS__) POINTWISE_SECOND("11", m, __VA_ARGS__)
#define POINTWISE_PAIR_B(l, m, ...) POINTWISE_B POINTWISE_LANES_B(l, m, __VA_ARGS__)
#define POINTWISE_LANES_B(l, m, ...)                                                \
    POINTWISE_FIRST("12", l, __VA_ARGS__) POINTWISE_SECOND("13", l, __VA_ARGS__)    \
    POINTWISE_FIRST("14", m, __VA_ARGS__) POINTWISE_SECOND("15", m, __VA_ARGS__)
// One vector of outputs: four lanes of the inputs of a load of weights.
#define POINTWISE_FOUR_A(l, m, n, o, ...)                                           \
    POINTWISE_A                                                                     \
    POINTWISE_FIRST("8", l, __VA_ARGS__) POINTWISE_FIRST("9", m, __VA_ARGS__)       \
    POINTWISE_FIRST("10", n, __VA_ARGS__) POINTWISE_FIRST("11", o, __VA_ARGS__)
#define POINTWISE_FOUR_B(l, m, n, o, ...)                                           \
    POINTWISE_B                                                                     \
    POINTWISE_FIRST("12", l, __VA_ARGS__) POINTWISE_FIRST("13", m, __VA_ARGS__)     \
    POINTWISE_FIRST("14", n, __VA_ARGS__) POINTWISE_FIRST("15", o, __VA_ARGS__)

// A vector of input channels.
#define POINTWISE_STEP_2_SINGLE POINTWISE_INPUT                                         \
    POINTWISE_PAIR_A("0", "1", POINTWISE_SINGLE) POINTWISE_PAIR_B("2", "3", POINTWISE_SINGLE)
#define POINTWISE_STEP_1_SINGLE POINTWISE_INPUT                                         \
    POINTWISE_FOUR_A("0", "1", "2", "3", POINTWISE_SINGLE)
#define POINTWISE_STEP_2_HALF POINTWISE_INPUT                                           \
    POINTWISE_PAIR_A("0", "1", POINTWISE_HALF) POINTWISE_PAIR_B("2", "3", POINTWISE_HALF)\
    POINTWISE_PAIR_A("4", "5", POINTWISE_HALF) POINTWISE_PAIR_B("6", "7", POINTWISE_HALF)
#define POINTWISE_STEP_1_HALF POINTWISE_INPUT                                           \
    POINTWISE_FOUR_A("0", "1", "2", "3", POINTWISE_HALF)                                \
    POINTWISE_FOUR_B("4", "5", "6", "7", POINTWISE_HALF)

#define POINTWISE_BIAS_1(t)                            \
    "ld1 {v16." t "-v19." t "}, [%[bias]]            \n" \
    "ld1 {v20." t "-v23." t "}, [%[bias]], #64       \n"
#define POINTWISE_BIAS_2(t) POINTWISE_BIAS_1(t)        \
    "ld1 {v24." t "-v27." t "}, [%[bias]]            \n" \
    "ld1 {v28." t "-v31." t "}, [%[bias]]            \n"

#define POINTWISE_EIGHT(op, t, with, a, b, c, d, e, f, g, h)            \
    op " v" a "." t ", v" a "." t ", v" with "." t "\n"                 \
    op " v" b "." t ", v" b "." t ", v" with "." t "\n"                 \
    op " v" c "." t ", v" c "." t ", v" with "." t "\n"                 \
    op " v" d "." t ", v" d "." t ", v" with "." t "\n"                 \
    op " v" e "." t ", v" e "." t ", v" with "." t "\n"                 \
    op " v" f "." t ", v" f "." t ", v" with "." t "\n"                 \
    op " v" g "." t ", v" g "." t ", v" with "." t "\n"                 \
    op " v" h "." t ", v" h "." t ", v" with "." t "\n"
#define POINTWISE_LIMIT_1(op, t, with) \
    POINTWISE_EIGHT(op, t, with, "16", "17", "18", "19", "20", "21", "22", "23")
#define POINTWISE_LIMIT_2(op, t, with) POINTWISE_LIMIT_1(op, t, with) \
    POINTWISE_EIGHT(op, t, with, "24", "25", "26", "27", "28", "29", "30", "31")

#define POINTWISE_STORE_1(t)                           \
    "st1 {v16." t "-v19." t "}, [%[first]], #64      \n" \
    "st1 {v20." t "-v23." t "}, [%[first]]           \n"
#define POINTWISE_STORE_2(t) POINTWISE_STORE_1(t)      \
    "st1 {v24." t "-v27." t "}, [%[second]], #64     \n" \
    "st1 {v28." t "-v31." t "}, [%[second]]          \n"

// step: a vector of input channels; there are four times fours of them, and rest.
#define POINTWISE_KERNEL(name, T, t, bias_, step, limit, store)                                  \
    static inline void name(const T* input, size_t stride, const T* weights, const T* bias,      \
                            const T* limits, int kind, int fours, int rest, T* first, T* second) \
    {                                                                                            \
        const T* lower = input;                                                                  \
        const T* upper = input + 64 / sizeof(T);                                                 \
        asm volatile(                                                                            \
            bias_(t)                                                                             \
            "cbz %w[fours], 1f                          \n"                                      \
            "0:                                         \n"                                      \
            "sub %w[fours], %w[fours], #1               \n"                                      \
            step step step step                                                                  \
            "cbnz %w[fours], 0b                         \n"                                      \
            "1:                                         \n"                                      \
            "cbz %w[rest], 3f                           \n"                                      \
            "2:                                         \n"                                      \
            "sub %w[rest], %w[rest], #1                 \n"                                      \
            step                                                                                 \
            "cbnz %w[rest], 2b                          \n"                                      \
            "3:                                         \n"                                      \
            "cbz %w[kind], 4f                           \n"                                      \
            "ld1 {v0." t ", v1." t "}, [%[limits]]      \n"                                      \
            limit("fmax", t, "0")                                                                \
            "tbz %w[kind], #1, 4f                       \n"                                      \
            limit("fmin", t, "1")                                                                \
            "4:                                         \n"                                      \
            store(t)                                                                             \
            : [lower] "+r"(lower), [upper] "+r"(upper), [weights] "+r"(weights),                 \
            [bias] "+r"(bias), [fours] "+r"(fours), [rest] "+r"(rest), [first] "+r"(first),      \
            [second] "+r"(second)                                                                \
            : [stride] "r"(stride), [limits] "r"(limits), [kind] "r"(kind)                       \
            : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", \
            "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22",  \
            "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");                      \
    }

POINTWISE_KERNEL(pointwise_pair, float, "4s", POINTWISE_BIAS_2, POINTWISE_STEP_2_SINGLE,
                 POINTWISE_LIMIT_2, POINTWISE_STORE_2)
POINTWISE_KERNEL(pointwise_last, float, "4s", POINTWISE_BIAS_1, POINTWISE_STEP_1_SINGLE,
                 POINTWISE_LIMIT_1, POINTWISE_STORE_1)
#if __ARM_FEATURE_FP16_VECTOR_ARITHMETIC
POINTWISE_KERNEL(pointwise_pair, __fp16, "8h", POINTWISE_BIAS_2, POINTWISE_STEP_2_HALF,
                 POINTWISE_LIMIT_2, POINTWISE_STORE_2)
POINTWISE_KERNEL(pointwise_last, __fp16, "8h", POINTWISE_BIAS_1, POINTWISE_STEP_1_HALF,
                 POINTWISE_LIMIT_1, POINTWISE_STORE_1)
#endif

// One position: the sums of one or two vectors of outputs, with their bias.
static inline void pointwise_one(const float* input, size_t stride, const float* weights,
                                 const float* bias, int count, int rows, float* sums)
{
    const size_t step = stride / sizeof(float);
    for (int row = 0; row < rows; row++)
    {
        float32x4_t sum = vld1q_f32(bias + row * 16);
        const float* w = weights + row * 4;
        for (int i = 0; i < count; i++)
        {
            float32x4_t x = vld1q_f32(input + step * i);
            sum = vfmaq_laneq_f32(sum, vld1q_f32(w), x, 0);
            sum = vfmaq_laneq_f32(sum, vld1q_f32(w + rows * 4), x, 1);
            sum = vfmaq_laneq_f32(sum, vld1q_f32(w + rows * 8), x, 2);
            sum = vfmaq_laneq_f32(sum, vld1q_f32(w + rows * 12), x, 3);
            w += rows * 16;
        }
        vst1q_f32(sums + row * 4, sum);
    }
}

// Eight positions of a vector of outputs, as rows of a map that is not packed.
static inline void pointwise_unpack(const float* tile, float* to, size_t stride, int rows)
{
    float32x4x4_t a = vld4q_f32(tile);
    float32x4x4_t b = vld4q_f32(tile + 16);
    for (int i = 0; i < rows; i++)
    {
        vst1q_f32(to + stride * i, a.val[i]);
        vst1q_f32(to + stride * i + 4, b.val[i]);
    }
}

static inline void pointwise_unpack(const __fp16* tile, __fp16* to, size_t stride, int rows)
{
    const unsigned short* from = (const unsigned short*)tile;
    unsigned short* row = (unsigned short*)to;
    uint16x8x4_t a = vld4q_u16(from);
    uint16x8x4_t b = vld4q_u16(from + 32);
    for (int i = 0; i < 4; i++)
    {
        if (i < rows) vst1q_u16(row + stride * i, vuzp1q_u16(a.val[i], b.val[i]));
        if (i + 4 < rows) vst1q_u16(row + stride * (i + 4), vuzp2q_u16(a.val[i], b.val[i]));
    }
}

#if __ARM_FEATURE_FP16_VECTOR_ARITHMETIC
static inline void pointwise_one(const __fp16* input, size_t stride, const __fp16* weights,
                                 const __fp16* bias, int count, int rows, __fp16* sums)
{
    const size_t step = stride / sizeof(__fp16);
    for (int row = 0; row < rows; row++)
    {
        float16x8_t sum = vld1q_f16(bias + row * 32);
        const __fp16* w = weights + row * 8;
        for (int i = 0; i < count; i++)
        {
            float16x8_t x = vld1q_f16(input + step * i);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w), x, 0);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 8), x, 1);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 16), x, 2);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 24), x, 3);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 32), x, 4);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 40), x, 5);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 48), x, 6);
            sum = vfmaq_laneq_f16(sum, vld1q_f16(w + rows * 56), x, 7);
            w += rows * 64;
        }
        vst1q_f16(sums + row * 8, sum);
    }
}
#endif
