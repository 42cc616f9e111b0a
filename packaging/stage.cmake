# Run by CPack between installing and packing: what Debian wants of each package besides the files
# of `cmake --install`: copyright and change log in a folder of the package's name, compressed pages.
set(names "program=merganser" "library=${CPACK_DEBIAN_LIBRARY_PACKAGE_NAME}"
          "development=${CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME}")
foreach(entry IN LISTS names)
  string(REGEX MATCH "(.*)=(.*)" entry ${entry})
  set(usr ${CPACK_TEMPORARY_DIRECTORY}/${CMAKE_MATCH_1}${CPACK_PACKAGING_INSTALL_PREFIX})
  if(NOT IS_DIRECTORY ${usr})
    message(FATAL_ERROR "no component in ${usr}")
  endif()
  set(doc ${usr}/share/doc/${CMAKE_MATCH_2})
  file(REMOVE_RECURSE ${usr}/share/doc)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/copyright ${doc}/copyright COPYONLY)
  configure_file(${CPACK_MERGANSER_PLOT}/LICENSE ${doc}/LICENSE.plot COPYONLY)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in ${doc}/changelog @ONLY)
  file(CHMOD_RECURSE ${doc} FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ
       DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                             WORLD_READ WORLD_EXECUTE)
  if(IS_DIRECTORY ${usr}/share/zsh/site-functions)  # which is for the administrator's own
    file(RENAME ${usr}/share/zsh/site-functions ${usr}/share/zsh/vendor-completions)
  endif()
  file(GLOB pages ${usr}/share/man/man*/*.[1-9])
  execute_process(COMMAND gzip -9nf ${doc}/changelog ${pages} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
