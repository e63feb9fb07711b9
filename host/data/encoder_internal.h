/* What an encoder is made of; shared by the encoder*.c files alone. */
#ifndef SPOT_DATA_ENCODER_INTERNAL_H
#define SPOT_DATA_ENCODER_INTERNAL_H

#include "data/categories.h"
#include "data/derive.h"
#include "data/encoder.h"
#include "data/exact_sum.h"

enum scale { SCALE_NONE, SCALE_STANDARD, SCALE_MINMAX, SCALE_ROBUST };
enum impute {
    IMPUTE_NONE,
    IMPUTE_MEAN,
    IMPUTE_MEDIAN,
    IMPUTE_MOST_FREQUENT,
    IMPUTE_CONSTANT,
    IMPUTE_DROP_ROW
};
enum encode { ENCODE_NONE, ENCODE_ONE_HOT, ENCODE_ORDINAL, ENCODE_FREQUENCY };
enum unknown { UNKNOWN_ERROR, UNKNOWN_IGNORE, UNKNOWN_OTHER };

/* Their words in configurations and model files. */
extern const char *const scale_words[], *const impute_words[], *const encode_words[],
                                                                   *const unknown_words[];

enum { WIDTH_LIMIT = 65536, ONE_HOT_LIMIT = 4096 };

/* One feature: columns of the table -> a value -> imputed -> scaled (or on a circle, or encoded as
 * a category) -> one or more columns of the matrix. */
struct feature {
    char *name;
    int32_t columns[3]; /* of the schema: one; two with `minus`; year, month and day of a date */
    int32_t columns_count;
    enum derive derive;
    double period; /* cyclic: what makes a whole turn; else 0 */
    enum scale scale;
    enum impute impute;
    enum encode encode;
    enum unknown unknown;
    bool indicator;               /* a column more: 1 where the value was missing */
    double rare;                  /* categories with a smaller share are grouped */
    char *fill_text;              /* what a missing category becomes, or NULL */
    double fill;                  /* what a missing number becomes */
    double centre, spread;        /* scaled value = (value - centre) / spread */
    double offset;                /* taken off before float32; of the first column */
    struct categories categories; /* sorted, rare ones included */
    int32_t *targets; /* (categories.count) column or code of each: below kept, or kept: grouped */
    double *shares;   /* (kept + 1) of the rows, FREQUENCY; the last is that of all grouped ones */
    int32_t kept;     /* categories with a column or code of their own */
    bool other;       /* there is a column or code for the others */
    int32_t first;    /* column of the matrix */
    int32_t width;    /* columns it fills, the indicator included */
};

/* What is known of a feature's values after some rows; merges exactly. */
struct statistics {
    int64_t present, missing;
    double minimum, maximum;
    bool wide; /* a value is no float32 */
    struct exact_sum sum, squares;
    double *values; /* (values_count) kept for quantiles and modes */
    int64_t values_count, values_capacity;
    int64_t *code_counts;         /* part: (dictionary.count) */
    struct categories categories; /* encoder: merged */
};

struct encoder {
    const struct schema *schema; /* borrowed; outlives the encoder */
    struct feature *features;    /* (count) */
    int32_t count;
    struct statistics *statistics; /* (count) while it is being fitted, else NULL */
    bool keep_zero;                /* no offset is taken off */
    int32_t width;
    char **names;       /* (width) */
    double *offsets;    /* (width) */
    int32_t *of_column; /* (width) feature of each column of the matrix */
};

struct encoder_part {
    int64_t rows_kept;
    int32_t count;
    struct statistics *statistics; /* (count) */
};

/* An encoder without features, and one feature more (zeroed, spread 1), or NULL without memory. */
struct encoder *encoder_new(const struct schema *schema);
struct feature *encoder_add_feature(struct encoder *encoder);

/* Columns, names and offsets of the matrix from fitted features. */
int encoder_layout(struct encoder *encoder, struct spot_error *err);

/* Numbers the categories of a feature: targets, kept, other; shares from their counts. */
int encoder_group_categories(struct feature *feature, struct spot_error *err);

/* The type a feature may be made of; 0 or SPOT_EUSAGE with the reason in words. */
int encoder_check_columns(const struct encoder *encoder, const struct feature *feature,
                          struct spot_error *err);

/* What fitting must know of a feature. */
bool feature_needs_sums(const struct feature *feature);
bool feature_needs_values(const struct feature *feature);
bool feature_needs_range(const struct feature *feature);

/* ---- A batch on its way ---- */

/* Rows of a batch that stay and room to work in. */
struct pass {
    const struct encoder *encoder;
    const struct batch *batch;
    int64_t kept;    /* rows that stay */
    int32_t *index;  /* (kept) their numbers in the batch, or NULL: all stay */
    double *scratch; /* (2 * rows) */
};

int pass_open(struct pass *pass, const struct encoder *encoder, const struct batch *batch,
              struct spot_error *err);
void pass_close(struct pass *pass);

/* Number of the i-th row that stays, in the batch. */
static inline int64_t pass_row(const struct pass *pass, int64_t i)
{
    return pass->index == NULL ? i : pass->index[i];
}

/* The values (kept) of a feature of numbers, NaN where missing: in the batch itself or in the
 * scratch space. */
const double *pass_values(struct pass *pass, const struct feature *feature);

void encoder_statistics_clear(struct statistics *statistics);

#endif
