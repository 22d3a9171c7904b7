# How libncnn is built from its source distribution: read by CMake before anything else (cmake -C).
#
# A shared library with the C API, for the CPU alone, and with the layers that networks of images
# use: each layer is compiled once for every instruction set, so fewer layers are fewer minutes.
# A file that needs another one is refused with the name of the layer.

set(NCNN_VERSION "20261020" CACHE STRING "Else the date of the build")
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(NCNN_SHARED_LIB ON CACHE BOOL "")
set(NCNN_C_API ON CACHE BOOL "")
set(NCNN_OPENMP ON CACHE BOOL "")

foreach(option VULKAN PIXEL SIMPLEOCV BUILD_TOOLS BUILD_EXAMPLES BUILD_TESTS BUILD_BENCHMARK
               INSTALL_SDK PYTHON BF16 WEIGHT_QUANT
               ARM84BF16 ARM84I8MM ARM86SVE
               FMA4 XOP AVXVNNI AVXVNNIINT8 AVXVNNIINT16 AVXNECONVERT
               AVX512VNNI AVX512BF16 AVX512FP16)
  set(NCNN_${option} OFF CACHE BOOL "")
endforeach()

foreach(layer bias bnll celu convolution1d convolution3d convolutiondepthwise1d
              convolutiondepthwise3d cumulativesum deconvolution1d deconvolution3d
              deconvolutiondepthwise1d deconvolutiondepthwise3d deformableconv2d detectionoutput
              diag einsum elu embed exp flip fold glu gru inversespectrogram log lrn lstm mvn
              pooling1d pooling3d priorbox proposal psroipooling reorg rnn roialign roipooling
              rotaryembed selu shrink spectrogram spp statisticspooling threshold
              yolodetectionoutput yolov3detectionoutput)
  set(WITH_LAYER_${layer} OFF CACHE BOOL "")
endforeach()

# With g++ 12 -O3: loops over vectors are not unrolled, which costs 7 instructions a vector.
set(CMAKE_CXX_FLAGS "-funroll-loops -include \"${CMAKE_CURRENT_LIST_DIR}/ncnn_arm.h\"" CACHE STRING "")

# Kernels of our own for 1x1 convolutions on ARM.
set(CMAKE_PROJECT_ncnn_INCLUDE "${CMAKE_CURRENT_LIST_DIR}/ncnn_kernels.cmake" CACHE FILEPATH "")
