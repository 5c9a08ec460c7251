# SPDX-License-Identifier: Apache-2.0
# Helpers that keep every folder's CMakeLists.txt to a few lines.

add_library(weir_options INTERFACE)
target_include_directories(weir_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_features(weir_options INTERFACE c_std_11)
target_compile_definitions(weir_options INTERFACE _GNU_SOURCE)
target_compile_options(weir_options INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wswitch-enum -Wvla -Wformat=2 -Wundef -fno-strict-aliasing
    -fstack-protector-strong -fPIE)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Texts for people are cut on purpose where they do not fit.
    target_compile_options(weir_options INTERFACE -Wno-format-truncation)
endif()
target_link_options(weir_options INTERFACE -pie -Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(weir_options INTERFACE -O2 -g1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(WEIR_SANITIZE)
    target_compile_options(weir_options INTERFACE
        -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(weir_options INTERFACE -fsanitize=${WEIR_SANITIZE})
endif()
if(WEIR_COVERAGE)
    target_compile_options(weir_options INTERFACE --coverage)
    target_link_options(weir_options INTERFACE --coverage)
endif()

# weir_layer(NAME knows... [LINK libs...]): one library per folder of src/, linking exactly the layers it may know.
function(weir_layer name)
    cmake_parse_arguments(ARG "" "" "KNOWS;LINK" ${ARGN})
    # A folder may have one level of folders, for parts that live side by side in it.
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c ${CMAKE_CURRENT_SOURCE_DIR}/*/*.c)
    add_library(weir_${name} STATIC ${sources})
    target_link_libraries(weir_${name} PUBLIC weir_options)
    foreach(layer ${ARG_KNOWS})
        target_link_libraries(weir_${name} PUBLIC weir_${layer})
    endforeach()
    target_link_libraries(weir_${name} PUBLIC ${ARG_LINK})
endfunction()

# weir_unit_test(FOLDER FILE layers...): one Criterion executable tests/unit/FOLDER/FILE.c.
# Criterion does not start under ThreadSanitizer; those builds run the plain programs only.
function(weir_unit_test folder file)
    if(WEIR_SANITIZE MATCHES "thread" OR WEIR_FUZZ)
        return()
    endif()
    set(target unit_${folder}_${file})
    add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/${file}.c)
    foreach(layer ${ARGN})
        target_link_libraries(${target} PRIVATE weir_${layer})
    endforeach()
    target_link_libraries(${target} PRIVATE weir_options criterion)
    add_test(NAME unit/${folder}/${file} COMMAND ${target} --jobs 1)
    set_tests_properties(unit/${folder}/${file} PROPERTIES TIMEOUT 300 LABELS unit)
endfunction()

# weir_plain_test(NAME SOURCE layers...): an executable with its own main(); exit 0 is a pass.
function(weir_plain_test name source)
    string(REPLACE "/" "_" target ${name})
    add_executable(${target} ${PROJECT_SOURCE_DIR}/${source})
    foreach(layer ${ARGN})
        target_link_libraries(${target} PRIVATE weir_${layer})
    endforeach()
    target_link_libraries(${target} PRIVATE weir_options)
    add_test(NAME ${name} COMMAND ${target})
    set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS plain)
endfunction()
