# `cpack` in the build folder, after the target `installation`: Debian packages (make deb).
set(MERGANSER_MAINTAINER "The merganser authors <maintainers@merganser.example>"
    CACHE STRING "Maintainer of the Debian packages")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME merganser)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "merges fine-tuned checkpoints of one base model")
set(CPACK_PACKAGE_CONTACT ${MERGANSER_MAINTAINER})
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program library development)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/stage.cmake)
set(CPACK_MERGANSER_PLOT ${MERGANSER_PLOT})  # for that script

set(soversion ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME merganser)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "Reads recipes in MergeKit's schema, works on safetensors checkpoints of any
size in a fixed amount of memory, and writes a folder that transformers loads.
One program; neither Python nor PyTorch is needed.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libmerganser${soversion})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
# Instead of CPack's own, whose scripts call ldconfig where a trigger is Debian's way.
set(control ${PROJECT_BINARY_DIR}/package)
file(CONFIGURE OUTPUT ${control}/shlibs CONTENT
     "libmerganser ${soversion} libmerganser${soversion} (>= ${PROJECT_VERSION})\n")
file(CONFIGURE OUTPUT ${control}/triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${control}/shlibs ${control}/triggers)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "This package has the shared library, which plans, makes, compares and
describes merges as the program merganser does.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libmerganser-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "libmerganser${soversion} (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "This package has the C++ headers and the CMake package of libmerganser.")
include(CPack)
