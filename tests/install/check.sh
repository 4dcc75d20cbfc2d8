#!/bin/sh
# The library as others get it: installed by the task as a person would run it, then used by a C and a C++ program that
# lie elsewhere, shared and static, found by pkg-config and by CMake. It is the library as it is shipped, as link-time
# optimisation changes what is in an archive; that of every day is what the languages are tested with.
#
#     sh tests/install/check.sh FOLDER
#
# at the root of the repository, with an empty folder for all that is made. What fails is said last.
set -eux
folder=$1
here=$PWD/tests/install
SAYS='0.1.0 invalid request, nothing was sent: users[0].tags[0]: 51 bytes, at most 50 (shorten it)'
unset LD_LIBRARY_PATH

fail() {
    echo "$*" >&2
    exit 1
}

# What is compared, what it should be, what it is.
equal() {
    [ "$2" = "$3" ] || fail "$1: $3, and not $2"
}

# A text, and what must be in it.
has() {
    case $1 in *"$2"*) ;; *) fail "no '$2' in: $1" ;; esac
}

lacks() {
    case $1 in *"$2"*) fail "'$2' is in: $1" ;; esac
}

# Installs as a person would, with a prefix and more options.
install() {
    "${CARGO:-cargo}" xtask install --prefix "$@"
}

# The names that a shared library (-D) or an archive (-g) gives to others.
names() {
    nm "$1" --defined-only "$2" | cut -s -d ' ' -f 3 | sort
}

# A language, and what its compiler is told.
compile() {
    case $1 in c) compiler=gcc ;; cpp) compiler='g++ -std=c++17' ;; esac
    shift
    $compiler -Wall -Wextra -Werror "$@"
}

# A program by its package and path needs the library (imtag) or has it in itself (imtag-static), and runs, with the
# library found in a folder where one is given.
runs() {
    case $1 in imtag) expected=libimtag.so.0.1 ;; imtag-static) expected= ;; esac
    needed=$(readelf -dW "$2" | sed -n 's/.*(NEEDED).*\[\(.*imtag.*\)\]/\1/p')
    equal "what $2 needs" "$expected" "$needed"
    said=$(LD_LIBRARY_PATH=${3-} "$2")
    equal "what $2 says" "$SAYS" "$said"
}

# Both kinds in both languages by CMake, in a folder of this name, with these settings; it tells programs where the
# library is.
by_cmake() {
    build=$folder/$1
    shift
    cmake -S "$here" -B "$build" "$@"
    cmake --build "$build"
    for language in c cpp; do
        runs imtag "$build/$language-shared"
        runs imtag-static "$build/$language-static"
    done
}

first=$folder/first
lib=$first/lib
install "$first"
again=$(install "$first")
lacks "$again" "wrote " # it is fresh

# the libraries have the promised names, and only those; the SONAME is as cargo-c names it
equal "the link libimtag.so" libimtag.so.0.1 "$(readlink "$lib/libimtag.so")"
equal "the link libimtag.so.0.1" libimtag.so.0.1.0 "$(readlink "$lib/libimtag.so.0.1")"
dynamic=$(readelf -dW "$lib/libimtag.so")
has "$dynamic" "soname: [libimtag.so.0.1]"
has "$(echo "$dynamic" | grep -F '(FLAGS_1)')" NODELETE # it cannot be unloaded
exported=$(names -D "$lib/libimtag.so")
has "$exported" im_add_tag
equal "what is exported without im_" "" "$(echo "$exported" | grep -v '^im_')"
equal "what the archive gives" "$exported" "$(names -g "$lib/libimtag.a")"
sections=$(readelf -SW "$lib/libimtag.a")
has "$sections" " .eh_frame "
has "$sections" " .init_array.00099 "

for package in imtag imtag-static; do
    flags=$(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags --libs $package)
    for language in c cpp; do
        compile $language -o "$folder/program" "$here/main.$language" $flags
        runs $package "$folder/program" "$lib"
    done
done
# a program that needs no library at all
for language in c cpp; do
    compile $language -static -o "$folder/program" "$here/main.$language" $flags
    runs imtag-static "$folder/program"
done

# libimtag.a and an archive of another project in one program that uses both: in either order, and with the names of the
# other hidden in the way of ours, after which its panics are caught as before
other=$folder/libother
for kind in staticlib,a cdylib,so; do
    # link-time optimisation makes one object of it, all of whose names then clash
    "${RUSTC:-rustc}" --edition 2024 --crate-name other --crate-type ${kind%,*} -O -C lto=fat \
        -o "$other.${kind#*,}" "$here/other.rs"
done
roots=$(names -D "$other.so")
ld -r --gc-sections --force-group-allocation $(printf -- '--undefined=%s ' $roots) -o "$folder/joined.o" "$other.a"
objcopy $(printf -- '--keep-global-symbol=%s ' $roots) --remove-section=.llvmbc --remove-section=.llvmcmd \
    --strip-unneeded "$folder/joined.o" "$folder/hidden.o"
ar rcsD "$folder/hidden.a" "$folder/hidden.o"
system=$(printf '%s\n' $flags | grep '^-l')
both() {
    gcc "$here/both.c" -o "$folder/both" "$@"
    said=$("$folder/both")
    equal "what both say" "0.1.0 1 5 -1" "$said"
}
both "$other.a" $flags
both $flags "$other.a" $system
both $flags "$folder/hidden.a" $system

# CMake finds a tree that was moved, so that it may be packed
moved=$folder/moved
mv "$first" "$moved"
by_cmake cmake "-DCMAKE_PREFIX_PATH=$moved"
# the repository as a part of another project, which has cargo build it
for how in add_subdirectory FetchContent; do
    by_cmake $how "-DIMTAG_SOURCE=$PWD" "-DIMTAG_BY=$how"
done

# what the C++ binding cannot be compiled with is said in one line
for wrong in "-std=c++14 imtag.hpp needs C++17 or newer" "-fno-exceptions imtag.hpp needs exceptions"; do
    flag=${wrong%% *}
    if said=$(g++ -std=c++17 $flag -fsyntax-only -x c++ -include "$moved/include/imtag.hpp" /dev/null 2>&1); then
        fail "g++ $flag takes imtag.hpp"
    fi
    errors=$(echo "$said" | grep 'error:')
    equal "lines that g++ $flag says" 1 "$(echo "$errors" | wc -l)"
    has "$errors" "${wrong#* }"
done

# for packagers: with a DESTDIR the files go there, and say where they will be used
install /opt/imtag --destdir "$folder/destdir" --libdir /opt/imtag/lib/x86_64-linux-gnu
lib=$folder/destdir/opt/imtag/lib/x86_64-linux-gnu
for package in imtag imtag-static; do
    pc=$(cat "$lib/pkgconfig/$package.pc")
    has "$pc" "prefix=/opt/imtag
libdir=\${prefix}/lib/x86_64-linux-gnu
"
    lacks "$pc" "$folder/destdir"
done
[ -f "$lib/libimtag.so.0.1.0" ] || fail "no libimtag.so.0.1.0 below the DESTDIR"

# a prefix that cannot be written to is named, with what to do
if said=$(install /dev/null/imtag 2>&1); then
    fail "an installation below /dev/null was no error"
fi
has "$said" "cannot write /dev/null/imtag/"
has "$said" "choose another --prefix"
