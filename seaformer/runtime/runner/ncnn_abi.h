// The part of ncnn's C API (c_api.h of 1.0.20261020) that the runner calls, looked up in the
// library by name. Handles are opaque; what a call creates is the caller's to destroy.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <string>

namespace seaformer::ncnn_abi {

struct Option;
struct Mat;
struct Net;
struct Extractor;
struct Layer;

// Empty, or the name of the first function that the library lacks.
struct Api {
  const char* (*version)() = nullptr;
  Option* (*net_get_option)(Net*) = nullptr;
  void (*option_set_num_threads)(Option*, int) = nullptr;
  Net* (*net_create)() = nullptr;
  void (*net_destroy)(Net*) = nullptr;
  int (*net_load_param)(Net*, const char*) = nullptr;
  int (*net_load_model)(Net*, const char*) = nullptr;
  int (*net_get_input_count)(const Net*) = nullptr;
  int (*net_get_output_count)(const Net*) = nullptr;
  const char* (*net_get_input_name)(const Net*, int) = nullptr;
  const char* (*net_get_output_name)(const Net*, int) = nullptr;
  Extractor* (*extractor_create)(Net*) = nullptr;
  void (*extractor_destroy)(Extractor*) = nullptr;
  int (*extractor_input)(Extractor*, const char*, const Mat*) = nullptr;
  int (*extractor_extract)(Extractor*, const char*, Mat**) = nullptr;
  Mat* (*mat_create_1d)(int, void*) = nullptr;
  Mat* (*mat_create_2d)(int, int, void*) = nullptr;
  Mat* (*mat_create_3d)(int, int, int, void*) = nullptr;
  void (*mat_destroy)(Mat*) = nullptr;
  int (*mat_get_dims)(const Mat*) = nullptr;
  int (*mat_get_w)(const Mat*) = nullptr;
  int (*mat_get_h)(const Mat*) = nullptr;
  int (*mat_get_c)(const Mat*) = nullptr;
  size_t (*mat_get_elemsize)(const Mat*) = nullptr;
  void* (*mat_get_channel_data)(const Mat*, int) = nullptr;
  Layer* (*layer_create_by_type)(const char*) = nullptr;
  void (*layer_destroy)(Layer*) = nullptr;
  void (*omp_set_max_active_levels)(int) = nullptr;  // OpenMP's; null without OpenMP

  // Looks everything up. Returns the name of the first function that is missing, or "".
  std::string open(void* handle) {
    std::string missing;
    const auto find = [&](auto* function, const char* name) {
      *function = reinterpret_cast<std::remove_pointer_t<decltype(function)>>(dlsym(handle, name));
      if (*function == nullptr && missing.empty()) missing = name;
    };
    find(&version, "ncnn_version");
    find(&net_get_option, "ncnn_net_get_option");
    find(&option_set_num_threads, "ncnn_option_set_num_threads");
    find(&net_create, "ncnn_net_create");
    find(&net_destroy, "ncnn_net_destroy");
    find(&net_load_param, "ncnn_net_load_param");
    find(&net_load_model, "ncnn_net_load_model");
    find(&net_get_input_count, "ncnn_net_get_input_count");
    find(&net_get_output_count, "ncnn_net_get_output_count");
    find(&net_get_input_name, "ncnn_net_get_input_name");
    find(&net_get_output_name, "ncnn_net_get_output_name");
    find(&extractor_create, "ncnn_extractor_create");
    find(&extractor_destroy, "ncnn_extractor_destroy");
    find(&extractor_input, "ncnn_extractor_input");
    find(&extractor_extract, "ncnn_extractor_extract");
    find(&mat_create_1d, "ncnn_mat_create_1d");
    find(&mat_create_2d, "ncnn_mat_create_2d");
    find(&mat_create_3d, "ncnn_mat_create_3d");
    find(&mat_destroy, "ncnn_mat_destroy");
    find(&mat_get_dims, "ncnn_mat_get_dims");
    find(&mat_get_w, "ncnn_mat_get_w");
    find(&mat_get_h, "ncnn_mat_get_h");
    find(&mat_get_c, "ncnn_mat_get_c");
    find(&mat_get_elemsize, "ncnn_mat_get_elemsize");
    find(&mat_get_channel_data, "ncnn_mat_get_channel_data");
    find(&layer_create_by_type, "ncnn_layer_create_by_type");
    find(&layer_destroy, "ncnn_layer_destroy");
    const std::string lacking = missing;
    find(&omp_set_max_active_levels, "omp_set_max_active_levels");
    return lacking;
  }
};

}  // namespace seaformer::ncnn_abi
