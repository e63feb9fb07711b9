# Builds that watch themselves: the hardening every build has, sanitizers and line coverage (presets
# asan, tsan, coverage).
set(BLACKSPOT_SANITIZE "" CACHE STRING "Sanitizers to compile in, as -fsanitize= takes them")
option(BLACKSPOT_COVERAGE "Count the lines that run" OFF)

if(BLACKSPOT_SANITIZE)
  add_compile_options(-O1 -fsanitize=${BLACKSPOT_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BLACKSPOT_SANITIZE})
else()
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fstack-protector-strong>)
  add_compile_definitions($<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:C,CXX>>:_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,defs -Wl,-z,relro -Wl,-z,now)
endif()
if(BLACKSPOT_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
