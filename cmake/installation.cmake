# What `cmake --install` puts where. Components: program (with its manual page and the shells'
# completions), library (libmerganser.so), development (headers and the CMake package). Nothing that
# is installed names the folder it is installed into.
include(CMakePackageConfigHelpers)
set(doc ${CMAKE_INSTALL_DATAROOTDIR}/doc/merganser)

install(TARGETS merganser COMPONENT program)
install(FILES LICENSE DESTINATION ${doc} COMPONENT program)
# The program and the library hold the plotting library of reports.
foreach(component IN ITEMS program library)
  install(FILES ${MERGANSER_PLOT}/LICENSE RENAME LICENSE.plot DESTINATION ${doc}
    COMPONENT ${component})
endforeach()

# The program itself says what its options are.
set(documents ${PROJECT_BINARY_DIR}/documents)
file(MAKE_DIRECTORY ${documents})
add_custom_command(
  OUTPUT ${documents}/merganser.1 ${documents}/merganser.bash ${documents}/_merganser
         ${documents}/merganser.fish
  COMMAND merganser man > merganser.1
  COMMAND merganser completion bash > merganser.bash
  COMMAND merganser completion zsh > _merganser
  COMMAND merganser completion fish > merganser.fish
  DEPENDS merganser
  WORKING_DIRECTORY ${documents}
  COMMENT "Writing the manual page and the shells' completions"
  VERBATIM)
add_custom_target(documents ALL DEPENDS ${documents}/merganser.1)
install(FILES ${documents}/merganser.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
set(share ${CMAKE_INSTALL_DATAROOTDIR})
install(FILES ${documents}/merganser.bash RENAME merganser
  DESTINATION ${share}/bash-completion/completions COMPONENT program)
install(FILES ${documents}/_merganser
  DESTINATION ${share}/zsh/site-functions COMPONENT program)
install(FILES ${documents}/merganser.fish
  DESTINATION ${share}/fish/vendor_completions.d COMPONENT program)

install(TARGETS merganser_shared EXPORT merganser_targets
  LIBRARY COMPONENT library NAMELINK_COMPONENT development)
install(DIRECTORY include/merganser DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development FILES_MATCHING PATTERN "*.h")

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/merganser)
set(generated ${PROJECT_BINARY_DIR}/package)
install(EXPORT merganser_targets NAMESPACE merganser:: FILE merganserTargets.cmake
  DESTINATION ${package} COMPONENT development)
configure_package_config_file(cmake/merganserConfig.cmake.in ${generated}/merganserConfig.cmake
  INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${generated}/merganserConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/merganserConfig.cmake ${generated}/merganserConfigVersion.cmake
  DESTINATION ${package} COMPONENT development)

# All that an installation needs, without the tests.
add_custom_target(installation DEPENDS merganser merganser_shared documents)
