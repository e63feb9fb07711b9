/* Model documents: what is written reads back to the same bits, and what is not a model is refused
 * with the place. */
#define _POSIX_C_SOURCE 200809L
#include "models/model_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/kmeans.h"
#include "suite.h"

static char path[64];

static int make_path(void)
{
    snprintf(path, sizeof path, "/tmp/blackspot-model-XXXXXX");
    int file = mkstemp(path);
    if (file >= 0) close(file);
    return file >= 0;
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static char *read_file(void)
{
    char *text = calloc(1, 1 << 16);
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT(fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return text;
}

static void reads_back_to_the_same_bits(void)
{
    const double values[] = {0.1, -1.0 / 3, 1e-310, 1.7976931348623157e308, -0.0, 123456789.125};
    spot_kmeans *model = kmeans_new(2, 3), *back;
    memcpy(model->centres, values, sizeof values);
    model->sizes[0] = 1;
    model->sizes[1] = (int64_t)1 << 40;
    model->result.inertia = 2.0 / 7;
    model->result.iterations = 12;
    model->result.converged = 1;
    CU_ASSERT_FATAL(make_path());
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_save(model, path, NULL), SPOT_OK);
    char *first = read_file();
    CU_ASSERT_EQUAL_FATAL(spot_kmeans_load(path, &back, NULL), SPOT_OK);
    const struct spot_kmeans_result *result = spot_kmeans_result(back);
    CU_ASSERT_EQUAL(memcmp(result->centres, values, sizeof values), 0);
    CU_ASSERT_EQUAL(result->sizes[1], (int64_t)1 << 40);
    CU_ASSERT_EQUAL(result->inertia, 2.0 / 7);
    CU_ASSERT_EQUAL(result->iterations, 12);
    CU_ASSERT_EQUAL(result->converged, 1);
    CU_ASSERT_EQUAL(spot_kmeans_save(back, path, NULL), SPOT_OK);
    char *second = read_file();
    CU_ASSERT_STRING_EQUAL(first, second);
    free(first);
    free(second);
    spot_kmeans_free(model);
    spot_kmeans_free(back);
    unlink(path);
}

static void keeps_features_and_encoder(void)
{
    char *features[] = {"hour", "month \"quoted\" \xc3\xa9"};
    struct model model = {.features = features, .columns = 2, .kmeans = kmeans_new(1, 2)}, back;
    model.kmeans->result.iterations = 1;
    model.encoder = cJSON_Parse("{\"columns\": [1, 2.5]}");
    CU_ASSERT_FATAL(make_path());
    CU_ASSERT_EQUAL_FATAL(model_write(path, &model, NULL), SPOT_OK);
    CU_ASSERT_EQUAL_FATAL(model_read(path, &back, NULL), SPOT_OK);
    CU_ASSERT_EQUAL(back.columns, 2);
    CU_ASSERT_STRING_EQUAL(back.features[0], features[0]);
    CU_ASSERT_STRING_EQUAL(back.features[1], features[1]);
    CU_ASSERT(cJSON_Compare(back.encoder, model.encoder, 1));
    model_clear(&back);
    cJSON_Delete(model.encoder);
    spot_kmeans_free(model.kmeans);
    unlink(path);
}

#define HEAD "{\"format\": \"blackspot-model\", \"version\": 1, \"kind\": \"kmeans\", "
#define NAMES "\"features\": [\"a\", \"b\"], "

static void refuses_what_is_no_model(void)
{
    const char *table[][2] = {
        {"", ":1: not a JSON"},
        {"{\n\"format\":\n!", ":3: not a JSON"},
        {"[]", "not a blackspot model"},
        {"{\"format\": \"onnx\"}", "not a blackspot model"},
        {"{\"format\": \"blackspot-model\", \"version\": 2}", "\"version\" is not 1"},
        {"{\"format\": \"blackspot-model\", \"version\": 1, \"kind\": \"svm\"}", "\"svm\""},
        {"{\"format\": \"blackspot-model\", \"version\": 1}", "\"kind\""},
        {HEAD "\"features\": []}", "\"features\""},
        {HEAD "\"features\": [\"a\", 7]}", "features[1]"},
        {HEAD NAMES "\"encoder\": 5}", "\"encoder\""},
        {HEAD NAMES "\"kmeans\": 5}", "kmeans.k"},
        {HEAD NAMES "\"kmeans\": {\"k\": 0}}", "kmeans.k"},
        {HEAD NAMES "\"kmeans\": {\"k\": 2, \"centres\": [[1, 2]]}}", "k = 2 rows"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1e9, \"centres\": [[1, 2]]}}", "kmeans.centres"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1, 2]]}}", "kmeans.inertia"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1, 2]], \"inertia\": -1}}",
         "kmeans.inertia"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1, 2]], \"inertia\": 1}}",
         "kmeans.iterations"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1, 2]], \"inertia\": 1, "
                    "\"iterations\": 3}}",
         "kmeans.sizes"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1, 2]], \"inertia\": 1, "
                    "\"iterations\": 3, \"sizes\": [-4]}}",
         "kmeans.sizes[0]"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1]], \"inertia\": 1, "
                    "\"iterations\": 3, \"sizes\": [4]}}",
         "kmeans.centres[0]"},
        {HEAD NAMES "\"kmeans\": {\"k\": 1, \"centres\": [[1, \"x\"]], \"inertia\": 1, "
                    "\"iterations\": 3, \"sizes\": [4]}}",
         "kmeans.centres[0][1]"},
    };
    CU_ASSERT_FATAL(make_path());
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct spot_error err = {0};
        spot_kmeans *model;
        write_text(table[i][0]);
        CU_ASSERT_EQUAL(spot_kmeans_load(path, &model, &err), SPOT_EFORMAT);
        CU_ASSERT_PTR_NULL(model);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, path));
        if (strstr(err.message, table[i][1]) == NULL) printf("\n%s\n", err.message);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.message, table[i][1]));
    }
    unlink(path);
}

static void names_a_file_that_is_not_there(void)
{
    struct spot_error err;
    spot_kmeans *model;
    CU_ASSERT_EQUAL(spot_kmeans_load("/nowhere/m.json", &model, &err), SPOT_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.message, "/nowhere/m.json"));
    CU_ASSERT_EQUAL(spot_kmeans_load("/tmp", &model, &err), SPOT_EIO);
    spot_kmeans *empty = kmeans_new(1, 1);
    CU_ASSERT_EQUAL(spot_kmeans_save(empty, "/nowhere/m.json", &err), SPOT_EIO);
    spot_kmeans_free(empty);
}

int main(void)
{
    const struct suite_test tests[] = {
        {"reads back to the same bits", reads_back_to_the_same_bits},
        {"keeps features and encoder", keeps_features_and_encoder},
        {"refuses what is no model", refuses_what_is_no_model},
        {"names a file that is not there", names_a_file_that_is_not_there},
        {NULL, NULL},
    };
    return run_suite("model_file", tests);
}
