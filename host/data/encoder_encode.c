/* Encoding a batch: feature by feature down the columns, into the rows of the matrix. */
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
    float *matrix; /* (kept, width) row-major */
};

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
    int32_t width = encoding->pass.encoder->width;
    float *out = encoding->matrix + feature->first + feature->width - 1;
    for (int64_t i = 0; i < encoding->pass.kept; i++)
        out[i * width] = isnan(values[i]) ? 1.0f : 0.0f;
}

/* (x - centre) / spread - offset as float32; returns whether all of them are finite. */
static bool scale_values(const struct feature *feature, bool fills, const double *values,
                         int64_t rows, float *out, int32_t width)
{
    double centre = feature->centre, spread = feature->spread, offset = feature->offset;
    double fill = fills ? feature->fill : NAN;
    int64_t bad = 0;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i];
        x = x == x ? x : fill;
        float y = (float)((x - centre) / spread - offset);
        bad += !(fabsf(y) <= 3.40282347e+38f);
        out[i * width] = y;
    }
    return bad == 0;
}

/* The same where nothing is scaled: the division would cost more than all the rest. */
static bool shift_values(const struct feature *feature, bool fills, const double *values,
                         int64_t rows, float *out, int32_t width)
{
    double offset = feature->offset, fill = fills ? feature->fill : NAN;
    int64_t bad = 0;
    for (int64_t i = 0; i < rows; i++) {
        double x = values[i];
        x = x == x ? x : fill;
        float y = (float)(x - offset);
        bad += !(fabsf(y) <= 3.40282347e+38f);
        out[i * width] = y;
    }
    return bad == 0;
}

static bool circle_values(const struct feature *feature, bool fills, const double *values,
                          int64_t rows, float *out, int32_t width)
{
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
        out[i * width] = (float)sine;
        out[i * width + 1] = (float)cosine;
    }
    return good;
}

static int encode_numbers(struct encoding *encoding, const struct feature *feature,
                          struct spot_error *err)
{
    const double *values = pass_values(&encoding->pass, feature);
    int64_t rows = encoding->pass.kept;
    int32_t width = encoding->pass.encoder->width;
    float *out = encoding->matrix + feature->first;
    bool fills = feature->impute != IMPUTE_NONE && feature->impute != IMPUTE_DROP_ROW;
    bool plain = feature->centre == 0.0 && feature->spread == 1.0;
    bool good = feature->period > 0.0 ? circle_values(feature, fills, values, rows, out, width)
                : plain               ? shift_values(feature, fills, values, rows, out, width)
                                      : scale_values(feature, fills, values, rows, out, width);
    if (feature->indicator) put_indicator(encoding, feature, values);
    if (good) return SPOT_OK;
    for (int64_t i = 0; i < rows; i++) {
        if (isnan(values[i]) && !fills)
            return row_fail(encoding, feature, i,
                            "cannot be used: give the feature `impute`, or drop_row", err);
        if (!isnan(values[i]) && !(fabsf(out[i * width]) <= 3.40282347e+38f))
            return row_fail(encoding, feature, i, "is too large for float32: scale the feature",
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

/* Writes the columns of the matrix from the targets (kept). */
static void put_targets(const struct encoding *encoding, const struct feature *feature,
                        const int32_t *targets, int64_t rows)
{
    int32_t width = encoding->pass.encoder->width;
    float *out = encoding->matrix + feature->first;
    int32_t columns = feature->width - (feature->indicator ? 1 : 0);
    for (int64_t i = 0; i < rows; i++, out += width) {
        int32_t target = targets[i];
        if (feature->encode == ENCODE_ONE_HOT) {
            for (int32_t j = 0; j < columns; j++)
                out[j] = 0.0f;
            if (target >= 0) out[target] = 1.0f;
        } else if (feature->encode == ENCODE_ORDINAL) {
            out[0] = target >= 0 ? (float)target : -1.0f;
        } else {
            out[0] = target >= 0 ? (float)feature->shares[target] : 0.0f;
        }
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
        encoding->matrix[i * pass->encoder->width + feature->first + feature->width - 1] =
            cells->codes[pass_row(pass, i)] < 0 ? 1.0f : 0.0f;
    free(of_word);
    return status;
}

int encoder_encode(const struct encoder *encoder, const struct batch *batch, const char *file,
                   float *matrix, int64_t *rows_kept, uint8_t *kept, struct spot_error *err)
{
    struct encoding encoding = {.file = file, .matrix = matrix};
    *rows_kept = 0;
    int status = pass_open(&encoding.pass, encoder, batch, err);
    if (status < 0) return status;
    for (int32_t f = 0; f < encoder->count && status == SPOT_OK; f++) {
        const struct feature *feature = &encoder->features[f];
        status = feature->encode == ENCODE_NONE ? encode_numbers(&encoding, feature, err)
                                                : encode_categories(&encoding, feature, err);
    }
    if (status == SPOT_OK && kept != NULL) {
        memset(kept, encoding.pass.index == NULL, (size_t)batch->rows);
        for (int64_t i = 0; encoding.pass.index != NULL && i < encoding.pass.kept; i++)
            kept[encoding.pass.index[i]] = 1;
    }
    if (status == SPOT_OK) *rows_kept = encoding.pass.kept;
    pass_close(&encoding.pass);
    return status;
}
