/* An encoder as an object: its making, the layout of its matrix, and what it tells about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/encoder_internal.h"
#include "data/schema_internal.h"

const char *const scale_words[] = {"none", "standard", "minmax", "robust", NULL};
const char *const impute_words[] = {"none",     "mean",     "median", "most_frequent",
                                    "constant", "drop_row", NULL};
const char *const encode_words[] = {"none", "one_hot", "ordinal", "frequency", NULL};
const char *const unknown_words[] = {"error", "ignore", "other", NULL};

struct encoder *encoder_new(const struct schema *schema)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder != NULL) encoder->schema = schema;
    return encoder;
}

struct feature *encoder_add_feature(struct encoder *encoder)
{
    size_t bytes = ((size_t)encoder->count + 1) * sizeof *encoder->features;
    struct feature *features = realloc(encoder->features, bytes);
    if (features == NULL) return NULL;
    encoder->features = features;
    struct feature *feature = &features[encoder->count++];
    memset(feature, 0, sizeof *feature);
    feature->spread = 1.0;
    return feature;
}

void encoder_statistics_clear(struct statistics *statistics)
{
    free(statistics->values);
    free(statistics->code_counts);
    categories_clear(&statistics->categories);
    memset(statistics, 0, sizeof *statistics);
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL) return;
    for (int32_t f = 0; f < encoder->count; f++) {
        struct feature *feature = &encoder->features[f];
        free(feature->name);
        free(feature->fill_text);
        free(feature->targets);
        free(feature->shares);
        categories_clear(&feature->categories);
        if (encoder->statistics != NULL) encoder_statistics_clear(&encoder->statistics[f]);
    }
    for (int32_t j = 0; encoder->names != NULL && j < encoder->width; j++)
        free(encoder->names[j]);
    free(encoder->names);
    free(encoder->offsets);
    free(encoder->of_column);
    free(encoder->statistics);
    free(encoder->features);
    free(encoder);
}

/* ---- What a feature may be made of ---- */

int encoder_check_columns(const struct encoder *encoder, const struct feature *feature,
                          struct spot_error *err)
{
    const struct column_spec *specs = encoder->schema->specs;
    const char *name = specs[feature->columns[0]].name;
    for (int32_t c = 0; c < feature->columns_count; c++) {
        enum column_type type = specs[feature->columns[c]].type;
        bool time = type == COLUMN_TIMESTAMP, category = type == COLUMN_CATEGORY;
        if (type == COLUMN_TEXT)
            return spot_fail(err, SPOT_EUSAGE,
                             "%s is a text, which is never a feature: declare it "
                             "a category",
                             specs[feature->columns[c]].name);
        if (category && (feature->columns_count > 1 || feature->encode == ENCODE_NONE))
            return spot_fail(err, SPOT_EUSAGE,
                             "%s is a category: it needs encode: one_hot, "
                             "ordinal or frequency",
                             specs[feature->columns[c]].name);
        if (!category && feature->encode != ENCODE_NONE)
            return spot_fail(err, SPOT_EUSAGE,
                             "encode goes with categories, and %s is not: "
                             "declare it `type: category`",
                             name);
        if (feature->columns_count == 3 && time)
            return spot_fail(err, SPOT_EUSAGE,
                             "three columns make a date of year, month and day "
                             "numbers, and %s is a timestamp",
                             specs[feature->columns[c]].name);
        if (feature->columns_count == 1 && time && feature->derive == DERIVE_NONE)
            return spot_fail(err, SPOT_EUSAGE,
                             "%s is a timestamp: it needs derive (hour, "
                             "dayofweek, month, ...) or minus",
                             name);
        if (feature->columns_count == 1 && !time && feature->derive != DERIVE_NONE)
            return spot_fail(err, SPOT_EUSAGE, "derive: %s needs a timestamp, and %s is not",
                             derive_words[feature->derive], name);
    }
    if (feature->columns_count == 2 && (specs[feature->columns[0]].type == COLUMN_TIMESTAMP) !=
                                           (specs[feature->columns[1]].type == COLUMN_TIMESTAMP))
        return spot_fail(err, SPOT_EUSAGE, "minus: a timestamp and a number have no difference");
    if (feature->columns_count == 3 &&
        (feature->derive == DERIVE_NONE || derive_needs_time(feature->derive)))
        return spot_fail(err, SPOT_EUSAGE,
                         "a date of three columns needs derive: dayofweek, "
                         "month, day_of_year or is_weekend");
    return SPOT_OK;
}

bool feature_needs_sums(const struct feature *feature)
{
    return feature->scale == SCALE_STANDARD || feature->impute == IMPUTE_MEAN;
}

bool feature_needs_values(const struct feature *feature)
{
    return feature->encode == ENCODE_NONE &&
           (feature->scale == SCALE_ROBUST || feature->impute == IMPUTE_MEDIAN ||
            feature->impute == IMPUTE_MOST_FREQUENT);
}

/* Parts of a time and points of a circle are small numbers, known beforehand. */
bool feature_needs_range(const struct feature *feature)
{
    return feature->encode == ENCODE_NONE && feature->period == 0.0 &&
           (feature->scale != SCALE_NONE || feature->derive == DERIVE_NONE);
}

/* ---- Categories ---- */

