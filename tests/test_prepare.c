/* From files to matrix: the same bits however it is read, shipped data, weights, ids, .npy, scoring
 * batch by batch, and the example configurations. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <math.h>

#include "data/npy.h"
#include "data/writer.h"
#include "prepare_text.h"

/* ---- The same bits ---- */

/* A table of some hundred thousand rows, so that it has many batches. */
static char *make_table(int rows, size_t *size)
{
    static const char *const kinds[] = {"dry", "wet", "ice", "snow", "fog"};
    char *text = malloc((size_t)rows * 64 + 100);
    size_t used = (size_t)sprintf(text, "id,when,x,kind,w\n");
    uint64_t state = 5;
    for (int i = 0; i < rows; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        unsigned r = (unsigned)(state >> 33);
        used += (size_t)sprintf(text + used, "r%d,2015-%02u-%02u %02u:%02u,%s%u.%03u,%s,%u\n", i,
                                r % 12 + 1, r % 28 + 1, r % 24, r % 60, r % 7 == 0 ? "-" : "",
                                r % 90, r % 1000, r % 11 == 0 ? "" : kinds[r % 5], r % 3);
    }
    *size = used;
    return text;
}

static const char *const busy_config =
    "columns: {when: timestamp, x: number, kind: category, w: number}\n"
    "features:\n"
    "  - {column: when, derive: hour}\n"
    "  - {column: when, derive: dayofweek, cyclic: true}\n"
    "  - {column: x, scale: robust, name: robust}\n"
    "  - {column: x, scale: standard, name: standard}\n"
    "  - {column: x, name: plain}\n"
    "  - {column: kind, encode: one_hot, impute: drop_row}\n"
    "  - {column: kind, encode: frequency, impute: drop_row, name: share}\n";

static bool same_text(cJSON *a, cJSON *b)
{
    char *x = cJSON_Print(a), *y = cJSON_Print(b);
    bool same = strcmp(x, y) == 0;
    free(x);
    free(y);
    cJSON_Delete(a);
    cJSON_Delete(b);
    return same;
}

static void is_equal(const struct prepared *a, const struct prepared *b)
{
    CU_ASSERT_EQUAL_FATAL(a->rows, b->rows);
    CU_ASSERT_EQUAL_FATAL(a->columns, b->columns);
    size_t size = (size_t)a->rows * (size_t)a->columns * sizeof(float);
    CU_ASSERT_EQUAL(memcmp(a->values, b->values, size), 0);
    CU_ASSERT_EQUAL(memcmp(a->weights, b->weights, (size_t)a->rows * sizeof(double)), 0);
    CU_ASSERT_EQUAL(memcmp(a->id_offsets, b->id_offsets, (size_t)(a->rows + 1) * 8), 0);
    CU_ASSERT_EQUAL(memcmp(a->id_bytes, b->id_bytes, (size_t)a->id_offsets[a->rows]), 0);
    CU_ASSERT(same_text(encoder_to_json(a->encoder), encoder_to_json(b->encoder)));
}

static void gives_the_same_bits_however_it_is_read(void)
{
    size_t size;
    char *text = make_table(60000, &size);
    char *path = temporary_file(text, size, ".csv");
    const char *paths[] = {path};
    struct prepared first, again;
    struct prepare_wish wish = {.weight = "w", .id = "id", .threads = 1};
    struct spot_error err = {0};
    CU_ASSERT_EQUAL_FATAL(prepare_files(busy_config, paths, 1, &wish, &first, &err), SPOT_OK);
    CU_ASSERT(first.rows > 50000 && first.rows < 60000);
    CU_ASSERT_EQUAL(first.bytes_read, (int64_t)size);
    for (int threads = 1; threads <= 7; threads += 3)
        for (int rereads = 0; rereads <= 1; rereads++) {
            wish.threads = threads;
            wish.rereads = rereads == 1;
            CU_ASSERT_EQUAL_FATAL(prepare_files(busy_config, paths, 1, &wish, &again, &err),
                                  SPOT_OK);
            is_equal(&first, &again);
            prepared_free(&again);
        }
    prepared_free(&first);
    unlink(path);
    free(path);
    free(text);
}

