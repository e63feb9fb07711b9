#define _GNU_SOURCE /* argp */
#include "app/forest_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/encoder_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/npy.h"
#include "data/prepare_internal.h"

enum { BATCH_ROWS = 65536, BATCH_BYTES = 16 << 20 };

struct forest_input {
    struct session *session;
    const struct forest_reading *reading;
    const struct model_encoder *encoder;
    const struct forest *forest;
    struct table_reader *reader;
    struct column_spec *specs; /* (specs_count) the schema's or the features', then those beside */
    int32_t specs_count, first_beside;
    char **names; /* (names_count) of features, where they are ours */
    int32_t names_count;
    struct beside_values *beside; /* (beside_count) of the batch being visited */
    forest_visitor *visit;
    void *arg;
    int64_t rows; /* visited so far */
    int64_t left_out, bad_rows;
};

int64_t forest_batch_line(const struct forest_batch *batch, int64_t row)
{
    if (batch->table == NULL) return batch->first + row;
    if (batch->kept == NULL) return batch_line(batch->table, row);
    int64_t at = 0;
    for (int64_t seen = batch->kept[0]; seen <= row; seen += batch->kept[at])
        at++;
    return batch_line(batch->table, at);
}

static bool is_double(const struct forest_input *input)
{
    return input->forest->rules == FOREST_LIGHTGBM;
}

/* ---- The features' columns ------------------------------------------------------------------ */

static int add_name(struct forest_input *input, char *name, struct spot_error *err)
{
    if (name == NULL) return spot_fail_memory(err, "the names");
    input->names[input->names_count++] = name;
    return SPOT_OK;
}

/* --features: names separated by commas. */
static int names_of_option(struct forest_input *input, const char *text, struct spot_error *err)
{
    const int32_t features = input->forest->features;
    int32_t given = 1;
    for (const char *at = text; *at != '\0'; at++)
        given += *at == ',';
    if (given != features)
        return spot_fail(err, SPOT_EUSAGE, "--features names %d columns, but the model has %d",
                         given, features);
    int status = SPOT_OK;
    for (const char *at = text; status == SPOT_OK && input->names_count < features;) {
        const size_t length = strcspn(at, ",");
        status = add_name(input, strndup(at, length), err);
        at += length + 1;
    }
    return status;
}

static bool is_beside(const struct forest_input *input, const char *name)
{
    const struct forest_reading *reading = input->reading;
    bool found = false;
    for (int32_t i = 0; i < reading->beside_count && !found; i++)
        found = strcmp(reading->beside[i].name, name) == 0;
    return found;
}

/* Every column of the header that is not asked for beside the features. */
static int names_of_header(struct forest_input *input, struct spot_error *err)
{
    const int32_t features = input->forest->features;
    int32_t count, wanted = 0;
    const char *const *header = table_header(input->reader, &count);
    for (int32_t i = 0; i < count; i++)
        wanted += !is_beside(input, header[i]);
    if (wanted != features)
        return spot_fail(err, SPOT_EDATA,
                         "%.200s has %d columns of features, but the model has %d features and no "
                         "names for them; name theirs: --features A,B,...",
                         table_file_name(input->reader, 0), wanted, features);
    int status = SPOT_OK;
    for (int32_t i = 0; i < count && status == SPOT_OK; i++)
        if (!is_beside(input, header[i])) status = add_name(input, spot_copy_text(header[i]), err);
    return status;
}

/* LightGBM writes a name's blanks as underscores. */
static bool same_name(const char *header, const char *name)
{
    for (; *header != '\0' && *name != '\0'; header++, name++)
        if (*header != *name && !(*name == '_' && strchr(" \t", *header) != NULL)) return false;
    return *header == *name;
}

/* The model's own names, in the header's spelling. */
static int names_of_model(struct forest_input *input, char *const *features, struct spot_error *err)
{
    int32_t count;
    int status = SPOT_OK;
    const char *const *header = table_header(input->reader, &count);
    for (int32_t j = 0; j < input->forest->features && status == SPOT_OK; j++) {
        const char *found = features[j];
        bool exact = !is_double(input);
        for (int32_t i = 0; i < count && !exact; i++)
            exact = strcmp(header[i], features[j]) == 0;
        for (int32_t i = 0; i < count && !exact && found == features[j]; i++)
            if (same_name(header[i], features[j])) found = header[i];
        status = add_name(input, spot_copy_text(found), err);
    }
    return status;
}

