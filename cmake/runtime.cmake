# libmerganser_runtime.so: what runs models, with libtorch, opened by the core on first use
# (src/api/runtime_library.h). It holds the core's layers a second time and shares nothing with the
# program but the types of include/merganser: its only symbol is the table of its functions.
add_library(merganser_runtime_shared SHARED $<TARGET_OBJECTS:merganser_runtime_api>)
target_link_libraries(merganser_runtime_shared PRIVATE merganser_runtime_api)
set_target_properties(merganser_runtime_shared PROPERTIES
  OUTPUT_NAME merganser_runtime LINKER_LANGUAGE CXX)
if(NOT APPLE)
  set(map ${PROJECT_SOURCE_DIR}/cmake/libmerganser_runtime.map)
  target_link_options(merganser_runtime_shared PRIVATE -Wl,--version-script=${map})
  set_target_properties(merganser_runtime_shared PROPERTIES LINK_DEPENDS ${map})
endif()

# Nothing but a need for libtorch: the core opens it first, such that libtorch binds to the BLAS that
# it brings and not to the program's, which is in the global scope (src/api/runtime_library.cpp).
file(CONFIGURE OUTPUT torch_scope.cpp CONTENT "// Empty: see cmake/runtime.cmake.\n")
add_library(merganser_torch_scope SHARED ${CMAKE_CURRENT_BINARY_DIR}/torch_scope.cpp)
target_link_libraries(merganser_torch_scope PRIVATE merganser_torch)
set_target_properties(merganser_torch_scope PROPERTIES OUTPUT_NAME merganser_torch)
add_dependencies(merganser_runtime_shared merganser_torch_scope)

# They find libtorch where they were built with it; MERGANSER_RUNTIME names another build.
set_target_properties(merganser_runtime_shared merganser_torch_scope PROPERTIES
  INSTALL_RPATH ${MERGANSER_TORCH}/lib)
install(TARGETS merganser_runtime_shared merganser_torch_scope
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime OPTIONAL)
