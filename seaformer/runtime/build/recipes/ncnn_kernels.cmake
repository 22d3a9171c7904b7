# Puts calls of our own kernels (ncnn_pointwise.h, ncnn_integers.h) before those of ncnn's in its convolution layer
# for ARM. Included by CMake at ncnn's project(). The source is the one whose hash is pinned; its
# unpacked copy is changed. Ends the build where a line that is looked for is not there once.

function(put_before file line text)
  set(path "${CMAKE_CURRENT_SOURCE_DIR}/src/layer/arm/${file}")
  file(READ "${path}" source)
  string(FIND "${source}" "${text}${line}" done)
  if(NOT done EQUAL -1)
    return()  # configured again
  endif()
  string(FIND "${source}" "${line}" first)
  string(FIND "${source}" "${line}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "${file} does not have this line once: ${line}")
  endif()
  string(REPLACE "${line}" "${text}${line}" source "${source}")
  file(WRITE "${path}" "${source}")
endfunction()

function(take_pointwise file suffix type)
  put_before(${file} "static void convolution_transform_kernel_packed${suffix}_neon("
             "#include \"${CMAKE_CURRENT_FUNCTION_LIST_DIR}/ncnn_pointwise.h\"\n\n")
  string(REPLACE fp16s fp16sa gemm "${suffix}")
  put_before(${file} "        convolution_im2col_gemm_transform_kernel${gemm}(weight_data,"
             "        if (!pointwise_packed<${type}>(*this, elempack, out_elempack,
                                       weight_data_tm))\n    ")
  put_before(${file} "        int ret = convolution_im2col_gemm${gemm}(bottom_blob_bordered,"
             "        if (!weight_data_tm.empty())
            return pointwise_forward<${type}>(*this, activation, bottom_blob_bordered, top_blob,
                                              weight_data_tm, opt);\n\n")
endfunction()

function(take_integers file)
  put_before(${file} "int Convolution_arm::create_pipeline_int8_arm(const Option& opt)"
             "#include \"${CMAKE_CURRENT_FUNCTION_LIST_DIR}/ncnn_integers.h\"\n\n")
  put_before(${file} "        convolution_im2col_gemm_transform_kernel_int8(weight_data,"
             "        if (!integers_packed(*this, opt, weight_data_tm))\n    ")
  put_before(${file} "    Mat bottom_blob_int8 = bottom_blob;"
             "    if (opt.use_sgemm_convolution && !weight_data_tm.empty())
        return integers_forward(*this, activation, bottom_blob, top_blob, weight_data_tm, opt);\n\n")
endfunction()

take_pointwise(convolution_arm.cpp "" float)
take_pointwise(convolution_arm_asimdhp.cpp _fp16s __fp16)
take_integers(convolution_arm.cpp)