/* LightGBM calls columns without a name Column_0, Column_1, ... */
static bool has_names(const struct forest_input *input, char *const *features)
{
    bool made = is_double(input) && features != NULL;
    for (int32_t j = 0; j < input->forest->features && made; j++) {
        char usual[24];
        snprintf(usual, sizeof usual, "Column_%d", (int)j);
        made = strcmp(usual, features[j]) == 0;
    }
    return features != NULL && !made;
}

static int find_names(struct forest_input *input, struct spot_error *err)
{
    const char *option = input->session->arguments.value[OPTION_FEATURES];
    char *const *features = input->reading->model->forest->features;
    input->names = spot_alloc_zero(input->forest->features, sizeof *input->names);
    if (input->names == NULL) return spot_fail_memory(err, "the names");
    if (option != NULL) return names_of_option(input, option, err);
    if (has_names(input, features)) return names_of_model(input, features, err);
    return names_of_header(input, err);
}

/* ---- What is read --------------------------------------------------------------------------- */

static const struct feature_categories *categories_of(const struct forest_input *input, int32_t j)
{
    const struct feature_categories *all = input->reading->model->categories;
    return all != NULL && all[j].names.count > 0 ? &all[j] : NULL;
}

/* Features without an encoder: numbers, where the texts that programs write for NaN are missing,
 * and categories by their names where the model knows them. */
static int add_features(struct forest_input *input, char decimal, struct spot_error *err)
{
    static const char *const missing[] = {"nan", "NaN", "NA"};
    if (!input->reading->model->categories_placed)
        return spot_fail(err, SPOT_EDATA,
                         "the model's file does not say which columns its categories' names belong "
                         "to; give a .npy of codes");
    int status = find_names(input, err);
    for (int32_t j = 0; j < input->names_count; j++) {
        const bool named = categories_of(input, j) != NULL;
        input->specs[j] = (struct column_spec){.name = input->names[j],
                                               .source = input->names[j],
                                               .type = named ? COLUMN_CATEGORY : COLUMN_NUMBER,
                                               .missing = missing,
                                               .missing_count = named ? 0 : 3,
                                               .decimal = decimal};
    }
    return status;
}

static int make_specs(struct forest_input *input, char decimal, struct spot_error *err)
{
    const struct forest_reading *reading = input->reading;
    const struct column_spec *schema = NULL;
    int32_t count = input->forest->features;
    if (input->encoder->encoder != NULL) schema = schema_columns(input->encoder->schema, &count);
    if (schema != NULL && given(&input->session->arguments, OPTION_FEATURES))
        return spot_fail(err, SPOT_EUSAGE,
                         "--features: the model has an encoder, which knows the columns by name");
    input->first_beside = count;
    input->specs_count = count + reading->beside_count;
    input->specs = spot_alloc_zero((int64_t)input->specs_count + 1, sizeof *input->specs);
    input->beside = spot_alloc_zero((int64_t)reading->beside_count + 1, sizeof *input->beside);
    if (input->specs == NULL || input->beside == NULL) return spot_fail_memory(err, "the columns");
    for (int32_t i = 0; i < count && schema != NULL; i++)
        input->specs[i] = schema[i];
    for (int32_t i = 0; i < reading->beside_count; i++) {
        const struct beside_column *column = &reading->beside[i];
        const int32_t known =
            schema != NULL ? schema_find(input->encoder->schema, column->name) : -1;
        input->specs[count + i] =
            (struct column_spec){.name = column->name,
                                 .source = known < 0 ? column->name : schema[known].source,
                                 .type = column->text ? COLUMN_TEXT : COLUMN_NUMBER,
                                 .decimal = decimal};
    }
    return schema == NULL ? add_features(input, decimal, err) : SPOT_OK;
}

/* ---- A batch on its way --------------------------------------------------------------------- */

/* What work() makes of a batch. */
struct shaped {
    int64_t rows;
    float *values;    /* (rows, features) one of the two */
    double *values64; /* (rows, features) */
    uint8_t *kept;    /* (rows of the batch) where some were left out, else NULL */
};

static void shaped_free(struct shaped *shaped)
{
    if (shaped == NULL) return;
    free(shaped->values);
    free(shaped->values64);
    free(shaped->kept);
    free(shaped);
}

