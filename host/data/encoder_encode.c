/* Encoding a batch: feature by feature down the columns, into the rows of the matrix. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/encoder_internal.h"
#include "data/schema_internal.h"

struct encoding {
    struct pass pass;
    const char *file;
    float *matrix; /* (kept, width) row-major, or NULL: */
    double *wide;  /* the same in float64 */
};

/* Columns of the matrix from some cell on: one of the two pointers. */
struct cells {
    float *narrow;
    double *wide;
    int32_t width; /* from one row to the next */
};

static struct cells cells_of(const struct encoding *encoding, int32_t column)
{
    return (struct cells){encoding->wide == NULL ? encoding->matrix + column : NULL,
                          encoding->wide == NULL ? NULL : encoding->wide + column,
                          encoding->pass.encoder->width};
}

/* Puts a value of row i; returns whether it is finite there. */
static inline __attribute__((always_inline)) bool put(struct cells out, int64_t i, double value)
{
    if (out.wide != NULL) {
        out.wide[i * out.width] = value;
        return fabs(value) <= DBL_MAX;
    }
    const float rounded = (float)value;
    out.narrow[i * out.width] = rounded;
    return fabsf(rounded) <= FLT_MAX;
}

static bool is_finite(struct cells out, int64_t i)
{
    return out.wide != NULL ? fabs(out.wide[i * out.width]) <= DBL_MAX
                            : fabsf(out.narrow[i * out.width]) <= FLT_MAX;
}

/* "FILE:LINE: NAME: " and what is wrong with the i-th row that stays. */
static int row_fail(const struct encoding *encoding, const struct feature *feature, int64_t i,
                    const char *what, struct spot_error *err)
{
    const struct pass *pass = &encoding->pass;
    char text[100];
    schema_value_text(pass->encoder->schema, pass->batch, feature->columns[0], pass_row(pass, i),
                      text, sizeof text);
    return spot_fail(err, SPOT_EDATA, "%s:%lld: %s: %s %s", encoding->file,
                     (long long)batch_line(pass->batch, pass_row(pass, i)), feature->name, text,
                     what);
}

static void put_indicator(const struct encoding *encoding, const struct feature *feature,
                          const double *values)
{
    const struct cells out = cells_of(encoding, feature->first + feature->width - 1);
    for (int64_t i = 0; i < encoding->pass.kept; i++)
        put(out, i, isnan(values[i]) ? 1.0 : 0.0);
}

/* (x - centre) / spread - offset; returns whether all of them are finite. */
static bool scale_values(const struct feature *feature, bool fills, const double *values,
                         int64_t rows, struct cells out)
{
    double centre = feature->centre, spread = feature->spread, offset = feature->offset;
    double fill = fills ? feature->fill : NAN;
    int64_t bad = 0;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i];
        x = x == x ? x : fill;
        bad += !put(out, i, (x - centre) / spread - offset);
    }
    return bad == 0;
}

/* The same where nothing is scaled: the division would cost more than all the rest. */
static bool shift_values(const struct feature *feature, bool fills, const double *values,
                         int64_t rows, struct cells out)
{
    double offset = feature->offset, fill = fills ? feature->fill : NAN;
    int64_t bad = 0;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i];
        x = x == x ? x : fill;
        bad += !put(out, i, x - offset);
    }
    return bad == 0;
}

static bool circle_values(const struct feature *feature, bool fills, const double *values,
                          int64_t rows, struct cells out)
{
    struct cells next = out;
    if (next.wide != NULL)
        next.wide++;
    else
        next.narrow++;
    double last = NAN, sine = 0.0, cosine = 0.0;
    bool good = true;
    for (int64_t i = 0; i < rows; i++) {
        double x = isnan(values[i]) && fills ? feature->fill : values[i];
        if (!isfinite(x)) {
            good = false;
            continue;
        }
        if (x != last) turn_sine_cosine(x / feature->period, &sine, &cosine);
        last = x;
        put(out, i, sine);
        put(next, i, cosine);
    }
    return good;
}

static int encode_numbers(struct encoding *encoding, const struct feature *feature,
                          struct spot_error *err)
{
    const double *values = pass_values(&encoding->pass, feature);
    int64_t rows = encoding->pass.kept;
    const struct cells out = cells_of(encoding, feature->first);
    bool fills = feature->impute != IMPUTE_NONE && feature->impute != IMPUTE_DROP_ROW;
    bool plain = feature->centre == 0.0 && feature->spread == 1.0;
    bool good = feature->period > 0.0 ? circle_values(feature, fills, values, rows, out)
                : plain               ? shift_values(feature, fills, values, rows, out)
                                      : scale_values(feature, fills, values, rows, out);
    if (feature->indicator) put_indicator(encoding, feature, values);
    if (good) return SPOT_OK;
    for (int64_t i = 0; i < rows; i++) {
        if (isnan(values[i]) && !fills)
            return row_fail(encoding, feature, i,
                            "cannot be used: give the feature `impute`, or drop_row", err);
        if (!isnan(values[i]) && !is_finite(out, i))
            return row_fail(encoding, feature, i,
                            out.wide != NULL ? "is too large: scale the feature"
                                             : "is too large for float32: scale the feature",
                            err);
    }
    return spot_fail(err, SPOT_EDATA, "%s: the value that stands for a missing one is too large",
                     feature->name);
}

