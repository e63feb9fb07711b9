/* The public header, included first and alone, is C++17 and links as C. */
#include "blackspot.h"

#include <cstdio>
#include <string>

int main()
{
    const std::string wanted = std::to_string(SPOT_VERSION_MAJOR) + "." +
                               std::to_string(SPOT_VERSION_MINOR) + "." +
                               std::to_string(SPOT_VERSION_PATCH);
    const bool equal = wanted == spot_version();
    std::printf("header %s, library %s\n", wanted.c_str(), spot_version());
    return equal ? 0 : 1;
}