/* The fit does not depend on the order of the rows. */
static void fits_shuffled_rows_alike(void)
{
    enum { ROWS = 20000 };
    size_t size;
    char *text = make_table(ROWS, &size), *shuffled = malloc(size + 1);
    char **lines = calloc(ROWS + 1, sizeof *lines);
    int count = 0;
    size_t used = 0;
    struct prepared first, again;
    CU_ASSERT_EQUAL_FATAL(prepare_text(busy_config, text, NULL, &first, NULL), SPOT_OK);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        lines[count++] = line;
    CU_ASSERT_EQUAL_FATAL(count, ROWS + 1);
    used += (size_t)sprintf(shuffled, "%s\n", lines[0]);
    for (int i = 0; i < ROWS; i++)
        used += (size_t)sprintf(shuffled + used, "%s\n", lines[1 + (i * 7919 + 13) % ROWS]);
    CU_ASSERT_EQUAL_FATAL(prepare_text(busy_config, shuffled, NULL, &again, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(first.rows, again.rows);
    CU_ASSERT(same_text(encoder_to_json(first.encoder), encoder_to_json(again.encoder)));
    prepared_free(&first);
    prepared_free(&again);
    free(lines);
    free(shuffled);
    free(text);
}

/* ---- Shipped data ---- */

static int prepare_shipped(const char *name, struct prepared *out, struct spot_error *err)
{
    char path[300];
    struct config *config;
    struct spot_pool *pool;
    snprintf(path, sizeof path, SOURCE_DIR "/config/%s.yaml", name);
    memset(out, 0, sizeof *out);
    int status = config_read(path, &config, err);
    if (status < 0) return status;
    CU_ASSERT_EQUAL_FATAL(pool_open(2, &pool, NULL), SPOT_OK);
    struct prepare_options options = {.config = config, .spool_dir = "/tmp"};
    status = prepare_table(&options, pool, out, err);
    pool_close(pool);
    config_free(config);
    return status;
}

static void reads_great_britain(void)
{
    struct prepared out;
    struct spot_error err = {0};
    if (prepare_shipped("gb-2015", &out, &err) != SPOT_OK) printf("\n    %s\n", err.message);
    CU_ASSERT_EQUAL_FATAL(out.rows, 140056 - 18);
    CU_ASSERT_EQUAL_FATAL(out.columns, 4);
    CU_ASSERT_EQUAL(cJSON_GetObjectItem(out.report, "rows")->valueint, 140056);
    CU_ASSERT_EQUAL(out.bytes_read, 19235021);
    const char *const names[] = {"hour", "dayofweek", "month", "severity"};
    for (int j = 0; j < 4; j++)
        CU_ASSERT_STRING_EQUAL(out.names[j], names[j]);
    int64_t severities[4] = {0, 0, 0, 0};
    int outside = 0;
    for (int64_t i = 0; i < out.rows; i++) {
        const float *row = out.values + 4 * i;
        outside += !(row[0] >= 0 && row[0] <= 23 && row[1] >= 0 && row[1] <= 6 && row[2] >= 1 &&
                     row[2] <= 12 && row[3] >= 1 && row[3] <= 3);
        severities[(int)row[3] & 3]++;
    }
    CU_ASSERT_EQUAL(outside, 0);
    CU_ASSERT(severities[1] >= 1616 - 18 && severities[1] <= 1616);
    CU_ASSERT(severities[2] >= 20038 - 18 && severities[2] <= 20038);
    const float first[] = {18, 0, 1, 3}; /* Monday 12 January 2015, 18:45, slight */
    for (int j = 0; j < 4; j++)
        CU_ASSERT_EQUAL(out.values[j], first[j]);
    prepared_free(&out);
}

static void reads_france(void)
{
    struct prepared out;
    struct spot_error err = {0};
    if (prepare_shipped("fr-baac-2021", &out, &err) != SPOT_OK) printf("\n    %s\n", err.message);
    CU_ASSERT_EQUAL(out.rows, 38288);
    CU_ASSERT_EQUAL(out.columns, 20);
    prepared_free(&out);
}

/* The tables of the other two are not shipped; what their configurations expect is. */
static void reads_what_fars_and_new_york_look_like(void)
{
    char *configs[2];
    const char *const names[] = {"us-fars", "us-nyc-points"};
    for (int i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, SOURCE_DIR "/config/%s.yaml", names[i]);
        FILE *file = fopen(path, "r");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        configs[i] = calloc(1, 10000);
        CU_ASSERT(fread(configs[i], 1, 9999, file) > 0);
        fclose(file);
    }
    char csv[120000] = "DAY_WEEK,MONTH,HOUR,LATITUDE,LONGITUD,FATALS,DRUNK_DR\n";
    size_t used = strlen(csv);
    for (int i = 0; i < 1200; i++)
        used += (size_t)sprintf(csv + used, "%d,%d,%d,%.4f,%.4f,%d,%d\n", i % 7 + 1, i % 12 + 1,
                                i % 400 == 0 ? 99 : i % 24, i % 300 == 0 ? 77.7777 : 30 + i % 10,
                                i % 300 == 0 ? 777.7777 : -100 + i % 20, i % 5 + 1, i % 2);
    struct prepared out;
    struct spot_error err = {0};
    if (prepare_text(configs[0], csv, NULL, &out, &err) != SPOT_OK)
        printf("\n    %s\n", err.message);
    CU_ASSERT_EQUAL(out.rows, 1196);
    CU_ASSERT_EQUAL(out.columns, 10);
    prepared_free(&out);
    used = (size_t)sprintf(csv, "year,month,day,hour,minute,lat,lon,node_1,node_2\n");
    for (int i = 0; i < 1000; i++)
        used += (size_t)sprintf(csv + used, "2021,%d,%d,%d,35,%.6f,%.6f,1,2\n", i % 12 + 1,
                                i % 28 + 1, i % 24, 40.6 + i * 1e-4, i == 7 ? -201.36 : -73.9);
    if (prepare_text(configs[1], csv, NULL, &out, &err) != SPOT_OK)
        printf("\n    %s\n", err.message);
    CU_ASSERT_EQUAL(out.table_rows, 1000);
    CU_ASSERT_EQUAL(out.rows, 999); /* without the one that is far out at sea */
    CU_ASSERT_EQUAL(out.columns, 4);
    prepared_free(&out);
    free(configs[0]);
    free(configs[1]);
}

/* ---- Weights and ids ---- */

static void carries_weights_and_ids(void)
{
    for (int rereads = 0; rereads <= 1; rereads++) {
        struct prepared out;
        struct prepare_wish wish = {.weight = "w", .id = "id", .rereads = rereads == 1};
        const char *csv = "id,w,a\nx1,2,5\n201506E098757,0,\n,0.5,7\n";
        const char *config = "features: [{column: a, impute: drop_row}]";
        CU_ASSERT_EQUAL_FATAL(prepare_text(config, csv, &wish, &out, NULL), SPOT_OK);
        CU_ASSERT_EQUAL_FATAL(out.rows, 2);
        CU_ASSERT(out.weights[0] == 2.0 && out.weights[1] == 0.5);
        CU_ASSERT_EQUAL(out.id_offsets[1], 2);
        CU_ASSERT_EQUAL(out.id_offsets[2], 2);
        CU_ASSERT_EQUAL(memcmp(out.id_bytes, "x1", 2), 0);
        prepared_free(&out);
        CU_ASSERT_EQUAL_FATAL(prepare_text(NULL, "id,w,a\nx1,2,5\n", &wish, &out, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(out.columns, 1); /* neither is a feature */
        prepared_free(&out);
        config = "columns: {a: number, w: number, id: {type: text, from: id}}";
        CU_ASSERT_EQUAL_FATAL(prepare_text(config, "id,w,a\nx1,2,5\n", &wish, &out, NULL), SPOT_OK);
        CU_ASSERT_EQUAL(out.columns, 1);
        CU_ASSERT_EQUAL(out.weights[0], 2.0);
        prepared_free(&out);

        struct spot_error err;
        CU_ASSERT_EQUAL(prepare_text(NULL, "id,w,a\nx,1,5\ny,-2,5\n", &wish, &out, &err),
                        SPOT_EDATA);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ".csv:3: w: the weight is negative"));
        prepared_free(&out); /* refused data leaves its report */
        CU_ASSERT_EQUAL(prepare_text(NULL, "id,w,a\nx,,5\n", &wish, &out, &err), SPOT_EDATA);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ".csv:2: w: the weight is missing"));
        prepared_free(&out);
        wish.weight = "k";
        CU_ASSERT_EQUAL(
            prepare_text("columns: {a: number, k: category}", "id,k,a\nx,1,5\n", &wish, &out, &err),
            SPOT_EUSAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "k cannot be a weight"));
    }
}

