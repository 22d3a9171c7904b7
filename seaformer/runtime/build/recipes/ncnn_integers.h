// A convolution of 1x1 and stride 1 with weights of 8 bits, for ncnn's convolution layer, on cores
// with dot products and half precision. Included behind ncnn_pointwise.h, whose tiles it shares.
//
// ncnn rounds the whole input, repacks it, stores sums of 32 bits, scales them in one more pass and
// applies the activation in another. Here a chunk of the input is rounded once, and a tile of 8
// positions by 8 outputs is started from its bias, multiplied, scaled, clamped and stored once.
// Sums are exact. They are shifted to 16 bits, by as much as the largest sum that the weights allow
// needs, and multiplied with a scale of half precision; a ReLU is the narrowing without a sign.
//
// Not here: channels of the input that 8 does not divide, outputs that 4 divides and 8 does not,
// integers as output, and scales or sums beyond half precision: ncnn's own kernel takes those.

#if __ARM_NEON && __aarch64__ && NCNN_GNU_INLINE_ASM && NCNN_ARM82DOT

#include "ncnn_integers_tile.h"

// Four positions of a packed channel and of the next, or of one and zeros, as codes of a block.
INTEGERS_TARGET
static inline int8x16x4_t integers_codes(float16x8x4_t first, const float16x8x4_t* second,
                                         float16x8_t scale, int8x16_t least)
{
    int8x16x4_t codes;
    for (int k = 0; k < 4; k++)
    {
        const int8x8_t lower = vqmovn_s16(vcvtaq_s16_f16(vmulq_f16(first.val[k], scale)));
        codes.val[k] = vcombine_s8(lower, vdup_n_s8(0));
        if (second)
            codes.val[k] = vqmovn_high_s16(
                lower, vcvtaq_s16_f16(vmulq_f16(second->val[k], scale)));
        codes.val[k] = vmaxq_s8(codes.val[k], least);
    }
    return codes;
}

// Positions of a packed channel, and of the next one unless it is the last, as codes of a block.
INTEGERS_TARGET
static void integers_round(const __fp16* first, const __fp16* second, __fp16 scale, int positions,
                           signed char* to)
{
    const float16x8_t scales = vdupq_n_f16(scale);
    const int8x16_t least = vdupq_n_s8(-127);
    const signed char* end = to + (positions + 3) / 4 * 64;
    for (; second && to < end; first += 32, second += 32, to += 64)
    {
        const float16x8x4_t next = vld1q_f16_x4(second);
        vst1q_s8_x4(to, integers_codes(vld1q_f16_x4(first), &next, scales, least));
    }
    for (; to < end; first += 32, to += 64)
        vst1q_s8_x4(to, integers_codes(vld1q_f16_x4(first), 0, scales, least));
}

// The same of an input that has codes already.
static void integers_copy(const signed char* first, const signed char* second, int positions,
                          signed char* to)
{
    for (int i = 0; i < positions; i++)
    {
        memcpy(to + i * INTEGERS_BLOCK, first + i * 8, 8);
        if (second) memcpy(to + i * INTEGERS_BLOCK + 8, second + i * 8, 8);
    }
}

// A convolution is packed into this and, for each 8 outputs, a front and their weights.
struct IntegersHead
{
    __fp16 scale;    // of the input
    short shift;     // the number of it
    short positive;  // whether no output is below zero
    short clamp;     // what else limits it
    int unused[2];
};

static int integers_inputs(const Convolution& layer)
{
    return layer.weight_data_size / layer.num_output;
}

// The scale of an output of 1.
static float integers_step(const Convolution& layer, float scale, int output)
{
    return 1.f / (scale * layer.weight_data_int8_scales[output]);
}

// The bias of an output as a sum.
static float integers_start(const Convolution& layer, float scale, int output)
{
    const float bias = layer.bias_term ? layer.bias_data[output] : 0.f;
    return roundf(bias / integers_step(layer, scale, output));
}

// The number of the least shift that lets every sum pass; as many as there are where none does.
static int integers_least(const Convolution& layer, float scale)
{
    float most = 0.f;
    const signed char* weights = layer.weight_data;
    for (int o = 0; o < layer.num_output; o++)
    {
        float sum = fabsf(integers_start(layer, scale, o));
        for (int k = 0; k < integers_inputs(layer); k++) sum += 128.f * abs(*weights++);
        most = std::max(most, sum);
    }
    int number = 0;
    while (number < INTEGERS_SHIFTS && !(most < 32767.f * (1 << integers_shift(number)))) number++;
    return number;
}

static bool integers_is_half(float value)
{
    return value >= 6.2e-5f && value <= 65504.f;
}

