/* Prepares a table given as text with a configuration given as text, through files in a temporary
 * folder. */
#ifndef SPOT_TESTS_PREPARE_TEXT_H
#define SPOT_TESTS_PREPARE_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "data/prepare_internal.h"
#include "suite.h"

/* What is asked for beside the texts; zeroed: two threads, everything kept in memory. */
struct prepare_wish {
    const char *weight, *id;
    const struct encoder *encoder;
    const struct schema *schema;
    int threads;
    bool rereads; /* nothing is kept: the text is read twice */
    void (*warn)(void *arg, const char *text);
    void *arg;
};

/* The path of a temporary file with this content; the caller unlinks and frees it. */
static inline char *temporary_file(const char *text, size_t size, const char *end)
{
    char *path = malloc(64);
    snprintf(path, 64, "/tmp/blackspot-prepare-XXXXXX%s", end);
    int descriptor = mkstemps(path, (int)strlen(end));
    CU_ASSERT_FATAL(descriptor >= 0);
    CU_ASSERT_EQUAL_FATAL(write(descriptor, text, size), (ssize_t)size);
    close(descriptor);
    return path;
}

static inline int prepare_files(const char *config, const char *const *paths, int count,
                                const struct prepare_wish *wish, struct prepared *out,
                                struct spot_error *err)
{
    static const struct prepare_wish nothing;
    struct config *root = NULL;
    struct spot_pool *pool;
    if (wish == NULL) wish = &nothing;
    int status = config == NULL ? SPOT_OK : config_parse(config, "c.yaml", &root, err);
    memset(out, 0, sizeof *out);
    if (status < 0) return status;
    CU_ASSERT_EQUAL_FATAL(pool_open(wish->threads > 0 ? wish->threads : 2, &pool, NULL), SPOT_OK);
    struct prepare_options options = {.inputs = paths,
                                      .inputs_count = count,
                                      .config = root,
                                      .encoder = wish->encoder,
                                      .schema = wish->schema,
                                      .weight_column = wish->weight,
                                      .id_column = wish->id,
                                      .spool_dir = "/tmp",
                                      .warn = wish->warn,
                                      .arg = wish->arg};
    status =
        prepare_table_within(&options, pool, wish->rereads ? INT64_MIN / 2 : KEPT_BYTES, out, err);
    pool_close(pool);
    config_free(root);
    return status;
}

static inline int prepare_text(const char *config, const char *csv, const struct prepare_wish *wish,
                               struct prepared *out, struct spot_error *err)
{
    char *path = temporary_file(csv, strlen(csv), ".csv");
    const char *paths[] = {path};
    int status = prepare_files(config, paths, 1, wish, out, err);
    unlink(path);
    free(path);
    return status;
}

/* Prepares and expects a failure with this status and a message that contains `words`. */
static inline void refuses(const char *config, const char *csv, int status, const char *words)
{
    struct prepared out;
    struct spot_error err = {0};
    CU_ASSERT_EQUAL(prepare_text(config, csv, NULL, &out, &err), status);
    if (strstr(err.message, words) == NULL)
        printf("\n    \"%s\"\n      lacks \"%s\"\n", err.message, words);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, words));
    CU_ASSERT_PTR_NULL(out.values);
    prepared_free(&out);
}

/* Prepares and expects this matrix, rows parted by ';' and values by blanks, after names. */
static inline void makes(const char *config, const char *csv, const char *names, const char *matrix)
{
    struct prepared out;
    struct spot_error err = {0};
    char text[4000] = "", found[1000] = "";
    if (prepare_text(config, csv, NULL, &out, &err) != SPOT_OK) printf("\n    %s\n", err.message);
    for (int32_t j = 0; j < out.columns; j++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", j == 0 ? "" : " ",
                 out.names[j]);
    for (int64_t i = 0; i < out.rows; i++)
        for (int32_t j = 0; j < out.columns; j++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.9g",
                     j > 0   ? " "
                     : i > 0 ? "; "
                             : "",
                     (double)out.values[i * out.columns + j]);
    if (strcmp(found, names) != 0) printf("\n    names: %s\n", found);
    if (strcmp(text, matrix) != 0) printf("\n    matrix: %s\n", text);
    CU_ASSERT_STRING_EQUAL(found, names);
    CU_ASSERT_STRING_EQUAL(text, matrix);
    prepared_free(&out);
}

#endif
