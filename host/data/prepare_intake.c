/* Opening: which files, which columns of them, and what is made of those. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/prepare_internal.h"

/* ---- Files ---- */

static int add_path(struct intake *intake, char *path, struct spot_error *err)
{
    if (path == NULL) return spot_fail_memory(err, "the list of files");
    intake->paths[intake->paths_count++] = path;
    return SPOT_OK;
}

int intake_paths(struct intake *intake, struct spot_error *err)
{
    const struct prepare_options *options = intake->options;
    const struct config *files = config_get(config_get(options->config, "input"), "files");
    bool list = files != NULL && files->kind == CONFIG_LIST;
    bool given = options->inputs_count > 0;
    int32_t count = given ? options->inputs_count : list ? files->count : files != NULL;
    if (count == 0)
        return spot_fail(err, SPOT_EUSAGE,
                         "no input: give --input FILE, or input.files in the "
                         "configuration");
    intake->paths = calloc((size_t)count, sizeof *intake->paths);
    if (intake->paths == NULL) return spot_fail_memory(err, "the list of files");
    for (int32_t i = 0; i < count; i++) {
        const struct config *item = given ? NULL : list ? files->items[i] : files;
        if (!given && item->kind != CONFIG_TEXT)
            return config_fail(item, err, "files: expected a path or a list of paths");
        char *path = given ? spot_copy_text(options->inputs[i]) : config_path(item);
        int status = add_path(intake, path, err);
        if (status < 0) return status;
    }
    return SPOT_OK;
}

static bool ends_in_npy(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".npy") == 0;
}

int intake_is_npy(const struct intake *intake, bool *npy, struct spot_error *err)
{
    *npy = false;
    for (int32_t i = 0; i < intake->paths_count; i++)
        *npy = *npy || ends_in_npy(intake->paths[i]);
    if (!*npy) return SPOT_OK;
    if (intake->paths_count > 1)
        return spot_fail(err, SPOT_EUSAGE, "%s: a .npy is read alone, not with other files",
                         intake->paths[0]);
    if (intake->options->weight_column != NULL || intake->options->id_column != NULL)
        return spot_fail(err, SPOT_EUSAGE, "%s: a .npy has no column %s", intake->paths[0],
                         intake->options->weight_column != NULL ? intake->options->weight_column
                                                                : intake->options->id_column);
    return SPOT_OK;
}

/* ---- Options of the text ---- */

static int read_delimiter(const struct config *input, char *delimiter, struct spot_error *err)
{
    const char *text = NULL;
    int status = config_text(input, "delimiter", &text, err);
    if (status < 0 || text == NULL) return status;
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) text = "\t";
    if (strlen(text) != 1)
        return config_fail(config_get(input, "delimiter"), err,
                           "delimiter: expected one character or tab, found '%s'", text);
    *delimiter = *text;
    return SPOT_OK;
}

int intake_table_options(const struct config *root, struct table_options *table, char *decimal,
                         struct spot_error *err)
{
    static const char *const tops[] = {"input", "columns", "checks", "features",  "kmeans", "gmm",
                                       "map",   "engine",  "seed",   "precision", NULL};
    static const char *const keys[] = {"files",   "delimiter",  "encoding",
                                       "decimal", "on_bad_row", NULL};
    static const char *const encodings[] = {"utf-8", "latin1", "windows-1252", NULL};
    static const char *const bad_row[] = {"fail", "drop", NULL};
    static const char *const decimals[] = {".", ",", NULL};
    const struct config *input = config_get(root, "input");
    int32_t encoding = 0, drop = 0, comma = 0;
    int status;
    SPOT_TRY(config_known(root, tops, err));
    SPOT_TRY(config_known(input, keys, err));
    SPOT_TRY(read_delimiter(input, &table->delimiter, err));
    SPOT_TRY(config_choice(input, "encoding", encodings, &encoding, err));
    SPOT_TRY(config_choice(input, "on_bad_row", bad_row, &drop, err));
    SPOT_TRY(config_choice(input, "decimal", decimals, &comma, err));
    table->encoding = (enum text_encoding)encoding;
    table->drop_bad_rows = drop == 1;
    *decimal = *decimals[comma];
out:
    return status;
}

/* ---- Columns ---- */

