# libtorch out of a PyTorch that is there already, for the runtime library: MERGANSER_TORCH is the
# folder of the Python package (python -c 'import torch; print(torch.__path__[0])'), or that of a
# libtorch archive. PyTorch's own CMake package is not used: of a CUDA build it asks for the whole
# CUDA toolkit, which compiling against the headers does not need.
add_library(merganser_torch INTERFACE)
if(NOT EXISTS ${MERGANSER_TORCH}/include/ATen/ATen.h)
  message(FATAL_ERROR "MERGANSER_TORCH=${MERGANSER_TORCH}: no include/ATen/ATen.h in there")
endif()
set(torch_libraries "")
foreach(name torch torch_cpu c10 torch_cuda c10_cuda)
  find_library(torch_${name} ${name} PATHS ${MERGANSER_TORCH}/lib NO_DEFAULT_PATH NO_CACHE)
  if(torch_${name})
    list(APPEND torch_libraries ${torch_${name}})
  elseif(NOT name MATCHES cuda)
    message(FATAL_ERROR "MERGANSER_TORCH=${MERGANSER_TORCH}: no lib/lib${name}")
  endif()
endforeach()
# After the system's headers: PyTorch brings an fmt of its own there, which is not the one we link.
# As system headers they are not held to our warnings.
target_compile_options(merganser_torch INTERFACE -idirafter${MERGANSER_TORCH}/include)
# libtorch_cuda only registers its operators: nothing of it is named, so a linker would drop it.
target_link_libraries(merganser_torch INTERFACE
  -Wl,--push-state,--no-as-needed ${torch_libraries} -Wl,--pop-state)
target_link_options(merganser_torch INTERFACE -Wl,-rpath,${MERGANSER_TORCH}/lib)
set(torch_version "")
foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(NOT torch_version AND EXISTS ${MERGANSER_TORCH}/include/${header})
    file(STRINGS ${MERGANSER_TORCH}/include/${header} lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
    list(JOIN numbers "." torch_version)
  endif()
endforeach()
message(STATUS "libtorch ${torch_version} in ${MERGANSER_TORCH}")
