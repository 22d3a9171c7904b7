# libncnn is opened at run time; nothing is linked.

target_sources(seaformer_runner PRIVATE ncnn_param.cpp)
