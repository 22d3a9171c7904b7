# ExecuTorch is linked, from the CMake package of its wheel or of any other install
# (CMAKE_PREFIX_PATH).

# BOTH: a toolchain file that confines searches to its sysroot would not see the wheel.
find_package(executorch CONFIG REQUIRED CMAKE_FIND_ROOT_PATH_BOTH)
target_sources(seaformer_runner PRIVATE executorch_tracer.cpp)
if(TARGET executorch::runtime)
  # A component this platform's package lacks is left out: an operator that is then missing is
  # named when a model is loaded.
  foreach(component runtime kernels_optimized backend_xnnpack threadpool)
    if(TARGET executorch::${component})
      target_link_libraries(seaformer_runner PRIVATE executorch::${component})
    else()
      message(WARNING "executorch::${component} is not in this ExecuTorch package")
    endif()
  endforeach()
elseif(ANDROID AND TARGET executorch)
  # UNTESTED: no NDK has built this yet. An ExecuTorch built from source for Android installs
  # static libraries under these names; whole, because kernels register themselves.
  target_link_libraries(
    seaformer_runner
    PRIVATE executorch extension_module_static extension_tensor extension_data_loader
            extension_threadpool "$<LINK_LIBRARY:WHOLE_ARCHIVE,optimized_native_cpu_ops_lib>"
            "$<LINK_LIBRARY:WHOLE_ARCHIVE,xnnpack_backend>")
else()
  message(FATAL_ERROR "${executorch_DIR} offers no target executorch::runtime; expected the "
                      "package of an ExecuTorch wheel, 1.5 or newer")
endif()
if(TARGET executorch::threadpool OR TARGET extension_threadpool)
  target_compile_definitions(seaformer_runner PRIVATE SEAFORMER_ET_THREADPOOL)
endif()
target_compile_definitions(seaformer_runner
                           PRIVATE SEAFORMER_ET_VERSION="${EXECUTORCH_BUILD_VERSION}")
