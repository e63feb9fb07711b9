/* Forests to files: spot_forest_save, and the thresholds of two libraries in each other's words. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "models/forest_write.h"

int write_refuse(const char *path, struct spot_error *err, const char *format, ...)
{
    char reason[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return spot_fail(err, SPOT_EUSAGE, "cannot write %.200s: %s", path, reason);
}

float threshold_below(double threshold)
{
    float nearest = (float)threshold;
    if ((double)nearest > threshold) nearest = nextafterf(nearest, -INFINITY);
    return nextafterf(nearest, INFINITY);
}

/* Values from the middle between the threshold and the float32 below it on are rounded to one of
 * the two; the middle itself to the even one. 2^128 stands for infinity, which it is rounded to. */
double threshold_up_to(float threshold)
{
    if (threshold == -INFINITY) return NAN;
    const float below = nextafterf(threshold, -INFINITY);
    const double low = below == -INFINITY ? -0x1p128 : (double)below;
    const double high = threshold == INFINITY ? 0x1p128 : (double)threshold;
    const double middle = low / 2.0 + high / 2.0;
    return (float)middle < threshold ? middle : nextafter(middle, -INFINITY);
}

int32_t forest_rounds(const spot_forest *model, int32_t trees)
{
    const struct forest *forest = &model->forest;
    int32_t most = 0;
    for (int32_t o = 0; o < forest->outputs; o++) {
        int32_t count = 0;
        for (int32_t t = 0; t < trees; t++)
            count += forest->tree_output[t] == o || forest->tree_output[t] < 0;
        if (count > most) most = count;
    }
    return most;
}

bool forest_names_are_default(const spot_forest *model)
{
    char name[24];
    for (int32_t f = 0; model->features != NULL && f < model->forest.features; f++) {
        snprintf(name, sizeof name, "Column_%d", f);
        if (strcmp(name, model->features[f]) != 0) return false;
    }
    return true;
}

int spot_forest_save(const spot_forest *model, const char *path, enum spot_forest_format format,
                     struct spot_error *err)
{
    struct writer *writer = NULL;
    int status = writer_open(path, &writer, err);
    if (status < 0) return status;
    if (format == SPOT_FOREST_LIGHTGBM_TEXT)
        status = lightgbm_write(model, path, writer, err);
    else
        status = xgboost_write(model, path, format == SPOT_FOREST_XGBOOST_UBJSON, writer, err);
    if (status == SPOT_OK) return writer_commit(writer, err);
    writer_abandon(writer);
    return status;
}
