# Every library from outside, found once. All are Debian packages: see scripts/setup.
find_package(PkgConfig REQUIRED)
pkg_check_modules(libelf REQUIRED IMPORTED_TARGET libelf)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf)
find_package(fmt REQUIRED)  # headers only: base/format.cc compiles what they declare
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  find_package(xbyak REQUIRED CONFIG)  # headers only: the encoder of the virtual machine's compiler
endif()
