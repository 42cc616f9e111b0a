# The C++ API as one shared library, for programs other than our own: libmerganser.so holds all
# layers, exports what include/merganser declares and nothing else, and its users need none of the
# libraries that it is built from. Our own program and the tests link the layers statically, so that
# the program is one file.
get_property(layers GLOBAL PROPERTY MERGANSER_CORE_LAYERS)
set(objects "")
foreach(layer IN LISTS layers)
  get_target_property(type ${layer} TYPE)
  if(type STREQUAL STATIC_LIBRARY)
    list(APPEND objects $<TARGET_OBJECTS:${layer}>)
  endif()
endforeach()
add_library(merganser_shared SHARED ${objects})
add_library(merganser::merganser ALIAS merganser_shared)
target_link_libraries(merganser_shared PRIVATE merganser_api)
target_include_directories(merganser_shared INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(merganser_shared INTERFACE cxx_std_17)
# Before 1.0 each minor version may change the API, so it is a soname of its own.
set_target_properties(merganser_shared PROPERTIES
  OUTPUT_NAME merganser EXPORT_NAME merganser LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
if(NOT APPLE)
  set(map ${PROJECT_SOURCE_DIR}/cmake/libmerganser.map)
  target_link_options(merganser_shared PRIVATE -Wl,--version-script=${map})
  set_target_properties(merganser_shared PROPERTIES LINK_DEPENDS ${map})
endif()
