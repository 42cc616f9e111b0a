# A layer is a folder of src/: every .cpp in it is compiled into one library, every *_test.cpp into
# one test program. A layer states its dependencies once, here; scripts/check_layers.py holds the
# includes against these statements (includes are not transitive: what a file includes, its layer
# must name). A layer's tests may use every layer below it. Each NAME_fuzz.cpp becomes a test that
# runs it once over the inputs in fuzz/corpus/NAME, with any compiler; with MERGANSER_FUZZ also a
# program NAME_fuzz that finds new ones (scripts/fuzz.sh, libFuzzer).
#
#   add_layer(NAME DEPENDS base kernels LIBRARIES yaml-cpp::yaml-cpp)
#
# TEST_SHARDS n: slow tests, run as n programs side by side.
# TESTS_COMPUTE: it is the tests' own loops that take the time: they are optimised.
# TOGETHER: its files are compiled several at once, as their headers take longer than they do. What
# they define for themselves has to have different names, then.
# COMPUTES: it has loops over elements, which are optimised even where sanitizers look on; of other
# layers those builds are made in half the time without.
include(${CMAKE_CURRENT_LIST_DIR}/precompiled.cmake)

add_library(merganser_options INTERFACE)
# Contraction of a*b+c into one rounding depends on the instruction set; off, so that every machine
# computes the same bytes (docs/numerics.md).
target_compile_options(merganser_options INTERFACE
  -Wall -Wextra -Wshadow -Wno-psabi -Wno-missing-field-initializers -ffp-contract=off -fno-math-errno -fvisibility=hidden)
target_include_directories(merganser_options INTERFACE
  ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/generated)
if(MERGANSER_SANITIZE)
  target_compile_options(merganser_options INTERFACE
    -fsanitize=${MERGANSER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(MERGANSER_SANITIZE_NOT)
    target_compile_options(merganser_options INTERFACE -fno-sanitize=${MERGANSER_SANITIZE_NOT})
  endif()
  target_link_options(merganser_options INTERFACE -fsanitize=${MERGANSER_SANITIZE})
endif()
if(MERGANSER_FUZZ)
  target_compile_options(merganser_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Tests and the command line's own files are run for moments and compiled at every change: less
# optimised they take the compiler a third less. What they call is a layer's, and is not.
set(merganser_light -O1)
if(MERGANSER_SANITIZE)
  set(merganser_light -O0)
endif()

function(add_layer name)
  cmake_parse_arguments(LAYER "TOGETHER;COMPUTES;TESTS_COMPUTE" "TEST_SHARDS" "DEPENDS;LIBRARIES;SUBFOLDERS" ${ARGN})
  set(patterns ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(subfolder IN LISTS LAYER_SUBFOLDERS)
    list(APPEND patterns ${CMAKE_CURRENT_SOURCE_DIR}/${subfolder}/*.cpp)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cpp$")
  list(TRANSFORM LAYER_DEPENDS PREPEND merganser_)
  set(kind "")
  if(merganser_torch IN_LIST LAYER_LIBRARIES)
    set(kind torch_)
  endif()

  if(sources)
    add_library(merganser_${name} STATIC ${sources})
    # The same objects go into the program, the tests and the shared library.
    set_target_properties(merganser_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(merganser_${name}
      PUBLIC merganser_options ${LAYER_DEPENDS} ${LAYER_LIBRARIES})
    set(optimised "")
    if(MERGANSER_SANITIZE AND LAYER_COMPUTES)
      set(optimised computing_)
    elseif(MERGANSER_SANITIZE)
      target_compile_options(merganser_${name} PRIVATE ${merganser_light})
    endif()
    use_precompiled(merganser_${name} ${kind}${optimised}layer)
    if(LAYER_TOGETHER)
      compile_together(merganser_${name})
    endif()
  else()
    add_library(merganser_${name} INTERFACE)
    target_link_libraries(merganser_${name}
      INTERFACE merganser_options ${LAYER_DEPENDS} ${LAYER_LIBRARIES})
  endif()

  get_property(below GLOBAL PROPERTY MERGANSER_LAYERS)
  set_property(GLOBAL APPEND PROPERTY MERGANSER_LAYERS merganser_${name})

  if(MERGANSER_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE
      merganser_${name} ${below} GTest::gmock GTest::gtest_main)
    set(speed "")
    if(LAYER_TESTS_COMPUTE)
      set(speed computing_)
    else()
      target_compile_options(${name}_test PRIVATE ${merganser_light})
    endif()
    target_compile_definitions(${name}_test PRIVATE
      MERGANSER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    use_precompiled(${name}_test ${kind}${speed}test)
    set_target_properties(${name}_test PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    if(LAYER_TEST_SHARDS)
      math(EXPR last "${LAYER_TEST_SHARDS} - 1")
      foreach(shard RANGE ${last})
        add_test(NAME ${name}_${shard} COMMAND ${name}_test)
        set_tests_properties(${name}_${shard} PROPERTIES ENVIRONMENT
          "GTEST_TOTAL_SHARDS=${LAYER_TEST_SHARDS};GTEST_SHARD_INDEX=${shard}")
      endforeach()
    else()
      add_test(NAME ${name} COMMAND ${name}_test)
    endif()
  endif()

  foreach(file IN LISTS fuzzers)
    get_filename_component(fuzzer ${file} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" subject ${fuzzer})
    if(MERGANSER_FUZZ)
      add_executable(${fuzzer} ${file})
      target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
    elseif(MERGANSER_TESTS)
      add_executable(${fuzzer} ${file} ${PROJECT_SOURCE_DIR}/fuzz/replay.cpp)
      add_test(NAME corpus_${subject}
        COMMAND ${fuzzer} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${subject})
    else()
      continue()
    endif()
    target_link_libraries(${fuzzer} PRIVATE merganser_${name})
    set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  endforeach()
endfunction()