static int refuse_cell(const struct forest_input *input, const struct batch *batch,
                       struct spot_error *err)
{
    for (int32_t i = 0; i < batch->bad_count; i++) {
        const struct bad_cell *bad = &batch->bad[i];
        if (bad->column < 0) continue;
        return spot_fail(err, SPOT_EDATA, "%.200s:%lld: column %.100s: '%s' is %s",
                         table_file_name(input->reader, batch->file), (long long)bad->line,
                         input->specs[bad->column].name, bad->text, bad->reason);
    }
    return SPOT_OK;
}

/* Categories by name become their numbers, in the batch. */
static int number_categories(const struct forest_input *input, struct batch *batch, int32_t j,
                             struct spot_error *err)
{
    const struct feature_categories *known = categories_of(input, j);
    struct column *column = &batch->columns[j];
    const struct dictionary *words = &column->dictionary;
    int32_t *numbers = spot_alloc((int64_t)words->count + 1, sizeof *numbers);
    int status = SPOT_OK;
    column->values = malloc((size_t)batch->rows * sizeof *column->values + 1);
    if (numbers == NULL || column->values == NULL)
        status = spot_fail_memory(err, "a batch of rows");
    for (int32_t w = 0; w < words->count && status == SPOT_OK; w++)
        numbers[w] = forest_category(known, words->bytes + words->offsets[w]);
    for (int64_t i = 0; i < batch->rows && status == SPOT_OK; i++) {
        const int32_t word = column->codes[i];
        column->values[i] = word < 0 ? (double)NAN : (double)numbers[word];
        if (word >= 0 && numbers[word] < 0)
            status = spot_fail(err, SPOT_EDATA,
                               "%.200s:%lld: column %.100s: '%.60s' is no category that the model "
                               "was trained with",
                               table_file_name(input->reader, batch->file),
                               (long long)batch_line(batch, i), input->specs[j].name,
                               words->bytes + words->offsets[word]);
    }
    free(numbers);
    return status;
}

static int shape_float32(const struct forest_input *input, const struct batch *batch,
                         struct shaped *shaped, struct spot_error *err)
{
    const int32_t features = input->forest->features;
    shaped->values = spot_alloc(batch->rows, (size_t)features * sizeof *shaped->values);
    if (shaped->values == NULL) return spot_fail_memory(err, "a batch of rows");
    for (int32_t j = 0; j < features; j++)
        for (int64_t i = 0; i < batch->rows; i++) {
            const double x = batch->columns[j].values[i];
            const float value = (float)x;
            shaped->values[i * features + j] = value;
            if (isinf(value) && !isinf(x))
                return spot_fail(err, SPOT_EDATA,
                                 "%.200s:%lld: column %.100s: %g is too large for float32, in "
                                 "which XGBoost computes",
                                 table_file_name(input->reader, batch->file),
                                 (long long)batch_line(batch, i), input->specs[j].name, x);
        }
    return SPOT_OK;
}

static int shape_float64(const struct forest_input *input, const struct batch *batch,
                         struct shaped *shaped, struct spot_error *err)
{
    const int32_t features = input->forest->features;
    shaped->values64 = spot_alloc(batch->rows, (size_t)features * sizeof *shaped->values64);
    if (shaped->values64 == NULL) return spot_fail_memory(err, "a batch of rows");
    for (int32_t j = 0; j < features; j++)
        for (int64_t i = 0; i < batch->rows; i++)
            shaped->values64[i * features + j] = batch->columns[j].values[i];
    return SPOT_OK;
}

static int shape_encoded(const struct forest_input *input, struct batch *batch,
                         struct shaped *shaped, struct spot_error *err)
{
    const int32_t features = input->forest->features;
    const char *file = table_file_name(input->reader, batch->file);
    schema_clear_outside(input->encoder->schema, batch);
    shaped->values = spot_alloc(batch->rows, (size_t)features * sizeof *shaped->values);
    shaped->kept = spot_alloc(batch->rows, 1);
    if (shaped->values == NULL || shaped->kept == NULL)
        return spot_fail_memory(err, "a batch of rows");
    int status = encoder_encode(input->encoder->encoder, batch, file, shaped->values, &shaped->rows,
                                shaped->kept, err);
    if (status == SPOT_OK && shaped->rows == batch->rows) {
        free(shaped->kept);
        shaped->kept = NULL;
    }
    return status;
}

