# Two ways to compile in less time, off in the preset clang, which so checks that each file names
# what it needs.
#
#   compile_together(TARGET)
#
# The target's files by eights (CMake's unity build). Not where one is changed again and again.
#
# Headers that most files include, compiled once for all of them: of the layers, of their tests, and
# of what includes libtorch.
#
#   use_precompiled(TARGET KIND)
#
# KIND: layer, computing_layer, test, computing_test, torch_layer, torch_test. Targets of a kind have
# the same compile options, or the compiler takes the headers as text again.
option(MERGANSER_PCH "Compile the common headers once" ON)
option(MERGANSER_TOGETHER "Compile files of one layer together" ON)

function(compile_together target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${MERGANSER_TOGETHER})
endfunction()

set(common <algorithm> <array> <cmath> <filesystem> <functional> <limits> <map> <memory> <numeric>
           <optional> <set> <span> <string> <variant> <vector> <fmt/format.h> <nlohmann/json.hpp>)
set(MERGANSER_PCH_layer ${common})
set(MERGANSER_PCH_computing_layer ${common})
set(MERGANSER_PCH_test ${common} <gmock/gmock.h> <gtest/gtest.h>)
set(MERGANSER_PCH_computing_test ${MERGANSER_PCH_test})
set(MERGANSER_PCH_torch_layer <ATen/ATen.h> <fmt/format.h> <nlohmann/json.hpp>)
set(MERGANSER_PCH_torch_test ${MERGANSER_PCH_torch_layer} <gmock/gmock.h> <gtest/gtest.h>)

# The first target of a kind compiles the headers, the others take them from it.
function(use_precompiled target kind)
  if(NOT MERGANSER_PCH)
    return()
  endif()
  # GCC forgets that what is precompiled are a system's headers, and tells its false alarms in them.
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread>)
  get_property(owner GLOBAL PROPERTY MERGANSER_PCH_OWNER_${kind})
  if(owner)
    target_precompile_headers(${target} REUSE_FROM ${owner})
  else()
    target_precompile_headers(${target} PRIVATE ${MERGANSER_PCH_${kind}})
    set_property(GLOBAL PROPERTY MERGANSER_PCH_OWNER_${kind} ${target})
  endif()
endfunction()