int encoder_group_categories(struct feature *feature, struct spot_error *err)
{
    struct categories *categories = &feature->categories;
    int64_t total = 0;
    if (categories_sort(categories) < 0) return spot_fail_memory(err, "the categories");
    feature->targets = spot_alloc(categories->count, sizeof *feature->targets);
    feature->shares = spot_alloc_zero((int64_t)categories->count + 1, sizeof *feature->shares);
    if (feature->targets == NULL || feature->shares == NULL)
        return spot_fail_memory(err, "the categories");
    for (int32_t i = 0; i < categories->count; i++)
        total += categories->counts[i];
    double rows = total == 0 ? 1.0 : (double)total;
    int64_t grouped = 0;
    for (int32_t i = 0; i < categories->count; i++) {
        bool rare = (double)categories->counts[i] < feature->rare * rows;
        feature->targets[i] = rare ? -1 : feature->kept;
        if (rare)
            grouped += categories->counts[i];
        else
            feature->shares[feature->kept++] = (double)categories->counts[i] / rows;
        feature->other = feature->other || rare;
    }
    for (int32_t i = 0; i < categories->count; i++)
        if (feature->targets[i] < 0) feature->targets[i] = feature->kept;
    feature->shares[feature->kept] = (double)grouped / rows;
    feature->other = feature->other || feature->unknown == UNKNOWN_OTHER;
    return SPOT_OK;
}

/* ---- Layout ---- */

static int32_t feature_width(const struct feature *feature)
{
    int32_t width = 1;
    if (feature->period > 0.0) width = 2;
    if (feature->encode == ENCODE_ONE_HOT) width = feature->kept + (feature->other ? 1 : 0);
    return width + (feature->indicator ? 1 : 0);
}

/* A name of two parts; NULL without memory. */
static char *join(const char *name, const char *joint, const char *end)
{
    size_t bytes = strlen(name) + strlen(joint) + strlen(end) + 1;
    char *text = malloc(bytes);
    if (text != NULL) snprintf(text, bytes, "%s%s%s", name, joint, end);
    return text;
}

static char *column_name(const struct feature *feature, int32_t at)
{
    if (feature->indicator && at == feature->width - 1) return join(feature->name, "_missing", "");
    if (feature->period > 0.0) return join(feature->name, at == 0 ? "_sin" : "_cos", "");
    if (feature->encode != ENCODE_ONE_HOT) return spot_copy_text(feature->name);
    if (at == feature->kept) return join(feature->name, "=", "(other)");
    int32_t i = 0; /* targets ascend with the categories that are kept */
    while (feature->targets[i] != at)
        i++;
    return join(feature->name, "=", feature->categories.texts[i]);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Refuses two columns of the matrix with the same name. */
static int check_names(const struct encoder *encoder, struct spot_error *err)
{
    char **sorted = spot_alloc(encoder->width, sizeof *sorted);
    if (sorted == NULL) return spot_fail_memory(err, "the encoder");
    int status = SPOT_OK;
    memcpy(sorted, encoder->names, (size_t)encoder->width * sizeof *sorted);
    qsort(sorted, (size_t)encoder->width, sizeof *sorted, compare_names);
    for (int32_t j = 1; j < encoder->width && status == SPOT_OK; j++)
        if (strcmp(sorted[j - 1], sorted[j]) == 0)
            status = spot_fail(err, SPOT_EUSAGE,
                               "two features are called %s: give one of them a name", sorted[j]);
    free(sorted);
    return status;
}

int encoder_layout(struct encoder *encoder, struct spot_error *err)
{
    int64_t width = 0;
    for (int32_t f = 0; f < encoder->count; f++) {
        struct feature *feature = &encoder->features[f];
        feature->width = feature_width(feature);
        feature->first = (int32_t)width;
        width += feature->width;
        if (width > WIDTH_LIMIT)
            return spot_fail(err, SPOT_EUSAGE, "the matrix would have more than %d columns",
                             WIDTH_LIMIT);
    }
    encoder->names = spot_alloc_zero(width, sizeof *encoder->names);
    encoder->offsets = spot_alloc_zero(width, sizeof *encoder->offsets);
    encoder->of_column = spot_alloc_zero(width, sizeof *encoder->of_column);
    encoder->width = (int32_t)width;
    if (encoder->names == NULL || encoder->offsets == NULL || encoder->of_column == NULL)
        return spot_fail_memory(err, "the encoder");
    for (int32_t f = 0; f < encoder->count; f++) {
        const struct feature *feature = &encoder->features[f];
        for (int32_t at = 0; at < feature->width; at++) {
            int32_t j = feature->first + at;
            encoder->of_column[j] = f;
            encoder->offsets[j] = at == 0 ? feature->offset : 0.0;
            encoder->names[j] = column_name(feature, at);
            if (encoder->names[j] == NULL) return spot_fail_memory(err, "the encoder");
        }
    }
    return check_names(encoder, err);
}

/* ---- What it tells ---- */

void encoder_mark_used(const struct encoder *encoder, bool *used)
{
    for (int32_t f = 0; f < encoder->count; f++)
        for (int32_t c = 0; c < encoder->features[f].columns_count; c++)
            used[encoder->features[f].columns[c]] = true;
}

int32_t encoder_width(const struct encoder *encoder)
{
    return encoder->width;
}

const char *const *encoder_names(const struct encoder *encoder)
{
    return (const char *const *)encoder->names;
}

const double *encoder_offsets(const struct encoder *encoder)
{
    return encoder->offsets;
}

double encoder_raw(const struct encoder *encoder, int32_t column, double value)
{
    const struct feature *feature = &encoder->features[encoder->of_column[column]];
    if (column != feature->first || feature->encode != ENCODE_NONE || feature->period > 0.0)
        return value;
    return (value + feature->offset) * feature->spread + feature->centre;
}