static int shape_work(void *arg, struct batch *batch, int worker, struct spot_error *err)
{
    const struct forest_input *input = arg;
    struct shaped *shaped = batch->user = calloc(1, sizeof *shaped);
    (void)worker;
    if (shaped == NULL) return spot_fail_memory(err, "a batch of rows");
    shaped->rows = batch->rows;
    int status = refuse_cell(input, batch, err);
    if (status < 0) return status;
    if (input->encoder->encoder != NULL) return shape_encoded(input, batch, shaped, err);
    for (int32_t j = 0; j < input->forest->features && status == SPOT_OK; j++)
        if (categories_of(input, j) != NULL) status = number_categories(input, batch, j, err);
    if (status < 0) return status;
    return is_double(input) ? shape_float64(input, batch, shaped, err)
                            : shape_float32(input, batch, shaped, err);
}

static void shape_discard(void *arg, struct batch *batch)
{
    (void)arg;
    shaped_free(batch->user);
    batch->user = NULL;
}

/* Leaves the rows out that the encoder left out; in place. */
static void keep_rows(struct column *column, const uint8_t *kept, int64_t rows)
{
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (!kept[i]) continue;
        if (column->values != NULL) {
            column->values[count++] = column->values[i];
            continue;
        }
        int64_t *starts = column->text_offsets;
        const int64_t from = starts[i], length = starts[i + 1] - from;
        memmove(column->text_bytes + starts[count], column->text_bytes + from, (size_t)length);
        starts[count + 1] = starts[count] + length;
        count++;
    }
}

static void take_beside(const struct forest_input *input, struct batch *batch,
                        const struct shaped *shaped)
{
    for (int32_t i = 0; i < input->reading->beside_count; i++) {
        struct column *column = &batch->columns[input->first_beside + i];
        if (shaped->kept != NULL) keep_rows(column, shaped->kept, batch->rows);
        input->beside[i] = (struct beside_values){
            .values = column->values, .starts = column->text_offsets, .bytes = column->text_bytes};
    }
}

static int shape_take(void *arg, struct batch *batch, struct spot_error *err)
{
    struct forest_input *input = arg;
    struct shaped *shaped = batch->user;
    int status = SPOT_OK;
    batch->user = NULL;
    take_beside(input, batch, shaped);
    const struct forest_batch visited = {.rows = {.values = shaped->values,
                                                  .values64 = shaped->values64,
                                                  .rows = shaped->rows,
                                                  .columns = input->forest->features},
                                         .beside = input->beside,
                                         .first = input->rows,
                                         .file = table_file_name(input->reader, batch->file),
                                         .table = batch,
                                         .kept = shaped->kept};
    if (shaped->rows > 0) status = input->visit(input->arg, &visited, err);
    input->rows += shaped->rows;
    input->left_out += batch->rows - shaped->rows;
    input->bad_rows += batch->bad_rows;
    shaped_free(shaped);
    batch_free(batch);
    return status;
}

static int note_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    return session_progress(((struct forest_input *)arg)->session, rows, bytes, total);
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void warn_of(const struct forest_input *input, int64_t rows, const char *what)
{
    if (rows > 0)
        session_log(input->session, SPOT_LOG_WARNING, "%lld rows %s were left out", (long long)rows,
                    what);
}

/* Rows left out would pair all that follow with the labels of others. */
static int check_left_out(const struct forest_input *input, struct spot_error *err)
{
    const int64_t rows = input->left_out + input->bad_rows;
    if (rows > 0 && given(&input->session->arguments, OPTION_LABELS))
        return spot_fail(err, SPOT_EDATA,
                         "%.200s: %lld rows have missing values or could not be read; with "
                         "--labels every row must be there",
                         table_file_name(input->reader, 0), (long long)rows);
    warn_of(input, input->left_out, "with missing values");
    warn_of(input, input->bad_rows, "that could not be read");
    return SPOT_OK;
}