// False where a scale is beyond half precision.
static bool integers_front(const Convolution& layer, int first, const IntegersHead& head,
                           const PointwiseClamp& clamp, IntegersFront& front)
{
    memset(&front, 0, sizeof front);
    for (int i = 0; i < std::min((int)INTEGERS_OUTPUTS, layer.num_output - first); i++)
    {
        const float step = integers_step(layer, head.scale, first + i);
        const float scale = step * (1 << integers_shift(head.shift)) * INTEGERS_DIVIDED;
        if (!integers_is_half(scale)) return false;
        const int start = (int)integers_start(layer, head.scale, first + i);
        for (int k = 0; k < 4; k++) front.bias[i / 4 * 16 + k * 4 + i % 4] = start;
        front.scale[i] = (__fp16)scale;
        front.low[i] = (__fp16)clamp.low;
        front.high[i] = (__fp16)clamp.high;
    }
    return true;
}

// Weights of 8 outputs from the first: for each four inputs, four of each output.
static void integers_rows(const Convolution& layer, int first, signed char* to)
{
    const int num_input = integers_inputs(layer);
    const signed char* weights = layer.weight_data;
    for (int k = 0; k < num_input; k += 4)
    {
        for (int o = first; o < first + INTEGERS_OUTPUTS; o++)
        {
            for (int i = k; i < k + 4; i++)
                *to++ = o < layer.num_output ? weights[(size_t)o * num_input + i] : 0;
        }
    }
}

static bool integers_fit(const Convolution& layer, const Option& opt)
{
    const bool single = layer.kernel_w == 1 && layer.kernel_h == 1;
    const bool unit = single && layer.stride_w == 1 && layer.stride_h == 1;
    const bool bare = std::max(layer.pad_left, layer.pad_right) <= 0
                      && std::max(layer.pad_top, layer.pad_bottom) <= 0;
    const bool packs = integers_inputs(layer) % 8 == 0 && layer.num_output % 8 != 4;
    const bool half = opt.use_packing_layout && opt.use_fp16_storage && opt.use_fp16_arithmetic;
    const bool core = cpu_support_arm_asimddp() && cpu_support_arm_asimdhp();
    return unit && bare && packs && half && core && layer.int8_scale_term <= 100;
}

// Packs the weights of a layer that is one of these; false, and nothing, of any other.
static bool integers_packed(const Convolution& layer, const Option& opt, Mat& packed)
{
    if (!integers_fit(layer, opt)) return false;
    PointwiseClamp clamp;
    pointwise_clamp(layer.activation_type, layer.activation_params, clamp);
    IntegersHead head;
    memset(&head, 0, sizeof head);
    head.scale = (__fp16)layer.bottom_blob_int8_scales[0];
    if (!integers_is_half(head.scale)) return false;
    head.shift = integers_least(layer, head.scale);
    head.positive = clamp.kind >= 1 && clamp.low == 0.f;
    head.clamp = clamp.kind < 2 ? 0 : head.positive ? 1 : 2;
    if (head.shift == INTEGERS_SHIFTS) return false;
    const size_t row = (size_t)integers_inputs(layer) * INTEGERS_OUTPUTS;
    const int groups = (layer.num_output + INTEGERS_OUTPUTS - 1) / INTEGERS_OUTPUTS;
    Mat made(sizeof head + groups * (row + sizeof(IntegersFront)), (size_t)1u);
    if (made.empty()) return false;
    signed char* to = made;
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (int first = 0; first < layer.num_output; first += INTEGERS_OUTPUTS)
    {
        IntegersFront front;
        if (!integers_front(layer, first, head, clamp, front)) return false;
        memcpy(to, &front, sizeof front);
        integers_rows(layer, first, to + sizeof front);
        to += sizeof front + row;
    }
    packed = made;
    return true;
}

// Tiles of 8 outputs as rows of maps that are not packed.
static void integers_unpack(const __fp16* tiles, int positions, int outputs, __fp16* to,
                            size_t stride)
{
    for (int i = 0; i < positions; i += POINTWISE_TILE)
    {
        const __fp16* tile = tiles + i * INTEGERS_OUTPUTS;
        if (positions - i >= POINTWISE_TILE)
        {
            pointwise_unpack(tile, to + i, stride, outputs);
            continue;
        }
        for (int o = 0; o < outputs; o++)
        {
            for (int k = 0; k < positions - i; k++)
                to[stride * o + i + k] = tile[k * INTEGERS_OUTPUTS + o];
        }
    }
}

// Positions of 8 outputs by way of a buffer: where the last tile is not whole, or top not packed.
static void integers_buffered(IntegersKernel kernel, const signed char* codes, size_t stride,
                              const IntegersFront* front, int vectors, int clamp, int outputs,
                              int positions, const Mat& top, __fp16* to)
{
    __fp16 tiles[INTEGERS_AT_ONCE * INTEGERS_OUTPUTS];
    for (int i = 0; i < positions; i += INTEGERS_AT_ONCE)
    {
        const int count = std::min(positions - i, (int)INTEGERS_AT_ONCE);
        const signed char* from = codes + (size_t)i * INTEGERS_BLOCK;
        kernel(from, stride, front, vectors, clamp, (count + 7) / POINTWISE_TILE, tiles);
        if (top.elempack == INTEGERS_OUTPUTS)
            memcpy(to + i * INTEGERS_OUTPUTS, tiles, count * sizeof(__fp16) * INTEGERS_OUTPUTS);
        else
            integers_unpack(tiles, count, outputs, to + i, top.cstep);
    }
}

