// A convolution of 1x1 and stride 1 for maps whose channels are packed, for ncnn's convolution
// layer, which ncnn_kernels.cmake puts two calls into. In single precision, and in half where the
// file that includes this is compiled for it.
//
// ncnn repacks such a map, multiplies in tiles of 8 by 12, and applies the activation in a pass of
// its own. Here channels stay as they are packed, and a tile is biased, clamped and stored once.
// Not here: channels of the input that are not a multiple of a vector, and four channels an element
// in half precision, which ncnn's own kernel takes.

#if __ARM_NEON && __aarch64__ && NCNN_GNU_INLINE_ASM

#include "ncnn_pointwise_tile.h"

enum { POINTWISE_BYTES = 128 * 1024 };  // of the input, for all outputs: it stays in a cache

// What follows the sums: 0 nothing, 1 at least low, 2 at most high too.
struct PointwiseClamp
{
    float low;
    float high;
    int kind;
};

// False where the activation is another one, which the caller then applies itself.
static bool pointwise_clamp(int type, const Mat& params, PointwiseClamp& clamp)
{
    clamp.low = 0.f;
    clamp.high = 0.f;
    clamp.kind = type == 1 ? 1 : 0;
    if (type == 3)
    {
        clamp.low = params[0];
        clamp.high = params[1];
        clamp.kind = 2;
    }
    return type == 0 || type == 1 || type == 3;
}

// Factors of groups of two vectors of outputs, the last group of one or two: for each input channel
// the vectors of the group; after them its bias, four times a vector. Rows beyond num_output are 0.
template<typename T>
static void pointwise_pack(const Mat& weight_data, const Mat& bias_data, int num_output,
                           Mat& packed)
{
    const int lanes = 16 / sizeof(T);
    const int num_input = (int)weight_data.total() / num_output;
    const int vectors = (num_output + lanes - 1) / lanes;
    packed.create(vectors * lanes * (num_input + 4), sizeof(T));
    if (packed.empty()) return;
    T* to = packed;
    for (int start = 0; start < vectors * lanes; start += 2 * lanes)
    {
        const int width = std::min(2 * lanes, vectors * lanes - start);
        for (int k = 0; k < num_input; k++)
        {
            for (int o = start; o < start + width; o++)
                *to++ = o < num_output ? (T)weight_data[(size_t)o * num_input + k] : (T)0.f;
        }
        for (int i = 0; i < 4 * width; i++)
        {
            const int o = start + i / (4 * lanes) * lanes + i % lanes;
            *to++ = o < num_output && !bias_data.empty() ? (T)bias_data[o] : (T)0.f;
        }
    }
}

// Positions start to stop of one group.
template<typename T>
static void pointwise_group(const Mat& bottom, Mat& top, const T* weights, const T* limits,
                            int kind, int first_output, int num_output, int start, int stop)
{
    const int lanes = 16 / sizeof(T);
    const bool unpacks = top.elempack == 1;
    const int outputs = std::min(num_output - first_output, 2 * lanes);
    const int rows = outputs > lanes ? 2 : 1;
    const size_t stride = bottom.cstep * 16;
    const T* bias = weights + (size_t)rows * lanes * lanes * bottom.c;
    T* to = top.channel(first_output / top.elempack);
    T* also = to + top.cstep * lanes;
    const T* input = bottom;
    const int count = bottom.c;
    const int fours = count / 4;
    const int rest = count % 4;
    const size_t step = top.cstep;
    T tile[2 * POINTWISE_TILE * lanes];
    int i = start;
    for (; i + POINTWISE_TILE <= stop; i += POINTWISE_TILE)
    {
        const T* from = input + (size_t)i * lanes;
        T* first = unpacks ? tile : to + (size_t)i * lanes;
        T* second = unpacks ? tile + POINTWISE_TILE * lanes : also + (size_t)i * lanes;
        if (rows == 2)
            pointwise_pair(from, stride, weights, bias, limits, kind, fours, rest, first, second);
        else
            pointwise_last(from, stride, weights, bias, limits, kind, fours, rest, first, second);
        if (!unpacks) continue;
        pointwise_unpack(tile, to + i, step, std::min(outputs, lanes));
        if (rows == 2)
            pointwise_unpack(tile + POINTWISE_TILE * lanes, also + i, step, outputs - lanes);
    }
    for (; i < stop; i++)
    {
        const T* from = input + (size_t)i * lanes;
        pointwise_one(from, stride, weights, bias, count, rows, tile);
        for (int o = 0; o < outputs; o++)
        {
            T value = tile[o];
            if (kind >= 1) value = std::max(value, limits[0]);
            if (kind == 2) value = std::min(value, limits[lanes]);
            if (unpacks)
                to[step * o + i] = value;
            else
                (o < lanes ? to : also)[(size_t)i * lanes + o % lanes] = value;
        }
    }
}

