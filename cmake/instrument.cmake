# Builds that watch themselves: sanitizers and line coverage (presets asan, tsan, coverage).
set(BLACKSPOT_SANITIZE "" CACHE STRING "Sanitizers to compile in, as -fsanitize= takes them")
option(BLACKSPOT_COVERAGE "Count the lines that run" OFF)

if(BLACKSPOT_SANITIZE)
  add_compile_options(-O1 -fsanitize=${BLACKSPOT_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BLACKSPOT_SANITIZE})
else()
  add_link_options(-Wl,-z,defs -Wl,-z,relro -Wl,-z,now)
endif()
if(BLACKSPOT_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
