# BLAS and LAPACK by their Fortran names, which every implementation has: no header, no CBLAS, no
# LAPACKE. OpenBLAS is asked for first, since it holds both in one library and is fast everywhere;
# where it is not there, whatever CMake finds will do (slowly, if it is the reference BLAS).
# Set BLA_VENDOR to choose another.
if(NOT DEFINED BLA_VENDOR)
  set(BLA_VENDOR OpenBLAS)
  find_package(BLAS QUIET)
  if(NOT BLAS_FOUND)
    unset(BLA_VENDOR)
  endif()
endif()
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