/* ---- .npy ---- */

static char *make_npy(int64_t rows)
{
    char *path = temporary_file("", 0, ".npy");
    struct writer *writer;
    CU_ASSERT_EQUAL_FATAL(writer_open(path, &writer, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(npy_write_header(writer, "<f4", rows, 2, NULL), SPOT_OK);
    for (int64_t i = 0; i < rows; i++) {
        float row[2] = {(float)i, 0.5f};
        CU_ASSERT_EQUAL_FATAL(writer_put(writer, row, sizeof row, NULL), SPOT_OK);
    }
    CU_ASSERT_EQUAL_FATAL(writer_commit(writer, NULL), SPOT_OK);
    return path;
}

static void takes_npy_as_it_is(void)
{
    char *path = make_npy(3);
    const char *paths[] = {path, path};
    struct prepared out;
    struct spot_error err;
    CU_ASSERT_EQUAL_FATAL(prepare_files(NULL, paths, 1, NULL, &out, NULL), SPOT_OK);
    CU_ASSERT(out.rows == 3 && out.columns == 2 && out.values[4] == 2.0f);
    CU_ASSERT_STRING_EQUAL(out.names[1], "x1");
    CU_ASSERT(out.encoder == NULL && out.schema == NULL && out.report == NULL);
    prepared_free(&out);
    CU_ASSERT_EQUAL(prepare_files(NULL, paths, 2, NULL, &out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "a .npy is read alone"));
    struct prepare_wish wish = {.weight = "w"};
    CU_ASSERT_EQUAL(prepare_files(NULL, paths, 1, &wish, &out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "has no column w"));
    unlink(path);
    CU_ASSERT_EQUAL(prepare_files(NULL, paths, 1, NULL, &out, &err), SPOT_EIO);
    CU_ASSERT_EQUAL(prepare_files(NULL, NULL, 0, NULL, &out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "no input"));
    CU_ASSERT_EQUAL(prepare_files("input: {files: [[a]]}", NULL, 0, NULL, &out, &err), SPOT_EUSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "files: expected a path or a list"));
    free(path);
}

/* ---- Batch by batch ---- */

struct tally {
    float *values;
    char *ids;
    size_t ids_count;
    int64_t rows, limit; /* limit: stop after as many visits */
    int32_t columns;
};

static int visit(void *arg, const struct scored_rows *rows, struct spot_error *err)
{
    struct tally *tally = arg;
    if (tally->limit-- == 0) {
        err->code = SPOT_EIO;
        return SPOT_EIO;
    }
    memcpy(tally->values + tally->rows * tally->columns, rows->values,
           (size_t)(rows->rows * tally->columns) * sizeof(float));
    if (rows->id_offsets != NULL) {
        size_t length = (size_t)rows->id_offsets[rows->rows];
        memcpy(tally->ids + tally->ids_count, rows->id_bytes, length);
        tally->ids_count += length;
    }
    tally->rows += rows->rows;
    return SPOT_OK;
}

static int visit_file(const char *path, const struct prepare_wish *wish, struct tally *tally,
                      struct spot_error *err)
{
    struct spot_pool *pool;
    const char *paths[] = {path};
    struct prepare_options options = {.inputs = paths,
                                      .inputs_count = 1,
                                      .schema = wish->schema,
                                      .encoder = wish->encoder,
                                      .id_column = wish->id,
                                      .spool_dir = "/tmp"};
    CU_ASSERT_EQUAL_FATAL(pool_open(3, &pool, NULL), SPOT_OK);
    int status = prepare_each(&options, pool, visit, tally, err);
    pool_close(pool);
    return status;
}

static void scores_batch_by_batch(void)
{
    size_t size;
    char *text = make_table(30000, &size);
    char *path = temporary_file(text, size, ".csv");
    const char *paths[] = {path};
    struct prepared out;
    struct spot_error err = {0};
    struct prepare_wish wish = {.id = "id"};
    CU_ASSERT_EQUAL_FATAL(prepare_files(busy_config, paths, 1, &wish, &out, &err), SPOT_OK);
    wish.encoder = out.encoder;
    wish.schema = out.schema;
    struct tally tally = {malloc(30000 * 12 * sizeof(float)), malloc(size), 0, 0, -1, out.columns};
    CU_ASSERT_EQUAL(visit_file(path, &wish, &tally, &err), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(tally.rows, out.rows);
    CU_ASSERT_EQUAL(
        memcmp(tally.values, out.values, (size_t)(out.rows * out.columns) * sizeof(float)), 0);
    CU_ASSERT_EQUAL(tally.ids_count, (size_t)out.id_offsets[out.rows]);
    CU_ASSERT_EQUAL(memcmp(tally.ids, out.id_bytes, tally.ids_count), 0);
    tally.rows = 0;
    tally.limit = 1;
    CU_ASSERT_EQUAL(visit_file(path, &wish, &tally, &err), SPOT_EIO);
    free(tally.values);
    free(tally.ids);
    prepared_free(&out);
    unlink(path);
    free(path);
    free(text);
}

static void scores_without_a_model(void)
{
    float values[20000];
    struct spot_error err = {0};
    struct prepare_wish wish = {0};
    struct tally tally = {values, NULL, 0, 0, -1, 2};
    char *path = temporary_file("a,b\n1,2\n3,0.1\n", 14, ".csv");
    CU_ASSERT_EQUAL(visit_file(path, &wish, &tally, &err), SPOT_OK);
    CU_ASSERT(tally.rows == 2 && values[1] == 2.0f && values[3] == 0.1f);
    unlink(path);
    free(path);
    path = temporary_file("a,b\n1,2\n3,x\n", 12, ".csv");
    tally.rows = 0;
    CU_ASSERT_EQUAL(visit_file(path, &wish, &tally, &err), SPOT_EDATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, ".csv:3: b: 'x'"));
    unlink(path);
    free(path);
    path = make_npy(9000);
    tally.rows = 0;
    CU_ASSERT_EQUAL(visit_file(path, &wish, &tally, &err), SPOT_OK);
    CU_ASSERT(tally.rows == 9000 && values[2 * 8999] == 8999.0f);
    unlink(path);
    free(path);
}

/* Progress is told, and may stop the reading. */
static int count_progress(void *arg, int64_t rows, int64_t bytes, int64_t total)
{
    int *calls = arg;
    CU_ASSERT(rows >= 0 && bytes > 0 && bytes <= total);
    return ++*calls >= 1000000 || *calls < 0;
}

static void tells_its_progress(void)
{
    char *path = temporary_file("a\n1\n2\n", 6, ".csv");
    const char *paths[] = {path};
    struct spot_pool *pool;
    struct prepared out;
    int calls = 0;
    struct prepare_options options = {.inputs = paths,
                                      .inputs_count = 1,
                                      .spool_dir = "/tmp",
                                      .progress = count_progress,
                                      .arg = &calls};
    CU_ASSERT_EQUAL_FATAL(pool_open(1, &pool, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(prepare_table(&options, pool, &out, NULL), SPOT_OK);
    CU_ASSERT(calls > 0);
    prepared_free(&out);
    calls = -1000000;
    CU_ASSERT_EQUAL(prepare_table(&options, pool, &out, NULL), SPOT_ESTOPPED);
    CU_ASSERT_PTR_NULL(out.values);
    pool_close(pool);
    unlink(path);
    free(path);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"gives the same bits however it is read", gives_the_same_bits_however_it_is_read},
        {"fits shuffled rows alike", fits_shuffled_rows_alike},
        {"reads Great Britain", reads_great_britain},
        {"reads France", reads_france},
        {"reads what FARS and New York look like", reads_what_fars_and_new_york_look_like},
        {"carries weights and ids", carries_weights_and_ids},
        {"takes .npy as it is", takes_npy_as_it_is},
        {"scores batch by batch", scores_batch_by_batch},
        {"scores without a model", scores_without_a_model},
        {"tells its progress", tells_its_progress},
        {NULL, NULL},
    };
    return run_suite("prepare", tests);
}
