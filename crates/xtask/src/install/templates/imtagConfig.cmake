# find_package(imtag): imtag::imtag is the shared library, imtag::imtag_static the static one. Everything is found from
# where this file lies, so that the tree may be moved.

get_filename_component(_imtag_here "${CMAKE_CURRENT_LIST_FILE}" REALPATH)
get_filename_component(_imtag_here "${_imtag_here}" DIRECTORY)
get_filename_component(_imtag_prefix "${_imtag_here}/@UP@" ABSOLUTE)
set(_imtag_libdir "${_imtag_prefix}/@LIBDIR@")
set(_imtag_includedir "${_imtag_prefix}/@INCLUDEDIR@")

foreach(_imtag_file "${_imtag_libdir}/@FILE@" "${_imtag_libdir}/libimtag.a" "${_imtag_includedir}/imtag.h")
  if(NOT EXISTS "${_imtag_file}")
    set(imtag_FOUND FALSE)
    set(imtag_NOT_FOUND_MESSAGE "${_imtag_file} is missing: install libimtag again")
    return()
  endif()
endforeach()

if(NOT TARGET imtag::imtag)
  add_library(imtag::imtag SHARED IMPORTED)
  set_target_properties(imtag::imtag PROPERTIES
    IMPORTED_LOCATION "${_imtag_libdir}/@FILE@"
    IMPORTED_SONAME "@SONAME@"
    INTERFACE_INCLUDE_DIRECTORIES "${_imtag_includedir}")
endif()

if(NOT TARGET imtag::imtag_static)
  add_library(imtag::imtag_static STATIC IMPORTED)
  set_target_properties(imtag::imtag_static PROPERTIES
    IMPORTED_LOCATION "${_imtag_libdir}/libimtag.a"
    IMPORTED_LINK_INTERFACE_LANGUAGES "C"
    INTERFACE_INCLUDE_DIRECTORIES "${_imtag_includedir}"
    INTERFACE_LINK_LIBRARIES "@SYSTEM@")
endif()

foreach(_imtag_name here prefix libdir includedir file)
  unset(_imtag_${_imtag_name})
endforeach()
unset(_imtag_name)
