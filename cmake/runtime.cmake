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
# It finds libtorch where it was built with it; MERGANSER_RUNTIME names another build of it.
set_target_properties(merganser_runtime_shared PROPERTIES INSTALL_RPATH ${MERGANSER_TORCH}/lib)
install(TARGETS merganser_runtime_shared
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime OPTIONAL)
