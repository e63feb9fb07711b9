/* Order statistics of float64 numbers, exact and independent of their order. No NaN; -0 and 0 are
 * the same value, 0. All of them rearrange `values`. */
#ifndef SPOT_DATA_ORDER_H
#define SPOT_DATA_ORDER_H

#include <stdint.h>

/* numpy's percentile with linear interpolation: fraction 0.25 is the lower quartile; count > 0. */
double order_quantile(double *values, int64_t count, double fraction);

/* numpy's median: the middle value or the mean of the middle two; count > 0. */
double order_median(double *values, int64_t count);

/* The most frequent value, the smallest of them where several are; count > 0. */
double order_mode(double *values, int64_t count);

#endif
