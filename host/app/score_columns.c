#define _GNU_SOURCE /* argp */
#include "app/score_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { NAME_ROOM = 24 };

static bool ends_with_npy(const char *path)
{
    size_t length = strlen(path);
    return length >= 4 && strcmp(path + length - 4, ".npy") == 0;
}

/* --output-kind in the model's own words. */
static int choose_kind(const struct arguments *arguments, const struct model *model,
                       enum score_kind *kind, struct spot_error *err)
{
    static const char *const kmeans_words[] = {"label", "distance", "both", NULL};
    static const char *const gmm_words[] = {"label", "proba", "log_likelihood", "both", NULL};
    static const enum score_kind kmeans_kinds[] = {SCORE_LABEL, SCORE_DISTANCE, SCORE_BOTH};
    static const enum score_kind gmm_kinds[] = {SCORE_LABEL, SCORE_PROBA, SCORE_LOG_LIKELIHOOD,
                                                SCORE_BOTH};
    const bool mixture = model->gmm != NULL;
    int32_t choice = ends_with_npy(arguments->value[OPTION_OUTPUT]) ? 0 : mixture ? 3 : 2;
    int status = option_choice(arguments, OPTION_OUTPUT_KIND, mixture ? gmm_words : kmeans_words,
                               &choice, err);
    if (status < 0) return status;
    *kind = (mixture ? gmm_kinds : kmeans_kinds)[choice];
    return SPOT_OK;
}

/* The names of the columns; shares are called proba_0, proba_1, ... */
static void name_columns(struct score_columns *scores)
{
    const bool mixture = scores->model->gmm != NULL;
    for (int32_t c = 0; c < scores->count && scores->kind == SCORE_PROBA; c++) {
        char *name = scores->name_space + (int64_t)c * NAME_ROOM;
        snprintf(name, NAME_ROOM, "proba_%d", (int)c);
        scores->names[c] = name;
    }
    if (scores->kind == SCORE_PROBA) return;
    scores->names[scores->count - 1] = mixture ? "log_likelihood" : "distance";
    if (scores->kind != SCORE_LABEL && scores->kind != SCORE_BOTH) return;
    scores->names[0] = mixture ? "component" : "cluster";
    scores->is_label[0] = 1;
}

int score_columns_open(const struct arguments *arguments, const struct model *model,
                       struct score_columns *scores, struct spot_error *err)
{
    *scores = (struct score_columns){.model = model};
    int status = choose_kind(arguments, model, &scores->kind, err);
    if (status < 0) return status;
    scores->count = scores->kind == SCORE_PROBA  ? spot_gmm_result(model->gmm)->k
                    : scores->kind == SCORE_BOTH ? 2
                                                 : 1;
    scores->names = spot_alloc_zero(scores->count, sizeof *scores->names);
    scores->is_label = spot_alloc_zero(scores->count, sizeof *scores->is_label);
    scores->columns = spot_alloc_zero(scores->count, sizeof *scores->columns);
    scores->name_space = spot_alloc(scores->count, NAME_ROOM);
    if (scores->names == NULL || scores->is_label == NULL || scores->columns == NULL ||
        scores->name_space == NULL)
        return spot_fail_memory(err, "the columns of scores");
    name_columns(scores);
    return SPOT_OK;
}

void score_columns_close(struct score_columns *scores)
{
    free(scores->names);
    free(scores->is_label);
    free(scores->columns);
    free(scores->name_space);
    free(scores->labels);
    free(scores->values);
    free(scores->shares);
    memset(scores, 0, sizeof *scores);
}

/* Room for a batch; the arrays grow with the largest. */
static int make_room(struct score_columns *scores, int64_t rows, struct spot_error *err)
{
    const int64_t shares = scores->kind == SCORE_PROBA ? rows * scores->count : 0;
    if (spot_grow((void **)&scores->labels, &scores->label_room, rows, sizeof(int32_t)) < 0 ||
        spot_grow((void **)&scores->values, &scores->value_room, rows + shares, sizeof(double)) <
            0 ||
        spot_grow((void **)&scores->shares, &scores->share_room, shares, sizeof(double)) < 0)
        return spot_fail_memory(err, "a batch of scores");
    return SPOT_OK;
}

static int score_mixture(struct score_columns *scores, spot_engine *engine,
                         const struct spot_matrix *rows, struct spot_error *err)
{
    const bool labels = scores->kind == SCORE_LABEL || scores->kind == SCORE_BOTH;
    const bool likelihood = scores->kind == SCORE_LOG_LIKELIHOOD || scores->kind == SCORE_BOTH;
    return spot_gmm_score(engine, scores->model->gmm, rows, labels ? scores->labels : NULL,
                          scores->kind == SCORE_PROBA ? scores->shares : NULL,
                          likelihood ? scores->values : NULL, err);
}

/* Shares (rows, k) as k columns. */
static void turn_shares(struct score_columns *scores, int64_t rows)
{
    for (int32_t c = 0; c < scores->count; c++) {
        double *column = scores->values + c * rows;
        for (int64_t i = 0; i < rows; i++)
            column[i] = scores->shares[i * scores->count + c];
        scores->columns[c].values = column;
    }
}

int score_columns_make(struct score_columns *scores, spot_engine *engine,
                       const struct spot_matrix *rows, struct spot_error *err)
{
    int status = make_room(scores, rows->rows, err);
    if (status < 0) return status;
    status = scores->model->gmm != NULL
                 ? score_mixture(scores, engine, rows, err)
                 : spot_kmeans_assign(engine, scores->model->kmeans, rows, scores->labels,
                                      scores->kind == SCORE_LABEL ? NULL : scores->values, err);
    if (status < 0) return status;
    if (scores->kind == SCORE_PROBA) {
        turn_shares(scores, rows->rows);
        return SPOT_OK;
    }
    for (int32_t i = 0; i < scores->count; i++)
        scores->columns[i] = scores->is_label[i] ? (struct score_column){.labels = scores->labels}
                                                 : (struct score_column){.values = scores->values};
    return SPOT_OK;
}
