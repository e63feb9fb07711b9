/* From margins to values, each library's way: XGBoost computes in float32, LightGBM in float64. The
 * formulas are those of their sources (docs/formats.md). */
#include <float.h>
#include <math.h>

#include "models/forest.h"

static float sigmoid32(float x)
{
    const float least = -88.7f; /* expf would overflow */
    return 1.0f / (expf(-x < -least ? -x : -least) + 1.0f + 1e-16f);
}

static void softmax32(double *margins, int32_t outputs)
{
    float largest = (float)margins[0];
    double sum = 0.0;
    for (int32_t o = 1; o < outputs; o++)
        largest = fmaxf(largest, (float)margins[o]);
    for (int32_t o = 0; o < outputs; o++) {
        margins[o] = (double)expf((float)margins[o] - largest);
        sum += margins[o];
    }
    for (int32_t o = 0; o < outputs; o++)
        margins[o] = (double)((float)margins[o] / (float)sum);
}

static double link32(const spot_forest *model, float margin)
{
    switch (model->link) {
    case LINK_SIGMOID:
        return (double)sigmoid32(margin);
    case LINK_EXP:
        return (double)expf(margin);
    case LINK_HINGE:
        return margin > 0.0f ? 1.0 : 0.0;
    default:
        return (double)margin;
    }
}

static void softmax64(double *margins, int32_t outputs)
{
    double largest = margins[0], sum = 0.0;
    for (int32_t o = 1; o < outputs; o++)
        largest = fmax(largest, margins[o]);
    for (int32_t o = 0; o < outputs; o++)
        sum += margins[o] = exp(margins[o] - largest);
    for (int32_t o = 0; o < outputs; o++)
        margins[o] /= sum;
}

static double link64(const spot_forest *model, double margin)
{
    switch (model->link) {
    case LINK_SIGMOID:
        return 1.0 / (1.0 + exp(-model->link_parameter * margin));
    case LINK_EXP:
        return exp(margin);
    case LINK_LOG1P_EXP:
        return log1p(exp(margin));
    case LINK_SIGNED_SQUARE:
        return margin < 0.0 ? -margin * margin : margin * margin;
    default:
        return margin;
    }
}

void forest_link_values(const spot_forest *model, int64_t rows, double *margins)
{
    const int32_t outputs = model->forest.outputs;
    const int xgboost = model->forest.rules == FOREST_XGBOOST;
    if (model->link == LINK_IDENTITY) return;
    if (model->link == LINK_SOFTMAX) {
        for (int64_t i = 0; i < rows; i++, margins += outputs)
            (xgboost ? softmax32 : softmax64)(margins, outputs);
        return;
    }
    for (int64_t i = 0; i < rows * outputs; i++)
        margins[i] = xgboost ? link32(model, (float)margins[i]) : link64(model, margins[i]);
}
