/* Stands in for the toolkit's header of this name when a C++ compiler builds kernels/ for tests. */
#include "cuda_emulation.h"
