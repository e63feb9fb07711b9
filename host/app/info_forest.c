#define _GNU_SOURCE /* argp */
#include "app/info_forest.h"

#include <stdlib.h>
#include <string.h>

#include "app/forest_model.h"
#include "app/result.h"
#include "app/words.h"
#include "base/error.h"
#include "base/memory.h"

enum { SHOWN = 30 }; /* features in the text; JSON has all */

/* A feature's share in the splits. */
struct importance {
    int32_t feature;
    int64_t splits;
    double gain, cover; /* of all its splits together */
};

struct forest_report {
    struct forest_model model;
    struct importance *features; /* (features) the greatest gain first */
    double gain;                 /* of all */
    int32_t used;                /* features with a split */
};

static int by_gain(const void *a, const void *b)
{
    const struct importance *x = a, *y = b;
    if (x->gain != y->gain) return x->gain < y->gain ? 1 : -1;
    if (x->splits != y->splits) return x->splits < y->splits ? 1 : -1;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

static int find_importance(struct forest_report *report, struct spot_error *err)
{
    const int32_t features = report->model.forest->forest.features;
    int64_t *splits = spot_alloc(features, sizeof *splits);
    double *sums = spot_alloc(2 * (int64_t)features, sizeof *sums);
    report->features = spot_alloc(features, sizeof *report->features);
    int status = SPOT_OK;
    if (splits == NULL || sums == NULL || report->features == NULL)
        status = spot_fail_memory(err, "the importance of features");
    else
        status = spot_forest_importance(report->model.forest, splits, sums, sums + features, err);
    for (int32_t j = 0; j < features && status == SPOT_OK; j++) {
        report->features[j] = (struct importance){j, splits[j], sums[j], sums[features + j]};
        report->gain += sums[j];
        report->used += splits[j] > 0;
    }
    if (status == SPOT_OK)
        qsort(report->features, (size_t)features, sizeof *report->features, by_gain);
    free(splits);
    free(sums);
    return status;
}

/* A feature's name, or x0, x1, ... in `buffer`. */
static const char *feature_name(const struct forest_report *report, int32_t j, char *buffer,
                                size_t room)
{
    const spot_forest *forest = report->model.forest;
    if (forest->features != NULL) return forest->features[j];
    snprintf(buffer, room, "x%d", j);
    return buffer;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static cJSON *importance_json(const struct forest_report *report)
{
    char buffer[16];
    cJSON *list = cJSON_CreateArray();
    for (int32_t i = 0; list != NULL && i < report->model.forest->forest.features; i++) {
        const struct importance *of = &report->features[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "feature",
                                feature_name(report, of->feature, buffer, sizeof buffer));
        cJSON_AddNumberToObject(item, "splits", (double)of->splits);
        cJSON_AddNumberToObject(item, "gain", of->gain);
        cJSON_AddNumberToObject(item, "cover", of->cover);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static int print_json(const struct session *session, const struct forest_report *report,
                      struct spot_error *err)
{
    char buffer[16];
    const struct spot_forest_info *info = spot_forest_info(report->model.forest);
    cJSON *result = cJSON_CreateObject();
    if (result == NULL) return spot_fail_memory(err, "the result");
    cJSON_AddStringToObject(result, "command", session->command->name);
    cJSON_AddStringToObject(result, "model", session->arguments.argument);
    cJSON_AddStringToObject(result, "kind", "trees");
    cJSON_AddStringToObject(result, "library", info->library);
    cJSON_AddStringToObject(result, "format", forest_format(session->arguments.argument));
    cJSON_AddStringToObject(result, "objective", info->objective);
    cJSON_AddNumberToObject(result, "outputs", info->outputs);
    cJSON_AddNumberToObject(result, "classes", info->classes);
    cJSON_AddNumberToObject(result, "trees", info->trees);
    cJSON_AddNumberToObject(result, "iterations", info->iterations);
    if (info->best_iteration > 0)
        cJSON_AddNumberToObject(result, "iterations_used", info->best_iteration);
    cJSON_AddNumberToObject(result, "depth", info->depth);
    cJSON_AddNumberToObject(result, "nodes", (double)info->nodes);
    cJSON_AddNumberToObject(result, "leaves", (double)info->leaves);
    cJSON_AddBoolToObject(result, "encoder", report->model.encoder.encoder != NULL);
    cJSON *features = cJSON_AddArrayToObject(result, "features");
    for (int32_t j = 0; j < info->features; j++)
        cJSON_AddItemToArray(features,
                             cJSON_CreateString(feature_name(report, j, buffer, sizeof buffer)));
    cJSON_AddItemToObject(result, "importance", importance_json(report));
    return result_print(result, err);
}

/* ---- Text ----------------------------------------------------------------------------------- */

static void print_kind(const char *path, const spot_forest *forest)
{
    const struct spot_forest_info *info = &forest->info;
    printf("%s: %s, %s", path, forest_format(path),
           *info->objective != '\0' ? info->objective : "no objective");
    if (info->classes > 0)
        printf(", %d classes", info->classes);
    else if (info->outputs > 1)
        printf(", %d outputs", info->outputs);
    if (forest->forest.tree_weight != NULL) printf(", DART");
    if (forest->forest.linear_constant != NULL) printf(", linear leaves");
    if (forest->forest.vector != NULL) printf(", vector leaves");
    if (forest->average) printf(", averaged");
    putchar('\n');
}

static void print_size(const struct forest_report *report)
{
    char leaves[WORDS_ROOM], trees[WORDS_ROOM];
    const struct spot_forest_info *info = spot_forest_info(report->model.forest);
    printf("trees: %s, iterations: %d", words_count(info->trees, trees), info->iterations);
    if (info->best_iteration > 0 && info->best_iteration < info->iterations)
        printf(" (the first %d are used)", info->best_iteration);
    printf("\ndepth: %d, leaves: %s\nfeatures: %d, %d of them used\n%s\n", info->depth,
           words_count(info->leaves, leaves), info->features, report->used,
           report->model.encoder.encoder != NULL ? "carries its encoder" : "has no encoder");
}

/* A line for each feature, the greatest gain first. */
static void print_importance(const struct forest_report *report)
{
    char name[16], number[WORDS_ROOM];
    int width = 7;
    const int32_t shown = report->used < SHOWN ? report->used : SHOWN;
    for (int32_t i = 0; i < shown; i++) {
        int length =
            (int)strlen(feature_name(report, report->features[i].feature, name, sizeof name));
        if (length > width) width = length;
    }
    if (shown == 0) return;
    printf("\n%-*s %10s %12s %9s %12s\n", width, "feature", "splits", "gain", "share", "cover");
    for (int32_t i = 0; i < shown; i++) {
        const struct importance *of = &report->features[i];
        printf("%-*s %10s", width, feature_name(report, of->feature, name, sizeof name),
               words_count(of->splits, number));
        printf(" %12s", words_number(of->gain, number));
        if (report->gain > 0.0)
            printf(" %7.1f %%", 100.0 * of->gain / report->gain);
        else
            printf(" %9s", "-");
        printf(" %12s\n", words_number(of->cover, number));
    }
    if (report->used > shown)
        printf("and %d features more; --json has all of them\n", report->used - shown);
}

int info_forest(struct session *session, struct spot_error *err)
{
    struct forest_report report = {0};
    const char *path = session->arguments.argument;
    int status;
    SPOT_TRY(forest_model_open(path, &report.model, err));
    SPOT_TRY(find_importance(&report, err));
    if (given(&session->arguments, OPTION_JSON)) {
        status = print_json(session, &report, err);
    } else {
        print_kind(path, report.model.forest);
        print_size(&report);
        print_importance(&report);
    }
out:
    free(report.features);
    forest_model_close(&report.model);
    return status;
}