// bottom has a vector of channels an element; top as many, or one.
template<typename T>
static void pointwise(const Mat& bottom, Mat& top, const Mat& packed, int num_output,
                      const PointwiseClamp& clamp, int threads)
{
    const int lanes = 16 / sizeof(T);
    const int positions = bottom.w * bottom.h;
    T limits[2 * lanes];
    for (int i = 0; i < lanes; i++)
    {
        limits[i] = (T)clamp.low;
        limits[i + lanes] = (T)clamp.high;
    }
    int chunk = POINTWISE_BYTES / (bottom.c * 16);
    if (threads > 1) chunk = std::min(chunk, (positions + threads - 1) / threads);
    chunk = std::max((chunk + POINTWISE_TILE - 1) / POINTWISE_TILE, 1) * POINTWISE_TILE;
    const int chunks = (positions + chunk - 1) / chunk;
    #pragma omp parallel for num_threads(threads)
    for (int c = 0; c < chunks; c++)
    {
        const T* weights = packed;
        for (int output = 0; output < num_output; output += 2 * lanes)
        {
            const int stop = std::min(positions, (c + 1) * chunk);
            pointwise_group<T>(bottom, top, weights, limits, clamp.kind, output, num_output,
                               c * chunk, stop);
            weights += (size_t)2 * lanes * (bottom.c * lanes + 4);
        }
    }
}

// Packs the weights of a layer that is one of these; false, and nothing, of any other.
template<typename T>
static bool pointwise_packed(const Convolution& layer, int elempack, int out_elempack, Mat& packed)
{
    const int lanes = 16 / sizeof(T);
    const bool single = layer.kernel_w == 1 && layer.kernel_h == 1;
    const bool fits = single && layer.stride_w == 1 && layer.stride_h == 1;
    if (!fits || elempack != lanes || (out_elempack != lanes && out_elempack != 1)) return false;
    pointwise_pack<T>(layer.weight_data, layer.bias_data, layer.num_output, packed);
    return !packed.empty();
}

// The layer with its activation; top has its size already. 0, or ncnn's number of an error.
template<typename T>
static int pointwise_forward(const Convolution& layer, const Layer* activation, const Mat& bottom,
                             Mat& top, const Mat& packed, const Option& opt)
{
    Mat input = bottom;
    const int lanes = 16 / sizeof(T);
    if (bottom.elempack != lanes) convert_packing(bottom, input, lanes, opt);
    if (input.empty()) return -100;
    PointwiseClamp clamp;
    const bool whole = pointwise_clamp(layer.activation_type, layer.activation_params, clamp);
    pointwise<T>(input, top, packed, layer.num_output, clamp, opt.num_threads);
    return whole || !activation ? 0 : activation->forward_inplace(top, opt);
}

#else

// Cores without these registers have ncnn's own kernels.
template<typename T>
static bool pointwise_packed(const Convolution&, int, int, Mat&)
{
    return false;
}

template<typename T>
static int pointwise_forward(const Convolution&, const Layer*, const Mat&, Mat&, const Mat&,
                             const Option&)
{
    return -100;
}

#endif
