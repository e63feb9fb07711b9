/* An encoder from the `features` of a configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/encoder_internal.h"
#include "data/schema_internal.h"

/* A column by its name, with the nearest one suggested. */
static int find_column(const struct encoder *encoder, const struct config *node, const char *name,
                       int32_t *column, struct spot_error *err)
{
    const struct schema *schema = encoder->schema;
    *column = schema_find(schema, name);
    if (*column >= 0) return SPOT_OK;
    const char **names = calloc((size_t)schema->count + 1, sizeof *names);
    if (names == NULL) return spot_fail_memory(err, "the encoder");
    for (int32_t i = 0; i < schema->count; i++)
        names[i] = schema->specs[i].name;
    const char *nearest = nearest_word(name, names);
    int status =
        nearest == NULL
            ? config_fail(node, err, "there is no column %s among `columns`", name)
            : config_fail(node, err, "there is no column %s: did you mean %s?", name, nearest);
    free(names);
    return status;
}

/* `column`, a name or the three of a date, and `minus`. */
static int read_columns(const struct config *node, const struct encoder *encoder,
                        struct feature *feature, struct spot_error *err)
{
    const struct config *column = config_get(node, "column"), *minus = config_get(node, "minus");
    if (column == NULL) return config_fail(node, err, "a feature needs a column");
    bool list = column->kind == CONFIG_LIST;
    if (column->kind == CONFIG_MAP || (list && column->count != 3))
        return config_fail(column, err, "column: a name, or three, [year, month, day]");
    feature->columns_count = list ? 3 : 1;
    for (int32_t i = 0; i < feature->columns_count; i++) {
        const struct config *item = list ? column->items[i] : column;
        if (item->kind != CONFIG_TEXT) return config_fail(item, err, "column: expected a name");
        int status = find_column(encoder, item, item->text, &feature->columns[i], err);
        if (status < 0) return status;
    }
    if (minus == NULL) return SPOT_OK;
    const char *name = NULL;
    int status = config_text(node, "minus", &name, err);
    if (status < 0) return status;
    if (list) return config_fail(minus, err, "minus: does not go with a date of three columns");
    feature->columns_count = 2;
    return find_column(encoder, minus, name, &feature->columns[1], err);
}

/* cyclic: true for a derived value, cyclic: 24 for any number that comes round after 24. */
static int read_cyclic(const struct config *node, struct feature *feature, struct spot_error *err)
{
    const struct config *child = config_get(node, "cyclic");
    if (child == NULL) return SPOT_OK;
    bool cyclic = false;
    if (config_is_number(child, &feature->period)) {
        if (feature->period > 0.0) return SPOT_OK;
        return config_fail(child, err, "cyclic: a period is above 0");
    }
    int status = config_bool(node, "cyclic", &cyclic, err);
    if (status < 0 || !cyclic) return status;
    feature->period = derive_period(feature->derive);
    if (feature->period > 0.0) return SPOT_OK;
    return config_fail(child, err,
                       "cyclic: the period is not known, give it as a number, as in "
                       "cyclic: 24");
}

/* `value`, for impute: constant. */
static int read_constant(const struct config *node, struct feature *feature, struct spot_error *err)
{
    const struct config *value = config_get(node, "value");
    if ((value != NULL) != (feature->impute == IMPUTE_CONSTANT))
        return config_fail(node, err, "impute: constant and value: go together");
    if (value == NULL) return SPOT_OK;
    if (feature->encode == ENCODE_NONE) return config_number(node, "value", &feature->fill, err);
    const char *text = NULL;
    int status = config_text(node, "value", &text, err);
    if (status < 0) return status;
    feature->fill_text = spot_copy_text(text);
    return feature->fill_text == NULL ? spot_fail_memory(err, "the encoder") : SPOT_OK;
}

/* Options that contradict each other. */
static int check_options(const struct config *node, const struct feature *feature,
                         struct spot_error *err)
{
    bool category = feature->encode != ENCODE_NONE;
    const char *wrong = NULL;
    if (category && feature->scale != SCALE_NONE)
        wrong = "scale: goes with numbers, and this is a category";
    else if (feature->period > 0.0 && feature->scale != SCALE_NONE)
        wrong = "scale: a cyclic feature lies between -1 and 1 already";
    else if (category && feature->period > 0.0)
        wrong = "cyclic: goes with numbers, and this is a category";
    else if (category && (feature->impute == IMPUTE_MEAN || feature->impute == IMPUTE_MEDIAN))
        wrong = "impute: a category has no mean or median: most_frequent, constant or drop_row";
    else if (!category && (config_get(node, "rare") != NULL || config_get(node, "unknown") != NULL))
        wrong = "rare and unknown go with encode";
    else if (feature->derive != DERIVE_NONE && feature->columns_count == 2)
        wrong = "derive: goes with one time, not with a difference";
    else if (feature->indicator && feature->impute == IMPUTE_DROP_ROW)
        wrong = "indicator: rows with a missing value are dropped, so it would always be 0";
    if (wrong != NULL) return config_fail(node, err, "%s", wrong);
    return SPOT_OK;
}

/* Columns of a wrong type, told with the place. */
static int check_columns(const struct config *node, const struct encoder *encoder,
                         const struct feature *feature, struct spot_error *err)
{
    struct spot_error reason;
    if (encoder_check_columns(encoder, feature, &reason) == SPOT_OK) return SPOT_OK;
    return config_fail(node, err, "%s", reason.message);
}