static int read_table(struct forest_input *input, const struct intake *intake,
                      struct spot_error *err)
{
    const struct table_visitor visitor = {shape_work, shape_take, shape_discard, note_progress,
                                          input};
    struct table_options table = {.files = (const char *const *)intake->paths,
                                  .files_count = intake->paths_count,
                                  .spool_dir = intake->options->spool_dir};
    char decimal = '.';
    int status;
    SPOT_TRY(intake_table_options(intake->options->config, &table, &decimal, err));
    SPOT_TRY(table_open(&table, engine_pool(input->session->engine), &input->reader, err));
    SPOT_TRY(make_specs(input, decimal, err));
    SPOT_TRY(table_each(input->reader, input->specs, input->specs_count, &visitor, err));
    status = check_left_out(input, err);
out:
    return status;
}

/* ---- Matrices ------------------------------------------------------------------------------- */

static int check_matrix(const struct forest_input *input, const char *path, int32_t columns,
                        struct spot_error *err)
{
    if (input->reading->beside_count > 0)
        return spot_fail(err, SPOT_EUSAGE, "%.200s: a .npy has no column %.100s", path,
                         input->reading->beside[0].name);
    if (given(&input->session->arguments, OPTION_FEATURES))
        return spot_fail(err, SPOT_EUSAGE,
                         "--features: %.200s: a .npy has no names; its columns are the features in "
                         "the model's order",
                         path);
    if (columns != input->forest->features)
        return spot_fail(err, SPOT_EDATA, "%.200s has %d columns, but the model has %d features",
                         path, columns, input->forest->features);
    return SPOT_OK;
}

/* The rows of a .npy, `step` of them at a time, into values (step, columns) of the right type. */
static int read_parts(struct forest_input *input, const char *path, struct npy_file *file,
                      int64_t rows, int64_t step, void *values, struct spot_error *err)
{
    const int32_t columns = input->forest->features;
    const int64_t row_bytes = (int64_t)columns * (is_double(input) ? 8 : 4);
    int status = SPOT_OK;
    for (int64_t first = 0; first < rows && status == SPOT_OK; first += step) {
        const int64_t count = rows - first < step ? rows - first : step;
        struct forest_batch batch = {
            .rows = {.rows = count, .columns = columns}, .first = first, .file = path};
        if (session_stopped(input->session)) return SPOT_ESTOPPED;
        if (is_double(input)) {
            status = npy_read_float64(file, first, count, values, err);
            batch.rows.values64 = values;
        } else {
            status = npy_read_float32(file, first, count, values, err);
            batch.rows.values = values;
        }
        if (status == SPOT_OK) status = input->visit(input->arg, &batch, err);
        progress_reading(&input->session->progress, first + count, (first + count) * row_bytes,
                         rows * row_bytes);
    }
    return status;
}

static int read_matrix(struct forest_input *input, const char *path, struct spot_error *err)
{
    struct npy_file *file = NULL;
    void *values = NULL;
    int64_t rows;
    int32_t columns;
    int status;
    SPOT_TRY(npy_open(path, &file, &rows, &columns, err));
    SPOT_TRY(check_matrix(input, path, columns, err));
    const size_t row_bytes = (size_t)columns * (is_double(input) ? 8 : 4);
    int64_t step = input->session->batch_rows > 0 ? input->session->batch_rows : BATCH_ROWS;
    const int64_t most = BATCH_BYTES / ((int64_t)row_bytes + 1) + 1;
    if (step > most) step = most;
    if (step > rows) step = rows;
    values = spot_alloc(step, row_bytes);
    if (values == NULL) {
        status = spot_fail_memory(err, "a batch of rows");
        goto out;
    }
    status = read_parts(input, path, file, rows, step, values, err);
out:
    free(values);
    npy_close(file);
    return status;
}

int forest_input_each(struct session *session, const struct forest_reading *reading,
                      forest_visitor *visit, void *arg, struct spot_error *err)
{
    struct forest_input input = {.session = session,
                                 .reading = reading,
                                 .encoder = &reading->model->encoder,
                                 .forest = &reading->model->forest->forest,
                                 .visit = visit,
                                 .arg = arg};
    struct prepare_options options;
    struct intake intake = {.options = &options};
    bool matrix = false;
    int status;
    SPOT_TRY(session_reading(session, &options, err));
    SPOT_TRY(intake_paths(&intake, err));
    SPOT_TRY(intake_is_npy(&intake, &matrix, err));
    status = matrix ? read_matrix(&input, intake.paths[0], err) : read_table(&input, &intake, err);
out:
    intake_close(&intake);
    table_close(input.reader);
    names_free(input.names, input.names_count);
    free(input.specs);
    free(input.beside);
    return status;
}
