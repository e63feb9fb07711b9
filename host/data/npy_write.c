/* The header of a .npy file, always 128 bytes, so that it can be written again when the number of
 * rows is known. Format: numpy.lib.format, version 1.0. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "data/npy.h"
#include "data/writer.h"

void npy_make_header(const char *type, int64_t rows, int32_t columns, char header[NPY_HEADER_BYTES])
{
    char shape[48];
    if (columns == 0)
        snprintf(shape, sizeof shape, "(%lld,)", (long long)rows);
    else
        snprintf(shape, sizeof shape, "(%lld, %d)", (long long)rows, columns);
    memset(header, ' ', NPY_HEADER_BYTES);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = NPY_HEADER_BYTES - 10;
    header[9] = 0;
    int length = snprintf(header + 10, NPY_HEADER_BYTES - 10,
                          "{'descr': '%.8s', 'fortran_order': False, 'shape': %s, }", type, shape);
    header[10 + length] = ' ';
    header[NPY_HEADER_BYTES - 1] = '\n';
}

int npy_write_header(struct writer *writer, const char *type, int64_t rows, int32_t columns,
                     struct spot_error *err)
{
    char header[NPY_HEADER_BYTES];
    npy_make_header(type, rows, columns, header);
    return writer_put(writer, header, sizeof header, err);
}