/* ---- Categories ---- */

enum { CODE_IGNORED = -2, CODE_REFUSED = -3, CODE_MISSING = -4 };

/* What a text becomes: a target, or a code of the ones above. */
static int32_t target_of(const struct feature *feature, const char *text)
{
    int32_t index = categories_find(&feature->categories, text);
    if (index >= 0) return feature->targets[index];
    if (feature->unknown == UNKNOWN_OTHER) return feature->kept;
    return feature->unknown == UNKNOWN_IGNORE ? CODE_IGNORED : CODE_REFUSED;
}

static void put_one_hot(const struct encoding *encoding, int32_t first, int64_t i, int32_t columns,
                        int32_t target)
{
    for (int32_t j = 0; j < columns; j++)
        put(cells_of(encoding, first + j), i, j == target ? 1.0 : 0.0);
}

/* Writes the columns of the matrix from the targets (kept). */
static void put_targets(const struct encoding *encoding, const struct feature *feature,
                        const int32_t *targets, int64_t rows)
{
    const struct cells out = cells_of(encoding, feature->first);
    int32_t columns = feature->width - (feature->indicator ? 1 : 0);
    for (int64_t i = 0; i < rows; i++) {
        int32_t target = targets[i];
        if (feature->encode == ENCODE_ONE_HOT)
            put_one_hot(encoding, feature->first, i, columns, target);
        else if (feature->encode == ENCODE_ORDINAL)
            put(out, i, target >= 0 ? target : -1);
        else
            put(out, i, target >= 0 ? feature->shares[target] : 0.0);
    }
}

static int encode_categories(struct encoding *encoding, const struct feature *feature,
                             struct spot_error *err)
{
    const struct pass *pass = &encoding->pass;
    const struct column *cells = &pass->batch->columns[feature->columns[0]];
    const struct dictionary *words = &cells->dictionary;
    int32_t *of_word = spot_alloc((int64_t)words->count + 1, sizeof *of_word);
    int32_t *targets = (int32_t *)pass->scratch; /* of 16 bytes a row */
    if (of_word == NULL) return spot_fail_memory(err, "encoding a batch");
    of_word[0] = feature->fill_text == NULL ? CODE_MISSING : target_of(feature, feature->fill_text);
    for (int32_t w = 0; w < words->count; w++)
        of_word[w + 1] = target_of(feature, words->bytes + words->offsets[w]);
    int64_t bad = 0;
    for (int64_t i = 0; i < pass->kept; i++) {
        targets[i] = of_word[cells->codes[pass_row(pass, i)] + 1];
        bad += targets[i] <= CODE_REFUSED;
    }
    int status = SPOT_OK;
    for (int64_t i = 0; i < pass->kept && bad > 0 && status == SPOT_OK; i++) {
        if (targets[i] == CODE_MISSING)
            status = row_fail(encoding, feature, i,
                              "cannot be used: give the feature `impute`, or drop_row", err);
        if (targets[i] == CODE_REFUSED)
            status = row_fail(encoding, feature, i,
                              "is no category of the training table: unknown: ignore or other "
                              "would let it pass",
                              err);
    }
    if (status == SPOT_OK) put_targets(encoding, feature, targets, pass->kept);
    for (int64_t i = 0; i < pass->kept && status == SPOT_OK && feature->indicator; i++)
        put(cells_of(encoding, feature->first + feature->width - 1), i,
            cells->codes[pass_row(pass, i)] < 0 ? 1.0 : 0.0);
    free(of_word);
    return status;
}

static int encode(struct encoding *encoding, const struct encoder *encoder,
                  const struct batch *batch, int64_t *rows_kept, uint8_t *kept,
                  struct spot_error *err)
{
    struct pass *pass = &encoding->pass;
    *rows_kept = 0;
    int status = pass_open(pass, encoder, batch, err);
    if (status < 0) return status;
    for (int32_t f = 0; f < encoder->count && status == SPOT_OK; f++) {
        const struct feature *feature = &encoder->features[f];
        status = feature->encode == ENCODE_NONE ? encode_numbers(encoding, feature, err)
                                                : encode_categories(encoding, feature, err);
    }
    if (status == SPOT_OK && kept != NULL) {
        memset(kept, pass->index == NULL, (size_t)batch->rows);
        for (int64_t i = 0; pass->index != NULL && i < pass->kept; i++)
            kept[pass->index[i]] = 1;
    }
    if (status == SPOT_OK) *rows_kept = pass->kept;
    pass_close(pass);
    return status;
}

int encoder_encode(const struct encoder *encoder, const struct batch *batch, const char *file,
                   float *matrix, int64_t *rows_kept, uint8_t *kept, struct spot_error *err)
{
    struct encoding encoding = {.file = file, .matrix = matrix};
    return encode(&encoding, encoder, batch, rows_kept, kept, err);
}

int encoder_encode64(const struct encoder *encoder, const struct batch *batch, const char *file,
                     double *matrix, int64_t *rows_kept, uint8_t *kept, struct spot_error *err)
{
    struct encoding encoding = {.file = file, .wide = matrix};
    return encode(&encoding, encoder, batch, rows_kept, kept, err);
}