// Positions from start as codes: blocks of 16 channels, stride bytes apart.
static void integers_coded(const Mat& bottom, __fp16 scale, int start, int positions, size_t stride,
                           signed char* to)
{
    const size_t next = bottom.cstep * 8;
    for (int c = 0; c < bottom.c; c += 2, to += stride)
    {
        const size_t offset = next * c + start * 8;
        const bool last = c + 1 == bottom.c;
        if (bottom.elembits() == 8)
        {
            const signed char* first = (const signed char*)bottom.data + offset;
            integers_copy(first, last ? 0 : first + next, positions, to);
            continue;
        }
        // Reads up to three positions behind the last, which ncnn allocates.
        const __fp16* first = (const __fp16*)bottom.data + offset;
        integers_round(first, last ? 0 : first + next, scale, positions, to);
    }
}

// bottom has 8 channels an element, of half precision or codes; top 8 or one. scratch has a row of
// codes of chunk positions for each thread.
static void integers(const Mat& bottom, Mat& top, const Mat& packed, int num_output, int chunk,
                     int threads, Mat& scratch)
{
    const int positions = bottom.w * bottom.h;
    const int chunks = (positions + chunk - 1) / chunk;
    const size_t stride = (size_t)chunk * INTEGERS_BLOCK;
    const size_t size = (size_t)bottom.c * 8 * INTEGERS_OUTPUTS + sizeof(IntegersFront);
    IntegersHead head;
    memcpy(&head, packed.data, sizeof head);
    const IntegersKernel kernel = integers_kernels[bottom.c == 2][head.positive][head.shift];
    #pragma omp parallel for num_threads(threads)
    for (int c = 0; c < chunks; c++)
    {
        const int start = c * chunk;
        const int count = std::min(positions - start, chunk);
        signed char* codes = scratch.row<signed char>(get_omp_thread_num());
        integers_coded(bottom, head.scale, start, count, stride, codes);
        const signed char* weights = (const signed char*)packed + sizeof head;
        __fp16* to = (__fp16*)top.data + start * top.elempack;
        const int tiles = count % POINTWISE_TILE || top.elempack == 1 ? 0 : count / POINTWISE_TILE;
        for (int first = 0; first < num_output; first += INTEGERS_OUTPUTS)
        {
            const IntegersFront* front = (const IntegersFront*)weights;
            const int outputs = std::min(num_output - first, (int)INTEGERS_OUTPUTS);
            if (tiles)
                kernel(codes, stride, front, bottom.c, head.clamp, tiles, to);
            else
                integers_buffered(kernel, codes, stride, front, bottom.c, head.clamp, outputs,
                                  count, top, to);
            weights += size;
            to += top.cstep * INTEGERS_OUTPUTS;
        }
    }
}

// The layer with its activation. 0, or ncnn's number of an error.
static int integers_forward(const Convolution& layer, const Layer* activation, const Mat& bottom,
                            Mat& top, const Mat& packed, const Option& opt)
{
    Option inner = opt;
    inner.blob_allocator = opt.workspace_allocator;
    Mat half = bottom;
    if (bottom.elembits() == 32) cast_float32_to_float16(bottom, half, inner);
    Mat input = half;
    if (half.elempack != 8) convert_packing(half, input, 8, inner);
    if (input.empty() || input.c * 8 != integers_inputs(layer)) return -100;
    const int elempack = layer.num_output % 8 == 0 ? 8 : 1;
    top.create(input.w, input.h, layer.num_output / elempack, (size_t)2u * elempack, elempack,
               opt.blob_allocator);
    const int positions = (input.w * input.h + POINTWISE_TILE - 1) / POINTWISE_TILE;
    int chunk = INTEGERS_BYTES / (input.c * 8) / POINTWISE_TILE;
    chunk = std::min(chunk, (positions + opt.num_threads - 1) / opt.num_threads);
    chunk = std::max(chunk, 1) * POINTWISE_TILE;
    Mat codes((input.c + 1) / 2 * INTEGERS_BLOCK * chunk, opt.num_threads, (size_t)1u,
              opt.workspace_allocator);
    if (top.empty() || codes.empty()) return -100;
    integers(input, top, packed, layer.num_output, chunk, opt.num_threads, codes);
    PointwiseClamp clamp;
    const bool whole = pointwise_clamp(layer.activation_type, layer.activation_params, clamp);
    return whole || !activation ? 0 : activation->forward_inplace(top, opt);
}

#else

// Other cores, and builds without dot products, have ncnn's own kernels.
static bool integers_packed(const Convolution&, const Option&, Mat&)
{
    return false;
}

static int integers_forward(const Convolution&, const Layer*, const Mat&, Mat&, const Mat&,
                            const Option&)
{
    return -100;
}

#endif