/* The header without the columns that are no features: the id, and the weight. */
static int make_schema(struct intake *intake, struct spot_error *err)
{
    const struct prepare_options *options = intake->options;
    int32_t count, kept = 0;
    const char *const *header = table_header(intake->reader, &count);
    const char **names = calloc((size_t)count + 1, sizeof *names);
    if (names == NULL) return spot_fail_memory(err, "the columns");
    for (int32_t i = 0; i < count; i++) {
        bool id = options->id_column != NULL && strcmp(header[i], options->id_column) == 0;
        bool weight =
            options->weight_column != NULL && strcmp(header[i], options->weight_column) == 0;
        if (!id && !weight) names[kept++] = header[i];
    }
    int status = schema_make(options->config, names, kept, &intake->made_schema, err);
    intake->schema = intake->made_schema;
    free(names);
    return status;
}

/* The spec of a column of numbers: the schema's, or one added behind them. */
static int number_spec(struct intake *intake, const char *name, const char *use, int32_t *index,
                       struct spot_error *err)
{
    *index = schema_find(intake->schema, name);
    if (*index < 0) {
        *index = intake->specs_count++;
        intake->specs[*index] =
            (struct column_spec){.name = name,
                                 .source = name,
                                 .type = COLUMN_NUMBER,
                                 .decimal = *index > 0 ? intake->specs[0].decimal : '.'};
        return SPOT_OK;
    }
    enum column_type type = intake->specs[*index].type;
    if (type == COLUMN_NUMBER || type == COLUMN_INTEGER) return SPOT_OK;
    return spot_fail(err, SPOT_EUSAGE, "%s cannot be %s: it is no number", name, use);
}

/* The weight, what is carried and the id are read beside the schema's columns. */
static int choose_columns(struct intake *intake, struct spot_error *err)
{
    const struct prepare_options *options = intake->options;
    const struct column_spec *specs = schema_columns(intake->schema, &intake->specs_count);
    int32_t count = intake->specs_count;
    intake->specs = calloc((size_t)count + 2 + PREPARE_CARRIED, sizeof *intake->specs);
    if (intake->specs == NULL) return spot_fail_memory(err, "the columns");
    for (int32_t i = 0; i < count; i++)
        intake->specs[i] = specs[i];
    int status = SPOT_OK;
    if (options->weight_column != NULL)
        status = number_spec(intake, options->weight_column, "a weight", &intake->weight, err);
    for (int32_t i = 0; i < options->carried_count && status == SPOT_OK; i++)
        status = number_spec(intake, options->carried[i], "on a map", &intake->carried[i], err);
    if (status < 0) return status;
    if (options->id_column != NULL) {
        int32_t known = schema_find(intake->schema, options->id_column);
        intake->id = intake->specs_count++;
        intake->specs[intake->id] =
            (struct column_spec){.name = options->id_column,
                                 .source = known < 0 ? options->id_column : specs[known].source,
                                 .type = COLUMN_TEXT,
                                 .decimal = '.'};
    }
    return SPOT_OK;
}

int intake_open(struct intake *intake, struct spot_pool *pool, bool rewindable,
                struct spot_error *err)
{
    const struct prepare_options *options = intake->options;
    struct table_options table = {.files = (const char *const *)intake->paths,
                                  .files_count = intake->paths_count,
                                  .spool_dir = options->spool_dir,
                                  .rewindable = rewindable};
    char decimal; /* the schema has its own */
    int status;
    intake->weight = intake->id = -1;
    SPOT_TRY(intake_table_options(options->config, &table, &decimal, err));
    SPOT_TRY(table_open(&table, pool, &intake->reader, err));
    intake->schema = options->schema;
    intake->encoder = options->encoder;
    if (intake->schema == NULL) SPOT_TRY(make_schema(intake, err));
    SPOT_TRY(choose_columns(intake, err));
    if (intake->encoder == NULL) {
        SPOT_TRY(encoder_make(options->config, intake->schema, intake->weight,
                              &intake->made_encoder, err));
        if (options->keep_zero || options->wide) encoder_keep_zero(intake->made_encoder);
        intake->encoder = intake->made_encoder;
    }
    intake->used = spot_alloc_zero(intake->specs_count, sizeof *intake->used);
    if (intake->used == NULL) return spot_fail_memory(err, "the columns");
    encoder_mark_used(intake->encoder, intake->used);
    if (intake->weight >= 0) intake->used[intake->weight] = true;
    if (intake->id >= 0) intake->used[intake->id] = true;
    for (int32_t i = 0; i < options->carried_count; i++)
        intake->used[intake->carried[i]] = true;
out:
    return status;
}

void intake_close(struct intake *intake)
{
    for (int32_t i = 0; i < intake->paths_count; i++)
        free(intake->paths[i]);
    free(intake->paths);
    table_close(intake->reader);
    encoder_free(intake->made_encoder);
    schema_free(intake->made_schema);
    free(intake->specs);
    free(intake->used);
    memset(intake, 0, sizeof *intake);
}