/* `name`, or the derived value's, or the column's. */
static int read_name(const struct config *node, const struct encoder *encoder,
                     struct feature *feature, struct spot_error *err)
{
    const struct column_spec *specs = encoder->schema->specs;
    char both[300];
    const char *name = specs[feature->columns[0]].name;
    if (feature->derive != DERIVE_NONE) name = derive_words[feature->derive];
    if (feature->columns_count == 2) {
        snprintf(both, sizeof both, "%.140s_minus_%.140s", name, specs[feature->columns[1]].name);
        name = both;
    }
    int status = config_text(node, "name", &name, err);
    if (status < 0) return status;
    feature->name = spot_copy_text(name);
    return feature->name == NULL ? spot_fail_memory(err, "the encoder") : SPOT_OK;
}

static int read_feature(const struct config *node, struct encoder *encoder, struct spot_error *err)
{
    static const char *const keys[] = {"column", "minus",   "derive", "cyclic",    "name",
                                       "scale",  "impute",  "value",  "indicator", "encode",
                                       "rare",   "unknown", NULL};
    if (node->kind == CONFIG_TEXT) { /* - severity */
        char key[] = "column";
        struct config word = *node, *items[] = {&word}, map = *node;
        word.key = key;
        map.kind = CONFIG_MAP;
        map.count = 1;
        map.items = items;
        return read_feature(&map, encoder, err);
    }
    struct feature *feature = encoder_add_feature(encoder);
    if (feature == NULL) return spot_fail_memory(err, "the encoder");
    int32_t derive = 0, scale = 0, impute = 0, encode = 0, unknown = 0;
    int status;
    SPOT_TRY(config_known(node, keys, err));
    SPOT_TRY(read_columns(node, encoder, feature, err));
    SPOT_TRY(config_choice(node, "derive", derive_words, &derive, err));
    SPOT_TRY(config_choice(node, "scale", scale_words, &scale, err));
    SPOT_TRY(config_choice(node, "impute", impute_words, &impute, err));
    SPOT_TRY(config_choice(node, "encode", encode_words, &encode, err));
    SPOT_TRY(config_choice(node, "unknown", unknown_words, &unknown, err));
    feature->derive = (enum derive)derive;
    feature->scale = (enum scale)scale;
    feature->impute = (enum impute)impute;
    feature->encode = (enum encode)encode;
    feature->unknown = (enum unknown)unknown;
    SPOT_TRY(read_cyclic(node, feature, err));
    SPOT_TRY(config_bool(node, "indicator", &feature->indicator, err));
    SPOT_TRY(config_number(node, "rare", &feature->rare, err));
    if (feature->rare < 0.0 || feature->rare > 1.0)
        return config_fail(config_get(node, "rare"), err, "rare: a share between 0 and 1");
    SPOT_TRY(read_constant(node, feature, err));
    SPOT_TRY(check_options(node, feature, err));
    SPOT_TRY(check_columns(node, encoder, feature, err));
    SPOT_TRY(read_name(node, encoder, feature, err));
out:
    return status;
}

/* Without `features`: every number as it is. */
static int take_numbers(struct encoder *encoder, int32_t weight, struct spot_error *err)
{
    for (int32_t i = 0; i < encoder->schema->count; i++) {
        enum column_type type = encoder->schema->specs[i].type;
        if (i == weight ||
            (type != COLUMN_NUMBER && type != COLUMN_INTEGER && type != COLUMN_BOOLEAN))
            continue;
        struct feature *feature = encoder_add_feature(encoder);
        if (feature == NULL) return spot_fail_memory(err, "the encoder");
        feature->columns[0] = i;
        feature->columns_count = 1;
        feature->name = spot_copy_text(encoder->schema->specs[i].name);
        if (feature->name == NULL) return spot_fail_memory(err, "the encoder");
    }
    if (encoder->count == 0)
        return spot_fail(err, SPOT_EUSAGE,
                         "no column is a number: `features` of a configuration "
                         "says what to make of the others");
    return SPOT_OK;
}

static int fill(struct encoder *encoder, const struct config *root, int32_t weight,
                struct spot_error *err)
{
    const struct config *features = config_get(root, "features");
    if (features == NULL) return take_numbers(encoder, weight, err);
    if (features->kind != CONFIG_LIST || features->count == 0)
        return config_fail(features, err, "features: expected a list of features");
    for (int32_t i = 0; i < features->count; i++) {
        int status = read_feature(features->items[i], encoder, err);
        if (status < 0) return status;
        const char *name = encoder->features[i].name;
        for (int32_t j = 0; j < i; j++)
            if (strcmp(encoder->features[j].name, name) == 0)
                return config_fail(features->items[i], err,
                                   "the feature of line %d is called %s "
                                   "too: give one of them a name",
                                   features->items[j]->line, name);
    }
    return SPOT_OK;
}

int encoder_make(const struct config *root, const struct schema *schema, int32_t weight,
                 struct encoder **out, struct spot_error *err)
{
    *out = NULL;
    struct encoder *encoder = encoder_new(schema);
    if (encoder == NULL) return spot_fail_memory(err, "the encoder");
    int status = fill(encoder, root, weight, err);
    if (status == SPOT_OK) {
        encoder->statistics = spot_alloc_zero(encoder->count, sizeof *encoder->statistics);
        if (encoder->statistics == NULL) status = spot_fail_memory(err, "the encoder");
    }
    if (status < 0)
        encoder_free(encoder);
    else
        *out = encoder;
    return status;
}
